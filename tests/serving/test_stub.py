"""The stub server as a client sees it: raw sockets for the wire, so that no client library hides a fault."""

import asyncio
import json
import subprocess
import sys
import urllib.request
from typing import Any

import pytest

from lmgame_serving.testing import Reply, StubServer


async def post(server: StubServer, request: dict[str, Any], path: str = "/chat/completions", **headers: str) -> str:
    """Everything the server writes to one request, headers included, until it closes or falls silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    body = json.dumps(request).encode()
    lines = [f"POST /v1{path} HTTP/1.1", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    got = b""
    try:
        while data := await asyncio.wait_for(reader.read(65536), 0.2):
            got += data
    except TimeoutError:
        pass
    finally:
        writer.close()
    return got.decode()


def events(raw: str) -> list[Any]:
    lines = [line[6:] for line in raw.splitlines() if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def deltas(raw: str, key: str) -> list[str]:
    found = [e["choices"][0]["delta"].get(key) for e in events(raw) if e != "[DONE]" and e["choices"]]
    return [text for text in found if text is not None]


STREAM = {"model": "m", "stream": True, "stream_options": {"include_usage": True}, "messages": []}


async def test_a_stream_has_exactly_the_chunks_asked_for_then_usage_then_done():
    async with StubServer(Reply("left, right", chunks=24, reasoning="hm")) as server:
        raw = await post(server, STREAM)
    assert "".join(deltas(raw, "content")) == "left, right"
    assert len(deltas(raw, "content")) == 25  # the opening event has an empty content too
    assert "".join(deltas(raw, "reasoning_content")) == "hm"
    *_, finish, usage, done = events(raw)
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["usage"]["completion_tokens"] == 24
    assert done == "[DONE]"
    assert raw.endswith("0\r\n\r\n")


async def test_usage_is_streamed_only_when_asked_for():
    async with StubServer() as server:
        assert '"usage"' not in await post(server, {"model": "m", "stream": True})


async def test_plain_json_and_the_list_of_models():
    async with StubServer("up", models=["a", "b"]) as server:
        answer = json.loads((await post(server, {"model": "a"})).partition("\r\n\r\n")[2])
        listed = await asyncio.to_thread(urllib.request.urlopen, server.base_url + "/models")
        names = [model["id"] for model in json.load(listed)["data"]]
    assert answer["choices"][0]["message"]["content"] == "up"
    assert names == ["a", "b"]


async def test_scripts_lists_and_functions():
    async with StubServer(["one", Reply("two")]) as server:
        texts = ["".join(deltas(await post(server, STREAM), "content")) for _ in range(3)]
    assert texts == ["one", "two", "two"]
    async with StubServer(lambda request, n: f"{request['model']}{n}") as server:
        texts = ["".join(deltas(await post(server, STREAM), "content")) for _ in range(2)]
    assert texts == ["m0", "m1"]


async def test_requests_are_recorded_with_their_headers():
    async with StubServer() as server:
        await post(server, STREAM, **{"X-Session-ID": "episode-1"})
    assert server.requests[0].headers["x-session-id"] == "episode-1"
    assert server.requests[0].json == STREAM


@pytest.mark.parametrize(
    ("fault", "status"),
    [("http_401", 401), ("http_404", 404), ("http_429", 429), ("http_500", 500), ("no_vision", 400)],
)
async def test_errors_come_as_providers_word_them(fault, status):
    async with StubServer(Reply(fault=fault)) as server:
        raw = await post(server, STREAM)
    assert raw.startswith(f"HTTP/1.1 {status} ")
    assert ("Retry-After: 1" in raw) == (status == 429)
    assert json.loads(raw.partition("\r\n\r\n")[2])["error"]["message"]


@pytest.mark.parametrize("fault", ["reset", "reset_headers", "reset_stream", "refuse"])
async def test_resets_are_resets(fault):
    async with StubServer(Reply(fault=fault)) as server:
        with pytest.raises(ConnectionResetError):
            await post(server, STREAM)


@pytest.mark.parametrize("fault", ["stall", "cut", "cut_clean"])
async def test_a_broken_stream_begins_and_never_finishes(fault):
    async with StubServer(Reply("left and right", fault=fault)) as server:
        raw = await post(server, STREAM)
    assert 0 < len("".join(deltas(raw, "content"))) < len("left and right")
    assert "[DONE]" not in raw
    assert '"stop"' not in raw
    assert raw.endswith("0\r\n\r\n") == (fault == "cut_clean")


async def test_malformed_empty_and_unstreamed_bodies():
    async with StubServer([Reply(fault="malformed"), Reply(fault="empty"), Reply("x", fault="not_streamed")]) as server:
        with pytest.raises(json.JSONDecodeError):
            events(await post(server, STREAM))
        assert "Content-Length: 0" in await post(server, STREAM)
        assert '"content":"x"' in await post(server, STREAM)


async def test_it_refuses_for_a_while_and_comes_back_on_the_same_port():
    async with StubServer([Reply(fault="refuse", delay=0.2), Reply("back")]) as server:
        with pytest.raises(ConnectionResetError):
            await post(server, STREAM)
        with pytest.raises(ConnectionRefusedError):
            await post(server, STREAM)
        await asyncio.sleep(0.3)
        assert "".join(deltas(await post(server, STREAM), "content")) == "back"


async def test_it_checks_key_model_and_images_when_told_to():
    image = {"model": "a", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}
    async with StubServer(models=["a"], api_key="k", vision=False) as server:
        good = {"Authorization": "Bearer k"}
        assert " 401 " in await post(server, {"model": "a"})
        assert " 404 " in await post(server, {"model": "b"}, **good)
        assert " 400 " in await post(server, image, **good)
        assert " 200 " in await post(server, {"model": "a"}, **good)
        assert len(server.requests) == 1


async def test_delays_overlap_over_connections():
    async with StubServer(Reply(delay=0.1)) as server:
        await asyncio.gather(*(post(server, STREAM) for _ in range(20)))
    assert server.most_in_flight == 20
    assert server.in_flight == 0


async def test_it_stops_while_a_stream_is_stalled():
    server = StubServer(Reply(fault="stall"))
    async with server:
        waiting = asyncio.create_task(post(server, STREAM))
        await asyncio.sleep(0.05)
    with pytest.raises(ConnectionResetError):
        await waiting


def test_it_runs_as_a_process_of_its_own():
    command = [sys.executable, "-m", "lmgame_serving.testing", "--answer", "left", "--chunks", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(STREAM).encode()
            )
            raw = urllib.request.urlopen(request).read().decode()
        finally:
            process.terminate()
    assert deltas(raw, "content") == ["", "le", "f", "t"]
