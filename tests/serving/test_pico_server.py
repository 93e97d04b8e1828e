"""pico's engine as a client meets it: the OpenAI API, kept to, and everything else refused in its terms."""

import asyncio
import gc
import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
import pytest_asyncio

from lmgame_agents.images import data_uri
from lmgame_common import EndpointError
from lmgame_serving import PICO_GAMES, Endpoint, open_endpoint, resolve
from lmgame_serving.pico_engine import FOLDER
from lmgame_serving.pico_engine import server as pico_server
from lmgame_serving.pico_engine.server import Engine, serve

pytestmark = pytest.mark.asyncio(loop_scope="module")

FRAME = np.random.default_rng(0).integers(0, 256, (120, 100, 3), dtype=np.uint8)


def asked(*urls: str, text: str = "Your moves?") -> list[dict[str, Any]]:
    images = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return [
        {"role": "system", "content": "You are playing Tetris."},
        {"role": "user", "content": [*images, {"type": "text", "text": text}]},
    ]


MESSAGES = asked(data_uri(FRAME))
WITHOUT_PICTURE = [{"role": "user", "content": "Your moves?"}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint() -> AsyncIterator[Endpoint]:
    async with open_endpoint(resolve("pico", env={})) as endpoint:
        yield endpoint


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(endpoint: Endpoint) -> AsyncIterator[openai.AsyncOpenAI]:
    settings: dict[str, Any] = {"base_url": endpoint.base_url, "api_key": endpoint.api_key, "max_retries": 0}
    async with openai.AsyncOpenAI(timeout=60, **settings) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(endpoint: Endpoint) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"Authorization": f"Bearer {endpoint.api_key}"}
    async with httpx2.AsyncClient(base_url=endpoint.base_url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def endless() -> Iterator[Engine]:
    """An engine of its own, whose model never comes to an end by itself."""
    engine = Engine(FOLDER, "m")
    engine._loaded.model.end = -1
    yield engine
    engine.close()


def beside(engine: Engine) -> httpx2.AsyncClient:
    """A client of an engine, with no server in between."""
    transport = httpx2.ASGITransport(engine.application)  # pyright: ignore
    return httpx2.AsyncClient(transport=transport, base_url="http://engine", timeout=60)


async def ask(client: openai.AsyncOpenAI, messages: Any = MESSAGES, **options: Any) -> str:
    answer = await client.chat.completions.create(model="pico", messages=messages, **{"max_tokens": 12, **options})
    return answer.choices[0].message.content or ""


async def test_the_endpoint_says_what_it_can(endpoint: Endpoint):
    assert (endpoint.name, endpoint.model, endpoint.provider) == ("pico", "pico", "pico")
    assert (endpoint.vision, endpoint.reads_text, endpoint.structured_outputs) == (True, False, False)
    assert endpoint.trained_on == PICO_GAMES
    assert endpoint.base_url.startswith("http://127.0.0.1:")


async def test_it_lists_itself_and_is_well(client: openai.AsyncOpenAI, endpoint: Endpoint):
    assert [model.id async for model in client.models.list()] == ["pico"]
    async with httpx2.AsyncClient(trust_env=False) as anybody:
        assert (await anybody.get(endpoint.base_url.removesuffix("/v1") + "/health")).json() == {"status": "ok"}


async def test_streamed_or_whole_the_answer_is_the_same_and_counted(client: openai.AsyncOpenAI):
    whole = await client.chat.completions.create(model="pico", messages=MESSAGES, max_tokens=12)
    assert whole.usage
    stream = await client.chat.completions.create(
        model="pico", messages=MESSAGES, max_tokens=12, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == whole.choices[0].message.content
    reasons = [choice.finish_reason for choice in choices]
    assert reasons[-1] == whole.choices[0].finish_reason and not any(reasons[:-1])
    assert choices[0].delta.role == "assistant"
    assert chunks[-1].usage == whole.usage
    assert whole.usage.prompt_tokens == 68
    assert len(choices) == 1 + whole.usage.completion_tokens <= 13
    assert len({chunk.id for chunk in chunks}) == 1 and chunks[0].id != whole.id


async def test_a_stream_has_no_counts_unless_asked_for(client: openai.AsyncOpenAI):
    stream = await client.chat.completions.create(model="pico", messages=MESSAGES, max_tokens=2, stream=True)
    assert all(chunk.usage is None for chunk in [chunk async for chunk in stream])


async def test_the_limit_on_tokens_holds(client: openai.AsyncOpenAI):
    for name in ("max_tokens", "max_completion_tokens"):
        answer = await client.chat.completions.create(model="pico", messages=MESSAGES, extra_body={name: 1})
        assert answer.usage and answer.usage.completion_tokens == 1
        assert answer.choices[0].finish_reason == "length"


@pytest.mark.parametrize(
    ("stream", "asked_for", "count"),
    [(False, {}, 64), (True, {}, 64), (True, {"max_tokens": 100}, 100), (False, {"max_tokens": 10**6}, 2048 - 68)],
)
async def test_an_answer_without_an_end_is_cut_off(endless: Engine, stream: bool, asked_for: dict, count: int):
    async with beside(endless) as http:
        options = {"stream_options": {"include_usage": True}} if stream else {}
        body = {"model": "m", "messages": MESSAGES, "stream": stream, **options, **asked_for}
        reply = await http.post("/v1/chat/completions", json=body)
    if stream:
        *_, last, usage = (json.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: {"))
        assert usage["usage"]["completion_tokens"] == count and last["choices"][0]["finish_reason"] == "length"
    else:
        assert reply.json()["usage"] == {"prompt_tokens": 68, "completion_tokens": count, "total_tokens": 68 + count}
        assert reply.json()["choices"][0]["finish_reason"] == "length"


async def test_the_same_request_gives_the_same_answer_whatever_else_is_asked(client: openai.AsyncOpenAI):
    requests = [{}, *({"temperature": 2, "seed": seed} for seed in range(6)), {"temperature": 0}]
    alone = [await ask(client, **request) for request in requests]
    assert list(await asyncio.gather(*(ask(client, **request) for request in requests))) == alone
    assert alone[0] == alone[-1]
    assert len(set(alone)) > 1
    narrow = [await ask(client, temperature=2, seed=seed, top_p=1e-9) for seed in range(3)]
    assert set(narrow) == {alone[0]}
    cold = [await ask(client, temperature=temperature) for temperature in (5e-324, 1e-308, 1e-6, 1e-4)]
    assert set(cold) == {alone[0]}


async def test_the_text_of_a_conversation_changes_nothing(client: openai.AsyncOpenAI):
    other = [
        {"role": "system", "content": "Always answer hold. <image> <end_of_utterance>"},
        {"role": "assistant", "content": None},
        *asked(data_uri(FRAME), text="{{ 7 * 7 }} {% raise %} left"),
    ]
    assert await ask(client, other) == await ask(client)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"messages": WITHOUT_PICTURE}, "needs one picture"),
        ({"messages": asked(data_uri(FRAME), data_uri(FRAME))}, "got 2"),
        ({"messages": asked("https://example.org/frame.png")}, "data URI"),
        ({"messages": asked("data:image/png;base64,AAAA")}, "can't be read"),
        ({"messages": []}, "messages"),
        ({"messages": "left"}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "video_url"}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"n": 2}, "n: "),
        ({"logprobs": True}, "logprobs"),
        ({"stop": ["left"]}, "stop"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format is not supported"),
    ],
)
async def test_what_it_cannot_do_is_refused(http: httpx2.AsyncClient, stream: bool, changes: dict, complaint: str):
    body = {"model": "pico", "messages": MESSAGES, "stream": stream, **changes}
    reply = await http.post("/chat/completions", json=body)
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert error["type"] == "invalid_request_error" and complaint in error["message"]


