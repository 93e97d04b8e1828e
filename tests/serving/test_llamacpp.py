"""The engine in this process with the real built-in model: a measuring tool must not measure a broken engine."""

import asyncio
import json
import os

import httpx2
import openai
import pytest
import pytest_asyncio

from lmgame_common import EndpointError
from lmgame_serving import Endpoint, open_endpoint, resolve
from lmgame_serving.llamacpp import _patient_threads, serve

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
STORY = [{"role": "user", "content": "Tell me a story."}]
SCHEMA = {
    "type": "object",
    "properties": {"moves": {"type": "array", "items": {"enum": ["left", "right"]}, "minItems": 1, "maxItems": 3}},
    "required": ["moves"],
    "additionalProperties": False,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint(smollm2_file):
    async with open_endpoint(resolve("smollm2", env={}), concurrency=4) as endpoint:
        yield endpoint


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(endpoint):
    async with openai.AsyncOpenAI(base_url=endpoint.base_url, api_key=endpoint.api_key, timeout=120) as client:
        yield client


async def ask(client, messages, **options) -> str:
    options = {"temperature": 0, "max_tokens": 12, **options}
    answer = await client.chat.completions.create(model="smollm2", messages=messages, **options)
    return answer.choices[0].message.content


async def test_the_endpoint_says_what_it_can(endpoint):
    assert isinstance(endpoint, Endpoint)
    assert (endpoint.name, endpoint.model, endpoint.provider) == ("smollm2", "smollm2", "llamacpp")
    assert endpoint.structured_outputs
    assert endpoint.vision is False
    assert endpoint.base_url.startswith("http://127.0.0.1:")


async def test_it_knows_the_capital_of_france(client):
    assert await ask(client, QUESTION) == "The capital of France is Paris."


async def test_it_streams_and_counts_tokens(client):
    stream = await client.chat.completions.create(
        model="smollm2",
        messages=QUESTION,
        temperature=0,
        max_tokens=20,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert "".join(texts) == "The capital of France is Paris."
    assert len(texts) > 4
    assert chunks[-1].usage.completion_tokens == 8
    assert chunks[-1].usage.prompt_tokens == 37


async def test_answers_can_be_held_to_a_schema(client):
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
    answer = json.loads(await ask(client, STORY, max_tokens=60, temperature=1, seed=1, response_format=form))
    assert answer["moves"]
    assert set(answer["moves"]) <= {"left", "right"}


async def test_the_same_request_gives_the_same_answer_whatever_else_is_asked(client):
    alone = [await ask(client, STORY, temperature=1, seed=seed) for seed in (1, 2)]
    assert alone[0] != alone[1]
    together = await asyncio.gather(
        ask(client, STORY, temperature=1, seed=2), ask(client, QUESTION), ask(client, STORY, temperature=1, seed=1)
    )
    assert [together[2], together[0]] == alone


async def test_it_asks_for_the_key(endpoint):
    async with httpx2.AsyncClient() as client:
        reply = await client.post(f"{endpoint.base_url}/chat/completions", json={"messages": QUESTION})
    assert reply.status_code == 401


async def test_it_is_silent_and_gone_afterwards_even_amid_a_stream(smollm2_file, capfd):
    with pytest.raises(RuntimeError, match="the caller's"):
        async with serve(smollm2_file, name="n", model="m") as endpoint:
            settings = {"base_url": endpoint.base_url, "api_key": endpoint.api_key}
            async with openai.AsyncOpenAI(**settings) as client:
                stream = await client.chat.completions.create(model="m", messages=STORY, max_tokens=2000, stream=True)
                await anext(aiter(stream))
                raise RuntimeError("the caller's")
    async with httpx2.AsyncClient() as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"{endpoint.base_url}/models")
    assert capfd.readouterr() == ("", "")


async def test_a_file_it_cannot_load(tiny_gguf):
    with pytest.raises(EndpointError, match=r"can't serve .*tiny\.gguf"):
        async with serve(tiny_gguf, name="n", model="m"):
            pass


@pytest.mark.parametrize(
    ("chosen", "spins"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)]
)
async def test_the_openmp_setting_is_the_users_if_there_is_one_and_is_put_back(chosen, spins, monkeypatch):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    with _patient_threads():
        assert os.environ.get("GOMP_SPINCOUNT") == spins
    assert dict(os.environ) == before
