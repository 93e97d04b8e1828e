"""Engines that go wrong: before the first byte another attempt is made, after it the runner learns of it."""

import asyncio
import json

import pytest

from lmgame_agents import ChatClient
from lmgame_agents.core import InfrastructureError
from lmgame_serving.gateway.pool import EngineState
from lmgame_serving.testing import Reply

MESSAGES = [{"role": "user", "content": "Your move."}]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr("lmgame_serving.gateway.dispatch.RETRY_PAUSE", 0.01)


BEFORE = ["reset", "reset_headers", "empty", "http_500", "http_401", "http_404", "http_429", "cut_first", "error_first"]


def reply(fault: str) -> Reply:
    if fault == "cut_first":
        return Reply(body=b'data: {"id": "chatcm', headers={"Content-Type": "text/event-stream"})
    if fault == "error_first":  # as vLLM reports a KV cache that didn't arrive
        error = b'data: {"error": {"message": "Internal server error", "code": 500}}\n\ndata: [DONE]\n\n'
        return Reply(body=error, headers={"Content-Type": "text/event-stream"})
    return Reply(fault=fault)  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", BEFORE)
async def test_another_engine_is_asked_when_one_fails_before_the_first_byte(opened, stub, fault):
    bad, good = await stub(reply(fault)), await stub("left")
    backend = await opened([bad, good])
    async with client(backend) as runner:
        assert (await runner.ask(MESSAGES, session_id="game")).text == "left"
        assert (bad.count, good.count) == (1, 1)
        assert (await runner.ask(MESSAGES, session_id="game")).text == "left"
    assert good.count == 2  # the session has moved
    assert backend.suspects == ["colocated-0"]
    assert await backend.metric("lmgame_gateway_retries_total") == 1
    assert await backend.metric('lmgame_gateway_engine_faults_total{engine="colocated-0"') == 1


@pytest.mark.parametrize("fault", ["reset", "empty", "http_500", "cut"])
async def test_answers_that_are_not_streamed_are_tried_anew_as_well(opened, stub, fault):
    backend = await opened([await stub([reply(fault), "left"])])
    answer = await backend.ask()
    assert (answer.status, answer.json["choices"][0]["message"]["content"]) == (200, "left")


async def test_an_engine_that_says_nothing_is_left_for_another(opened, stub, mute, until):
    backend = await opened([mute.url, await stub("left")], silence_seconds=0.2)
    assert (await backend.ask(stream=True)).status == 200
    await until(lambda: not mute.waiting)  # and what it was doing has been called off
    assert await backend.metric('lmgame_gateway_engine_faults_total{engine="colocated-0",kind="silent"}') == 1


async def test_an_answer_that_is_not_streamed_may_take_longer(opened, stub):
    backend = await opened([await stub(Reply(delay=0.4))], silence_seconds=0.1, answer_seconds=10)
    assert (await backend.ask()).status == 200


async def test_an_engine_that_comes_back_meanwhile_serves_the_request(opened, stub):
    engine = await stub([reply("reset"), "left"])
    backend = await opened([engine])

    def suspect(suspected):
        backend.pool.set_state(suspected, EngineState.DOWN)
        asyncio.get_running_loop().call_later(0.2, backend.pool.set_state, suspected, EngineState.READY)

    backend.pool._suspect = suspect
    assert (await backend.ask(stream=True)).status == 200


async def test_after_the_last_attempt_the_runner_is_told_that_the_backend_failed(opened, stub):
    engine = await stub(reply("http_500"))
    backend = await opened([engine], attempts=2)
    failed = await backend.ask(stream=True)
    assert failed.status == 502
    assert "2 times" in failed.words
    assert "colocated-0 failed with HTTP 500: The server had an error" in failed.words
    assert engine.count == 2
    async with client(backend) as runner:
        with pytest.raises(InfrastructureError) as fault:
            await runner.ask(MESSAGES)
    assert (fault.value.kind, fault.value.fatal) == ("http_502", False)


