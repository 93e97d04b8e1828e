"""The gateway's routes, who may use them, its limits, and how it begins and ends."""

import asyncio
import json
import socket

import pytest

from lmgame_common import EndpointError, UsageError
from lmgame_serving.gateway.app import Gateway
from lmgame_serving.gateway.pool import Engine, EngineState, Pool, Role
from lmgame_serving.gateway.settings import GatewaySettings
from lmgame_serving.testing import Reply, StubServer


async def test_answers_come_through_whole_and_streamed(opened, stub):
    engine = await stub(Reply("left", chunks=3), api_key="engine's", models=["stub"])
    backend = await opened([engine], engine_key="engine's", api_key="ours")
    headers = {"Authorization": "Bearer ours", "Cookie": "a=b", "X-Session-ID": "game", "X-Request-Id": "mine"}
    whole = await backend.ask(headers)
    assert (whole.status, whole.json["choices"][0]["message"]["content"]) == (200, "left")
    streamed = await backend.ask(headers, stream=True)
    assert streamed.headers["Content-Type"].startswith("text/event-stream")
    assert streamed.headers["X-Request-Id"] == "mine"
    events = [line[6:] for line in streamed.text.splitlines() if line]
    assert "".join(json.loads(event)["choices"][0]["delta"].get("content", "") for event in events[:-1]) == "left"
    assert streamed.text.endswith("data: [DONE]\n\n")
    for request in engine.requests:
        assert request.headers["authorization"] == "Bearer engine's"
        assert request.headers["x-request-id"] == "mine-1"
        assert not {"cookie", "x-session-id"} & request.headers.keys()


async def test_only_the_served_model_is_listed_and_known(opened, stub):
    backend = await opened([await stub()], model="stub")
    assert (await backend.send("GET", "/v1/models")).json["data"][0]["id"] == "stub"
    unknown = await backend.ask(model="other")
    assert unknown.status == 404
    assert unknown.json["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/completions"),
        ("POST", "/v1/models"),
        ("POST", "/tokenize"),
        ("POST", "/invocations"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/v1/../v1/chat/completions/x"),
        ("GET", "/docs"),
        ("OPTIONS", "/v1/chat/completions"),
        ("GET", "/health/../metrics"),
    ],
)
async def test_nothing_else_is_answered(opened, stub, method, path):
    backend = await opened([await stub()])
    reader, writer = await asyncio.open_connection("127.0.0.1", int(backend.gateway.url.rpartition(":")[2]))
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(5):
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    assert " 404 " in head.splitlines()[0]
    assert json.loads(body)["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("given", [None, "", "ours", "Bearer", "Bearer other", "bearer ours", "Bearer öurs"])
async def test_without_the_key_there_is_health_alone(opened, stub, given):
    engine = await stub()
    backend = await opened([engine], api_key="ours")
    headers = {} if given is None else {"Authorization": given}
    for method, path in (("GET", "/v1/models"), ("GET", "/metrics"), ("POST", "/v1/chat/completions"), ("GET", "/x")):
        refused = await backend.send(method, path, headers)
        assert (refused.status, refused.json["error"]["code"]) == (401, "invalid_api_key")
    assert (await backend.send("GET", "/health", headers)).json == {"status": "ok", "engines": {"colocated-0": "ready"}}
    assert not engine.count


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "localhost.evil.example:8000"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "[::1"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Encoding": "gzip"}, 415),
    ],
)
async def test_requests_that_a_web_page_could_send_are_refused(opened, stub, headers, status):
    engine = await stub()
    backend = await opened([engine])
    body = json.dumps(backend.body()).encode()
    refused = await backend.send(
        "POST", "/v1/chat/completions", {"Content-Type": "application/json", **headers}, data=body
    )
    assert refused.status == status
    assert not any(name.lower().startswith("access-control") for name in refused.headers)
    assert not engine.count


@pytest.mark.parametrize("host", ["localhost", "localhost:9999", "127.0.0.1:80", "[::1]:80"])
async def test_the_names_of_this_machine_are_known_whatever_port_a_tunnel_has(opened, stub, host):
    backend = await opened([await stub()])
    assert (await backend.ask({"Host": host})).status == 200


async def test_bodies_are_refused_as_soon_as_they_are_too_long(opened, stub):
    engine = await stub()
    backend = await opened([engine], max_body_bytes=1000)
    assert (await backend.ask(user="x" * 1000)).status == 413

    async def endless():
        while True:
            yield b" " * 500

    headers = {"Content-Type": "application/json"}
    async with asyncio.timeout(10):
        try:
            refused = (await backend.send("POST", "/v1/chat/completions", headers, data=endless())).status
        except OSError:  # the connection is closed while the client still sends
            refused = 413
    assert refused == 413
    assert (await backend.ask()).status == 200
    assert engine.count == 1


async def test_a_body_that_never_ends_is_given_up(opened, stub, monkeypatch):
    monkeypatch.setattr("lmgame_serving.gateway.app.BODY_SECONDS", 0.05)
    backend = await opened([await stub()], max_in_flight=1)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(backend.gateway.url.rpartition(":")[2]))
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
    writer.write(b"Content-Length: 100\r\n\r\n{")
    async with asyncio.timeout(5):
        assert b" 408 " in await reader.readline()
    writer.close()
    assert (await backend.ask()).status == 200


