"""The preflight: what it finds out, what it refuses, in how many requests."""

import json
from typing import Any

import pytest

from lmgame_agents import ChatClient, Dialect, InfrastructureError, Sampling, preflight
from lmgame_agents.preflight import Capabilities
from lmgame_serving.testing import Reply, Script, StubServer

READY = Reply('{"ready": true}')


async def run(server: StubServer, *, key: str | None = None, model: str = "m", **options: Any) -> Capabilities:
    async with ChatClient(server.base_url, key, model, idle_timeout=2) as client:
        found = await preflight(client, **options)
        assert client.dialect == found.dialect
        return found


def refusing(*messages: str, status: int = 400) -> Script:
    """A server that refuses the first requests with these words."""
    return [*(Reply(body=json.dumps({"error": {"message": words}}), status=status) for words in messages), READY]


@pytest.mark.parametrize(
    ("sees", "wants", "vision", "requests"),
    [
        (True, None, True, 1),
        (False, None, False, 1),
        (True, True, True, 1),
        (True, False, False, 1),
        (False, False, False, 1),
    ],
)
async def test_vision_is_found_out(sees: bool, wants: bool | None, vision: bool, requests: int) -> None:
    async with StubServer(READY, vision=sees) as server:
        assert (await run(server, wants_images=wants)).vision == vision
    assert len(server.requests) == requests  # the stub keeps no record of refused images
    assert ("image_url" in str(server.requests[0].json)) == vision


async def test_missing_vision_is_refused_where_images_are_wanted() -> None:
    async with StubServer(READY, vision=False) as server:
        with pytest.raises(InfrastructureError, match="--observation text") as raised:
            await run(server, wants_images=True)
    assert (raised.value.kind, raised.value.fatal) == ("no_vision", True)


async def test_an_image_refused_in_unknown_words_is_left_out_if_it_may_be() -> None:
    async with StubServer(refusing("Cannot deserialize messages[0]")) as server:
        assert not (await run(server)).vision
    async with StubServer(refusing("Cannot deserialize messages[0]")) as server:
        with pytest.raises(InfrastructureError, match="deserialize"):
            await run(server, wants_images=True)


async def test_a_wrong_key_and_a_wrong_model_are_named() -> None:
    async with StubServer(READY, api_key="right", models=["qwen3-4b"]) as server:
        with pytest.raises(InfrastructureError, match="key") as raised:
            await run(server, key="wrong", model="qwen3-4b")
        assert (raised.value.kind, raised.value.fatal) == ("unauthorized", True)
        with pytest.raises(InfrastructureError, match="'qwen3-4b'") as raised:
            await run(server, key="right", model="qwen-4b")
        assert (raised.value.kind, raised.value.fatal) == ("unknown_model", True)
        await run(server, key="right", model="qwen3-4b")


async def test_a_server_that_is_not_there_is_fatal_before_a_run() -> None:
    async with StubServer(READY) as server:
        await server.refuse()
        with pytest.raises(InfrastructureError, match="server running") as raised:
            await run(server)
    assert (raised.value.kind, raised.value.fatal) == ("refused", True)


@pytest.mark.parametrize("fault", ["http_429", "http_500", "cut"])
async def test_passing_trouble_is_not_fatal(fault: Any) -> None:
    async with StubServer(Reply(fault=fault)) as server:
        with pytest.raises(InfrastructureError) as raised:
            await run(server, wants_images=True)
    assert not raised.value.fatal
    assert server.count == 1


async def test_a_port_that_says_nothing_is_given_up_after_one_wait() -> None:
    async with (
        StubServer(Reply(delay=30)) as server,
        ChatClient(server.base_url, None, "m", idle_timeout=0.3) as client,
    ):
        with pytest.raises(InfrastructureError, match=r"said nothing.*--idle-timeout") as raised:
            await preflight(client)
    assert (raised.value.kind, raised.value.fatal) == ("stalled", True)
    assert server.count == 1


def stumbling(words: str) -> Script:
    """A server that fails over every picture with HTTP 500."""

    def answer(request: dict[str, Any], index: int) -> Reply:
        return Reply(words, status=500) if "image_url" in str(request) else READY

    return answer