async def test_a_request_that_the_engine_refuses_is_not_tried_again(opened, stub):
    error = '{"error": {"message": "This model\'s maximum context length is 100 tokens.", "code": 400}}'
    for refusing in (
        Reply(status=400, body=error),
        Reply(body=f"data: {error}\n\ndata: [DONE]\n\n", headers={"Content-Type": "text/event-stream"}),
    ):
        engine = await stub(refusing)
        backend = await opened([engine])
        async with client(backend) as runner:
            with pytest.raises(InfrastructureError) as fault:
                await runner.ask(MESSAGES)
        assert (fault.value.kind, fault.value.fatal) == ("context_length", True)
        assert engine.count == 1
        assert not backend.suspects


@pytest.mark.parametrize("fault", ["reset_stream", "cut", "cut_clean", "stall", "malformed_end"])
async def test_a_stream_that_breaks_off_is_an_infrastructure_fault_and_is_not_tried_again(opened, stub, fault):
    broken = Reply(fault=fault, gap=0.002) if fault != "malformed_end" else half_a_line()
    engine = await stub([broken, "left"])
    backend = await opened([engine], silence_seconds=0.3)
    async with client(backend) as runner:
        with pytest.raises(InfrastructureError) as error:
            await runner.ask(MESSAGES)
        assert (error.value.kind, error.value.fatal) == ("http_502", False)
        assert "colocated-0" in str(error.value)
        assert (await runner.ask(MESSAGES)).text == "left"
    assert engine.count == 2
    assert backend.suspects == ["colocated-0"]
    assert await backend.metric('lmgame_gateway_requests_total{status="cut"}') == 1


async def test_a_broken_stream_ends_with_an_error_and_without_done(opened, stub):
    backend = await opened([await stub(half_a_line())])
    broken = await backend.ask(stream=True)
    _, first, error = [event for event in broken.text.split("\n\n") if event.strip()]
    assert '"content":"le"' in first
    assert error.strip().startswith('data: {"error":{')
    assert "chatcmpl-half" not in broken.text
    assert "[DONE]" not in broken.text


_ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'


@pytest.mark.parametrize("chunks", [1, 2], ids=["at once", "one by one"])
async def test_an_answer_that_its_engine_did_not_finish_is_asked_for_again(opened, stub, chunks):
    # What vLLM 0.26 sends where a KV cache didn't arrive: no token, no reason, and yet a proper end.
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":68,"total_tokens":68,"completion_tokens":0}}\n\n'
    for broken in (_ROLE + usage + b"data: [DONE]\n\n", _ROLE + aborted("") + b"data: [DONE]\n\n"):
        reply = Reply(body=broken, headers={"Content-Type": "text/event-stream"})
        engine = await stub([reply, Reply("left", chunks=chunks)])
        backend = await opened([engine])
        async with client(backend) as runner:
            assert (await runner.ask(MESSAGES)).text == "left"
        assert engine.count == 2
        assert backend.suspects == ["colocated-0"]


async def test_an_answer_given_up_in_its_middle_ends_with_an_error(opened, stub):
    event = b'data: {"choices":[{"index":0,"delta":{"content":"le"},"finish_reason":null}]}\n\n'
    broken = _ROLE + event + aborted("f") + b"data: [DONE]\n\n"
    engine = await stub(Reply(body=broken, headers={"Content-Type": "text/event-stream"}))
    backend = await opened([engine], attempts=1)
    async with client(backend) as runner:
        with pytest.raises(InfrastructureError) as error:
            await runner.ask(MESSAGES)
    assert not error.value.fatal
    whole = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "le"}, "finish_reason": "abort"}]}
    backend = await opened([await stub(Reply(body=json.dumps(whole)))], attempts=1)
    assert (await backend.ask(stream=False)).status == 502