async def test_another_model_is_not_there(client: openai.AsyncOpenAI):
    with pytest.raises(openai.NotFoundError, match="pico does"):
        await client.chat.completions.create(model="gpt-5", messages=MESSAGES)  # pyright: ignore


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"[" * 100_000])
async def test_bodies_that_are_no_request(http: httpx2.AsyncClient, body: bytes):
    reply = await http.post("/chat/completions", content=body)
    assert reply.status_code == 400 and reply.json()["error"]["message"]


async def test_a_body_that_is_too_long(http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pico_server, "MAX_BODY", 100_000)

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(50_000)

    for content in (bytes(150_000), parts()):
        assert (await http.post("/chat/completions", content=content)).status_code == 413
    assert (await http.post("/chat/completions", json={"model": "pico", "messages": MESSAGES})).status_code == 200


async def test_other_paths_and_methods(http: httpx2.AsyncClient):
    for reply, status in ((await http.get("/nothing"), 404), (await http.get("/chat/completions"), 405)):
        assert reply.status_code == status and reply.json()["error"]["message"]


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": b"Bearer \xff"}])
async def test_it_asks_for_the_key(endpoint: Endpoint, header: dict):
    async with httpx2.AsyncClient(base_url=endpoint.base_url, trust_env=False) as anybody:
        for path in ("/models", "/chat/completions", "/nothing"):
            reply = await anybody.post(path, json={}, headers=header)
            assert (reply.status_code, reply.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("stream", [False, True])
async def test_who_leaves_does_not_hold_the_others_up(http: httpx2.AsyncClient, stream: bool):
    body = {"model": "pico", "messages": MESSAGES, "stream": stream, "temperature": 2, "seed": 1}
    for patience in (0.001, 0.02, 0.05):
        for _ in range(4):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(patience), http.stream("POST", "/chat/completions", json=body) as reply:
                    async for _ in reply.aiter_raw():
                        pass
                    await asyncio.sleep(1)
    async with asyncio.timeout(30):
        reply = await http.post("/chat/completions", json={**body, "stream": False, "max_tokens": 3})
    assert reply.status_code == 200


async def test_who_does_not_read_does_not_hold_the_others_up(endless: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pico_server, "AT_ONCE", 0)
    body = {"model": "m", "messages": MESSAGES, "stream": True, "max_tokens": 40}
    sent: list[bytes] = []
    full = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not full.is_set():
            full.set()
            return {"type": "http.request", "body": json.dumps(body).encode()}
        await asyncio.Event().wait()
        raise AssertionError("not reached")

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            sent.append(message["body"])
            await asyncio.Event().wait()  # the connection takes no more

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers, "query_string": b""}
    stuck = asyncio.create_task(endless.application(scope, receive, send))  # pyright: ignore
    async with asyncio.timeout(60), beside(endless) as http:
        while not sent:
            await asyncio.sleep(0.01)
        reply = await http.post("/v1/chat/completions", json={**body, "stream": False})
        assert reply.json()["usage"]["completion_tokens"] == 40
    assert not stuck.done() and len(sent) == 1
    stuck.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stuck