async def test_a_client_that_asks_whether_to_go_on_is_told(opened, stub):
    backend = await opened([await stub()])
    async with asyncio.timeout(5):
        async with backend.http.post(
            f"{backend.gateway.url}/v1/chat/completions", json=backend.body(), expect100=True
        ) as response:
            assert response.status == 200


async def test_more_requests_than_fit_are_told_to_come_again(opened, mute, until):
    backend = await opened([mute.url], max_in_flight=2)
    asking = [asyncio.create_task(backend.ask()) for _ in range(2)]
    await until(lambda: mute.waiting == 2)
    refused = await backend.ask()
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    for task in asking:
        task.cancel()
    await until(lambda: not mute.waiting)
    assert await backend.metric("lmgame_gateway_in_flight ") == 0
    assert await backend.metric('lmgame_gateway_requests_total{status="gone"}') == 2
    assert await backend.metric('lmgame_gateway_requests_total{status="429"}') == 1


async def test_a_request_waits_for_an_engine_to_come_and_not_forever(opened, stub, until):
    backend = await opened([await stub()], state=EngineState.STARTING, ready_seconds=0.05)
    refused = await backend.ask()
    assert refused.status == 503
    assert "Retry-After" in refused.headers
    assert "colocated-0 is starting" in refused.words
    assert (await backend.send("GET", "/health")).json["status"] == "starting"
    patient = await opened([await stub()], state=EngineState.STARTING, ready_seconds=30)
    asking = asyncio.create_task(patient.ask())
    await until(lambda: patient.gateway._in_flight == 1)
    patient.pool.set_state(patient.engine("colocated-0"), EngineState.READY)
    async with asyncio.timeout(5):
        assert (await asking).status == 200


async def test_draining_finishes_what_there_is_and_takes_nothing_new(opened, stub, until):
    engine = await stub(Reply(delay=0.3))
    backend = await opened([engine])
    asking = asyncio.create_task(backend.ask())
    await until(lambda: engine.in_flight == 1)
    assert not await backend.gateway.drain(0.01)
    refused = await backend.ask()
    assert (refused.status, refused.json["error"]["code"]) == (503, "draining")
    assert "Retry-After" in refused.headers
    health = await backend.send("GET", "/health")
    assert (health.status, health.json["status"]) == (503, "draining")
    assert await backend.gateway.drain(10)
    assert (await asking).status == 200


async def test_a_backend_that_has_given_up_says_so_at_once_even_to_who_waits(opened, stub, until):
    backend = await opened([await stub()], state=EngineState.DOWN, ready_seconds=60)
    asking = asyncio.create_task(backend.ask())
    await until(lambda: backend.gateway._in_flight == 1)
    backend.gateway.fail("decode-0 failed six times: CUDA out of memory")
    async with asyncio.timeout(5):
        for answer in (await asking, await backend.ask()):
            assert answer.status == 503
            assert "CUDA out of memory" in answer.words
    assert (await backend.send("GET", "/health")).json["status"] == "failed"


async def test_metrics_tell_of_requests_and_engines(opened, stub):
    backend = await opened([await stub(), await stub()])
    backend.pool.set_state(backend.engine("colocated-1"), EngineState.DOWN)
    await backend.ask(stream=True)
    await backend.ask(n=2)
    assert await backend.metric('lmgame_gateway_requests_total{status="200"}') == 1
    assert await backend.metric('lmgame_gateway_requests_total{status="400"}') == 1
    assert await backend.metric("lmgame_gateway_first_byte_seconds_count") == 1
    assert await backend.metric("lmgame_gateway_request_seconds_count") == 1
    assert await backend.metric('lmgame_gateway_engine_ready{engine="colocated-0"}') == 1
    assert await backend.metric('lmgame_gateway_engine_ready{engine="colocated-1"}') == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_other_machines_are_not_served_without_a_key(host):
    with pytest.raises(UsageError, match="needs a key"):
        Gateway(Pool([]), GatewaySettings(host=host, port=0), model="m", api_key=None)


async def test_with_a_key_all_addresses_can_be_listened_at_by_any_name():
    async with StubServer() as server:
        pool = Pool([])
        async with Gateway(pool, GatewaySettings(host="0.0.0.0", port=0), model="m", api_key="k") as gateway:
            assert gateway.url.startswith("http://127.0.0.1:")
            reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
            writer.write(b"GET /health HTTP/1.1\r\nHost: gpu.example\r\n\r\n")
            assert b" 503 " in await reader.readline()
            writer.close()
        assert not server.count


async def test_a_port_that_is_taken_is_said_to_be():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway = Gateway(Pool([]), GatewaySettings(port=port), model="m", api_key=None)
        with pytest.raises(EndpointError, match=f"127.0.0.1:{port}"):
            async with gateway:
                pass


async def test_leaving_ends_what_is_in_flight_at_once(stub, until):
    engine = await stub(Reply(fault="stall", gap=0.01))
    url = engine.base_url.removesuffix("/v1")
    pool = Pool([Engine("colocated-0", Role.COLOCATED, url, state=EngineState.READY)])
    async with asyncio.timeout(10):
        async with Gateway(pool, GatewaySettings(port=0), model="stub", api_key=None) as gateway:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
            body = json.dumps(
                {"model": "stub", "messages": [{"role": "user", "content": "a"}], "stream": True}
            ).encode()
            head = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\n" + head + body)
            assert b" 200 " in await reader.readline()
        await until(lambda: not engine.in_flight)
        assert b"[DONE]" not in await reader.read()
        writer.close()