def aborted(text: str) -> bytes:
    """How vLLM ends the answers that it works on when it is stopped."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": "abort"}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def half_a_line() -> Reply:
    """A proper end in the middle of an event."""
    event = b'data: {"choices":[{"index":0,"delta":{"content":"le"},"finish_reason":null}]}\n\n'
    return Reply(body=_ROLE + event + b'data: {"id": "chatcmpl-half', headers={"Content-Type": "text/event-stream"})


async def test_a_stream_that_was_whole_may_end_as_it_likes(opened, stub):
    for end in (b"data: [DONE]\n\n", b"data: [DONE]", b"data: [DONE]\r\n\r\n"):
        event = b'data: {"choices":[{"index":0,"delta":{"content":"data: [DONE]"},"finish_reason":"stop"}]}\n\n'
        head = {"Content-Type": "text/event-stream", "Content-Length": "100000"}  # of which not all comes
        reply = Reply(body=event + end, headers=head, gap=0.001)
        engine = await stub(reply)
        backend = await opened([engine], silence_seconds=0.2)
        answer = await backend.ask(stream=True)
        assert answer.text.count("data: [DONE]") == 2
        assert "error" not in answer.text


async def test_chunks_of_any_size_come_through_unchanged(opened):
    event = 'data: {"choices":[{"index":0,"delta":{"content":"Zug um Zug — 🎮"}}]}\n\n'.encode()
    last = event.replace(b"}}]}", b'},"finish_reason":"length"}]}')
    text = event * 5 + last + b"data: [DONE]\n\n"

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(text), 7):
            part = text[start : start + 7]
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        backend = await opened([f"http://127.0.0.1:{port}"])
        assert (await backend.ask(stream=True)).text == text.decode()


async def test_an_engine_that_does_not_listen_is_left_for_another(opened, stub):
    gone = await stub()
    await gone.refuse()
    backend = await opened([gone, await stub("left")])
    assert (await backend.ask(stream=True)).status == 200
    assert await backend.metric('lmgame_gateway_engine_faults_total{engine="colocated-0",kind="unreachable"}') == 1


@pytest.mark.parametrize("stream", [True, False])
async def test_engines_stop_working_for_clients_that_are_gone(opened, mute, stream, until):
    backend = await opened([mute.url])
    asking = asyncio.create_task(backend.ask(stream=stream))
    await until(lambda: mute.waiting == 1)
    asking.cancel()
    await until(lambda: not mute.waiting)
    await until(lambda: not backend.engine("colocated-0").in_flight)
    assert not backend.suspects


async def test_engines_stop_working_for_clients_that_leave_amid_a_stream(opened, stub, until):
    engine = await stub(Reply(fault="stall", gap=0.001))
    backend = await opened([engine])
    async with backend.http.post(
        f"{backend.gateway.url}/v1/chat/completions", json=backend.body(stream=True)
    ) as response:
        assert await response.content.readline()
        assert engine.in_flight == 1
    await until(lambda: not engine.in_flight)
    assert await backend.metric('lmgame_gateway_requests_total{status="gone"}') == 1
    assert not backend.suspects


async def test_a_client_that_reads_nothing_does_not_hold_an_engine(opened, stub, until):
    event = b'data: {"choices":[{"delta":{"content":"' + b"x" * 100_000 + b'"}}]}\n\n'
    body = event * 400 + b"data: [DONE]\n\n"  # more than the buffers on the way take
    engine = await stub(Reply(body=body, headers={"Content-Type": "text/event-stream"}))
    backend = await opened([engine], silence_seconds=0.3)
    _, writer = await asyncio.open_connection("127.0.0.1", int(backend.gateway.url.rpartition(":")[2]), limit=1024)
    writer.transport.pause_reading()
    asked = b'{"model": "stub", "messages": [{"role": "user", "content": "a"}], "stream": true}'
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
    writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(asked), asked))
    await until(lambda: engine.count == 1)
    await until(lambda: not backend.engine("colocated-0").in_flight)
    assert await backend.metric('lmgame_gateway_requests_total{status="gone"}') == 1
    assert not backend.suspects
    writer.close()


async def test_an_answer_of_endless_length_is_cut_off(opened, stub, monkeypatch):
    monkeypatch.setattr("lmgame_serving.gateway.dispatch.LONGEST_ANSWER", 1000)
    monkeypatch.setattr("lmgame_serving.gateway.streaming.LONGEST_LINE", 1000)
    backend = await opened([await stub(Reply(body=b"x" * 2000, headers={"Content-Type": "text/event-stream"}))])
    for stream in (True, False):
        assert (await backend.ask(stream=stream)).status == 502


def client(backend) -> ChatClient:
    return ChatClient(f"{backend.gateway.url}/v1", None, "stub")