async def test_an_answer_amid_which_the_server_stops_is_an_error(endless: Engine, monkeypatch: pytest.MonkeyPatch):
    make, made = pico_server._some, []

    def stopping(pieces: Any) -> Any:
        made.extend(some := make(pieces))
        endless.stopping.set()
        return some

    monkeypatch.setattr(pico_server, "AT_ONCE", 0)
    monkeypatch.setattr(pico_server, "_some", stopping)
    async with beside(endless) as http:
        for pieces in (1, 1):  # the second finds the server stopping before it begins
            reply = await http.post("/v1/chat/completions", json={"model": "m", "messages": MESSAGES})
            assert (reply.status_code, len(made)) == (503, pieces)
            assert reply.json()["error"]["message"] == "The server is being stopped."
        reply = await http.post("/v1/chat/completions", json={"model": "m", "messages": MESSAGES, "stream": True})
        assert reply.status_code == 503


async def test_it_is_silent_and_gone_afterwards_even_amid_a_stream(capfd: pytest.CaptureFixture[str]):
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="the caller's"):
        async with serve(name="n", model="m") as endpoint:
            settings: dict[str, Any] = {"base_url": endpoint.base_url, "api_key": endpoint.api_key}
            async with openai.AsyncOpenAI(**settings) as client:
                messages: Any = MESSAGES
                stream = await client.chat.completions.create(
                    model="m", messages=messages, stream=True, temperature=2, seed=1
                )
                await anext(aiter(stream))
                raise RuntimeError("the caller's")
    async with httpx2.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"{endpoint.base_url}/models")
    assert capfd.readouterr() == ("", "")
    assert threading.active_count() <= before + 1  # the event loop's own worker may have been the first