@pytest.mark.parametrize(
    ("words", "requests"), [("this model is missing data required for image input", 2), ("segmentation fault", 4)]
)
async def test_a_server_that_fails_over_pictures_has_no_vision(words: str, requests: int) -> None:
    async with StubServer(stumbling(words)) as server:
        assert not (await run(server)).vision
        assert server.count == requests
        with pytest.raises(InfrastructureError, match=words):
            await run(server, wants_images=True)


async def test_passing_trouble_costs_no_vision() -> None:
    async with StubServer([Reply(fault="http_500"), READY]) as server:
        assert (await run(server)).vision
    assert server.count == 3


async def test_trouble_with_and_without_a_picture_is_not_fatal() -> None:
    async with StubServer(Reply(fault="http_500")) as server:
        with pytest.raises(InfrastructureError) as raised:
            await run(server)
    assert not raised.value.fatal
    assert server.count == 2


@pytest.mark.parametrize(
    "reply",
    [
        Reply("ok", reasoning="hm"),
        Reply("<think>hm</think>ok"),
        Reply("<think>h", finish_reason="length"),
        Reply("", usage={"completion_tokens_details": {"reasoning_tokens": 9}}),
    ],
)
async def test_a_model_that_thinks_is_known_by_it(reply: Reply) -> None:
    async with StubServer([reply, READY]) as server:
        found = await run(server)
        assert found.reasoning
        assert not (await run(server)).reasoning
    assert Sampling().resolve(reasoning=True) > Sampling().resolve(reasoning=False)
    assert Sampling(max_tokens=5).resolve(reasoning=True) == 5


async def test_a_thought_too_long_for_the_probe_is_no_trouble() -> None:
    words = "Could not finish the message because max_tokens or model output limit was reached."
    async with StubServer(refusing(words)) as server:
        assert (await run(server)).reasoning


async def test_parameters_are_spelled_as_the_server_wants() -> None:
    script = refusing(
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "Unrecognized request argument supplied: seed",
    )
    async with StubServer(script) as server, ChatClient(server.base_url, None, "m") as client:
        found = await preflight(client, sampling=Sampling(seed=1))
        assert found.dialect == Dialect(token_limit="max_completion_tokens", unsupported=frozenset({"seed"}))
        await client.ask([{"role": "user", "content": "x"}], Sampling(seed=1, max_tokens=9))
    sent = server.requests[-1].json
    assert sent["max_completion_tokens"] == 9
    assert "max_tokens" not in sent and "seed" not in sent


@pytest.mark.parametrize(
    ("sampling", "words", "says"),
    [
        (Sampling(temperature=0.5), "'temperature' does not support 0.5 with this model.", "temperature=0.5"),
        (Sampling(reasoning_effort="low"), "Unknown parameter: reasoning_effort", "reasoning_effort=low"),
        (Sampling(structured=True), "response_format json_schema is not supported", "Structured output"),
        (Sampling(), "something else", "something else"),
    ],
)
async def test_settings_that_were_asked_for_are_never_dropped(sampling: Sampling, words: str, says: str) -> None:
    async with StubServer(refusing(words)) as server:
        with pytest.raises(InfrastructureError, match=says) as raised:
            await run(server, sampling=sampling, wants_images=False)
    assert (raised.value.kind, raised.value.fatal) == ("bad_request", True)


async def test_a_server_that_refuses_everything_is_given_up() -> None:
    words = "max_completion_tokens is not supported, use max_tokens"
    async with StubServer(Reply(body=json.dumps({"error": {"message": words}}), status=400)) as server:
        with pytest.raises(InfrastructureError) as raised:
            await run(server)
    assert raised.value.fatal
    assert server.count <= 8


async def test_structured_output_is_tried_if_wanted() -> None:
    async with StubServer(READY) as server:
        assert (await run(server, sampling=Sampling(structured=True))).structured
        assert not (await run(server)).structured
    assert ["response_format" in request.json for request in server.requests] == [True, False]
