"""Prefill and decode on engines of their own: who is told what, and what becomes of a request when one fails."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from lmgame_agents import ChatClient
from lmgame_agents.core import InfrastructureError
from lmgame_serving.gateway.pool import EngineState, Role
from lmgame_serving.testing import Reply, StubServer
from lmgame_serving.testing.engine import Behaviour, StubEngine, parser

PARAMS = {"do_remote_prefill": True, "do_remote_decode": False, "remote_engine_id": "e", "remote_block_ids": [[1, 2]]}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr("lmgame_serving.gateway.dispatch.RETRY_PAUSE", 0.01)


def prefilled(params: Any = PARAMS) -> Reply:
    return Reply(body=json.dumps({"choices": [], "kv_transfer_params": params}))


def pair(prefill: StubServer | str, *decode: StubServer | str) -> dict[Role, list[StubServer | str]]:
    return {Role.PREFILL: [prefill], Role.DECODE: list(decode)}


async def test_the_prompt_goes_to_prefill_for_one_token_and_then_with_its_cache_to_decode(opened, stub):
    prefill, decode = await stub(prefilled()), await stub("left")
    backend = await opened(pair(prefill, decode))
    own = {"max_completion_tokens": 64, "min_tokens": 2, "temperature": 0.5, "stream": True}
    asked = backend.body(stream_options={"include_usage": True}, kv_transfer_params={"remote_host": "evil"}, **own)
    answer = await backend.send("POST", "/v1/chat/completions", json=asked)
    assert answer.status == 200
    (first,), (second,) = prefill.requests, decode.requests
    assert first.json == {
        "model": "stub",
        "messages": asked["messages"],
        "temperature": 0.5,
        "max_tokens": 1,
        "stream": False,
        "kv_transfer_params": {
            "do_remote_decode": True,
            "do_remote_prefill": False,
            "remote_engine_id": None,
            "remote_block_ids": None,
            "remote_host": None,
            "remote_port": None,
        },
    }
    assert second.json == asked | {"kv_transfer_params": PARAMS}
    assert first.headers["x-request-id"] == second.headers["x-request-id"]
    assert await backend.metric("lmgame_gateway_prefill_seconds_count") == 1


async def test_engines_with_a_shared_store_are_told_nothing_of_each_other(opened, stub):
    prefill, decode = await stub(Reply()), await stub("left")
    backend = await opened(pair(prefill, decode), kv_params=False)
    assert (await backend.ask(stream=True)).status == 200
    assert "kv_transfer_params" not in prefill.requests[0].json
    assert prefill.requests[0].json["max_tokens"] == 1
    assert "kv_transfer_params" not in decode.requests[0].json


@pytest.mark.parametrize("params", [None, {}, "x"])
async def test_a_prefill_that_keeps_its_cache_to_itself_is_a_fault_of_the_engine(opened, stub, params):
    prefill, decode = await stub([prefilled(params), prefilled()]), await stub("left")
    backend = await opened(pair(prefill, decode))
    assert (await backend.ask(stream=True)).status == 200
    assert backend.suspects == ["prefill-0"]
    assert await backend.metric("lmgame_gateway_silent_local_prefill_total") == 1
    only = await opened(pair(await stub(prefilled(params)), decode), attempts=1)
    failed = await only.ask(stream=True)
    assert failed.status == 502
    assert "kv_transfer_params" in failed.words


async def test_when_decode_fails_the_prompt_is_read_anew_and_another_decode_is_asked(opened, stub):
    prefill, bad, good = await stub(prefilled()), await stub(Reply(fault="reset")), await stub("left")
    backend = await opened(pair(prefill, bad, good))
    assert (await backend.ask(stream=True)).status == 200
    assert (prefill.count, bad.count, good.count) == (2, 1, 1)
    assert prefill.requests[0].headers["x-request-id"] != prefill.requests[1].headers["x-request-id"]
    assert backend.suspects == ["decode-0"]


async def test_when_prefill_fails_no_decode_is_troubled(opened, stub):
    decode = await stub("left")
    bad, good = await stub(Reply(fault="http_500")), await stub(prefilled())
    backend = await opened({Role.PREFILL: [bad, good], Role.DECODE: [decode]})
    assert (await backend.ask(stream=True)).status == 200
    assert (bad.count, good.count, decode.count) == (1, 1, 1)


async def test_a_request_that_prefill_refuses_is_not_tried_again(opened, stub):
    refused = Reply(status=400, body='{"error": {"message": "The prompt is too long."}}')
    prefill, decode = await stub(refused), await stub("left")
    backend = await opened(pair(prefill, decode))
    answer = await backend.ask(stream=True)
    assert (answer.status, answer.words) == (400, "The prompt is too long.")
    assert (prefill.count, decode.count) == (1, 0)


async def test_a_decode_that_goes_away_meanwhile_is_waited_for(opened, stub, until):
    prefill, decode = await stub([Reply(body=prefilled().body, delay=0.2), prefilled()]), await stub("left")
    backend = await opened(pair(prefill, decode))
    asking = asyncio.create_task(backend.ask(stream=True))
    await until(lambda: prefill.count == 1)
    backend.pool.set_state(backend.engine("decode-0"), EngineState.DOWN)
    await until(lambda: not backend.engine("prefill-0").in_flight)
    backend.pool.set_state(backend.engine("decode-0"), EngineState.READY)
    async with asyncio.timeout(10):
        assert (await asking).status == 200


async def test_a_silent_prefill_is_given_up_and_so_is_one_whose_client_is_gone(opened, stub, mute, until):
    backend = await opened(pair(mute.url, await stub("left")), silence_seconds=0.1, attempts=1)
    failed = await backend.ask(stream=True)
    assert (failed.status, "prefill-0 said nothing for 0.1 s" in failed.words) == (502, True)
    patient = await opened(pair(mute.url, await stub("left")))
    asking = asyncio.create_task(patient.ask(stream=True))
    await until(lambda: mute.waiting == 1)
    asking.cancel()
    await until(lambda: not mute.waiting)


async def test_twenty_games_are_shared_out_evenly_and_stay(opened, stub):
    prefill, decodes = await stub(prefilled()), [await stub("left"), await stub("left")]
    backend = await opened(pair(prefill, *decodes))

    async def play(game: str) -> None:
        for _ in range(3):
            await client.ask([{"role": "user", "content": game}], session_id=game)

    async with ChatClient(f"{backend.gateway.url}/v1", None, "stub") as client, asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(play(f"game-{number}"))
    games = [{request.json["messages"][0]["content"] for request in decode.requests} for decode in decodes]
    assert [len(some) for some in games] == [10, 10]
    assert not games[0] & games[1]


@pytest.fixture
async def engines():
    """A prefill and a decode engine that move a cache as NIXL does."""
    async with AsyncExitStack() as stack:

        async def start(role: str) -> tuple[StubEngine, str]:
            transfer = json.dumps({"kv_connector": "NixlConnector", "kv_role": role})
            flags = ["serve", "stub", "--block-size", "16", "--kv-transfer-config", transfer, "--port", "0"]
            arguments = parser().parse_args(flags)
            engine = StubEngine(arguments, Behaviour())
            runner = web.AppRunner(engine.application(), handler_cancellation=True, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            arguments.port = runner.addresses[0][1]
            return engine, f"http://127.0.0.1:{arguments.port}"

        yield [await start("kv_producer"), await start("kv_consumer")]


async def test_the_cache_really_moves(opened, engines):
    (prefill, at_prefill), (decode, at_decode) = engines
    backend = await opened(pair(at_prefill, at_decode))
    async with ChatClient(f"{backend.gateway.url}/v1", None, "stub") as client:
        reply = await client.ask([{"role": "user", "content": "A prompt of several blocks. " * 20}])
    assert reply.text == decode.behaviour.text
    assert reply.usage.completion_tokens == decode.behaviour.chunks
    assert decode._counts["external_kv_transfer"] > 100
    assert decode._counts["local_compute"] == 1
    assert not prefill._caches


async def test_a_cache_that_does_not_arrive_is_a_fault_that_another_attempt_cures(opened, engines):
    (_, at_prefill), (decode, at_decode) = engines
    backend = await opened(pair(at_prefill, at_decode))
    decode.behaviour.fault, decode.behaviour.times = "fail_transfer", 1
    async with ChatClient(f"{backend.gateway.url}/v1", None, "stub") as client:
        assert (await client.ask([{"role": "user", "content": "A prompt. " * 50}])).text == decode.behaviour.text
        decode.behaviour.fault, decode.behaviour.times = "error", None
        with pytest.raises(InfrastructureError) as fault:
            await client.ask([{"role": "user", "content": "Another. " * 50}])
    assert (fault.value.kind, fault.value.fatal) == ("http_502", False)