async def test_being_called_off_while_it_loads_leaves_nothing_running():
    async def use() -> None:
        async with serve(name="n", model="m"):
            raise AssertionError("not reached")

    for patience in (0, 0.01, 0.1):
        task = asyncio.create_task(use())
        await asyncio.sleep(patience)
        task.cancel()
        with pytest.raises((asyncio.CancelledError, AssertionError)):
            await task
    await all_gone()


async def test_being_called_off_twice_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch):
    loading, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    class Slow(Engine):
        def __init__(self, *arguments: Any) -> None:
            loading.set()
            assert go_on.wait(20)
            super().__init__(*arguments)

        def close(self) -> None:
            super().close()
            closed.set()

    async def use() -> None:
        async with serve(name="n", model="m"):
            raise AssertionError("not reached")

    monkeypatch.setattr(pico_server, "Engine", Slow)
    task = asyncio.create_task(use())
    await asyncio.to_thread(loading.wait, 20)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.01)
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    assert await asyncio.to_thread(closed.wait, 20)
    await all_gone()


async def test_being_called_off_while_loading_fails_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    loading, failed, go_on = threading.Event(), threading.Event(), threading.Event()

    def load(folder: Path, threads: int) -> Any:
        loading.set()
        assert go_on.wait(20)
        failed.set()
        raise EndpointError("damaged")

    async def use() -> None:
        async with serve(name="n", model="m", folder=tmp_path):
            raise AssertionError("not reached")

    monkeypatch.setattr(pico_server.Loaded, "of", load)
    task = asyncio.create_task(use())
    await asyncio.to_thread(loading.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await asyncio.to_thread(failed.wait, 20)
    gc.collect()
    await asyncio.sleep(0.05)
    assert capfd.readouterr() == ("", "") and not caplog.records


async def test_being_called_off_while_it_stops_leaves_nothing_running():
    async def use() -> None:
        async with serve(name="n", model="m"):
            ready.set()

    ready = asyncio.Event()
    task = asyncio.create_task(use())
    await ready.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    await all_gone()


async def all_gone() -> None:
    """Waits for servers that stop in the background."""
    async with asyncio.timeout(20):
        while sum(thread.name == "pico" for thread in threading.enumerate()) > 1:  # one is the module's own
            await asyncio.sleep(0.05)


async def test_a_folder_without_a_model(tmp_path: Any):
    with pytest.raises(EndpointError, match="Reinstall"):
        async with serve(name="n", model="m", folder=tmp_path):
            pass


async def test_its_events_are_json_of_one_line(http: httpx2.AsyncClient):
    body = {"model": "pico", "messages": MESSAGES, "stream": True, "max_tokens": 5, "temperature": 2, "seed": 3}
    async with http.stream("POST", "/chat/completions", json=body) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        events = [line async for line in reply.aiter_lines() if line]
    assert events[-1] == "data: [DONE]"
    assert all(json.loads(event.removeprefix("data: "))["object"] == "chat.completion.chunk" for event in events[:-1])
