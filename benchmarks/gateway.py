"""What the gateway adds to a request, before stub engines that think nothing.

Sends the requests of games (rules of 3 kB and a frame of 30 kB; 24 events back, 2 ms apart) straight to a stub engine,
then through the gateway to one engine and to a prefill and a decode engine, each in a process of its own, and prints
requests a second and the gateway's CPU a request beside what the stub needs.

    uv run python benchmarks/gateway.py
"""

import asyncio
import base64
import json
import multiprocessing
import random
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from io import BytesIO
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
from PIL import Image

from lmgame_serving.gateway.app import Gateway
from lmgame_serving.gateway.pool import Engine, EngineState, Pool, Role
from lmgame_serving.gateway.settings import GatewaySettings
from lmgame_serving.testing import Reply, StubServer

REQUESTS = 4_000
IN_FLIGHT = 32
GAP = 0.002
"""Seconds between events."""
PARAMS = {"do_remote_prefill": True, "remote_block_ids": [list(range(28))], "remote_engine_id": "e" * 32}


def body() -> bytes:
    """A request as the runner sends it; its frame compresses as badly as one that is 30 kB long."""
    data = BytesIO()
    Image.frombytes("RGB", (100, 100), random.Random(0).randbytes(30_000)).save(data, "PNG")
    uri = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
    messages = [
        {"role": "system", "content": "You play Tetris. " * 180},
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": uri}}, {"type": "text", "text": "Go."}],
        },
    ]
    options = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 64, "temperature": 0}
    return json.dumps({"model": "stub", "messages": messages, **options}).encode()


async def engine(pipe: Connection, prefill: bool) -> None:
    """A stub engine, whose events come one by one."""
    reply = Reply(chunks=24, gap=GAP)
    if prefill:
        reply = Reply(body=json.dumps({"choices": [], "kv_transfer_params": PARAMS}))
    async with StubServer(reply, record=False) as server:
        await _serve(pipe, server.base_url.removesuffix("/v1"))


async def gateway(pipe: Connection, engines: dict[Role, str]) -> None:
    """A gateway before engines."""
    made = [Engine(str(role), role, url, state=EngineState.READY) for role, url in engines.items()]
    async with Gateway(Pool(made), GatewaySettings(port=0), model="stub", api_key="key") as opened:
        await _serve(pipe, opened.url)


async def _serve(pipe: Connection, url: str) -> None:
    """Tell where it is, then, whenever asked, how much CPU this process has used."""
    pipe.send(url)
    while await asyncio.to_thread(pipe.recv):
        pipe.send(time.process_time())


def _run(pipe: Connection, make: Callable[..., Coroutine[Any, Any, None]], argument: Any) -> None:
    asyncio.run(make(pipe, argument))


class Served:
    """A server in a process of its own."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.url: str = pipe.recv()

    def cpu(self) -> float:
        """CPU seconds it has used."""
        self._pipe.send(True)
        return self._pipe.recv()


@contextmanager
def served(make: Callable[..., Coroutine[Any, Any, None]], argument: Any) -> Iterator[Served]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(there, make, argument), daemon=True)
    process.start()
    yield Served(here)
    here.send(None)
    process.join()


async def load(url: str, requests: int, data: bytes) -> float:
    """Requests a second with `IN_FLIGHT` sessions, each of which asks again when it has been answered."""
    left = iter(range(requests))
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(limit=0)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))

        async def play(number: int) -> None:
            headers = {"Content-Type": "application/json", "Authorization": "Bearer key", "X-Session-ID": str(number)}
            for _ in left:
                async with http.post(f"{url}/v1/chat/completions", data=data, headers=headers) as response:
                    answer = await response.read()
                    if response.status != 200 or not answer.endswith(b"data: [DONE]\n\n"):
                        raise SystemExit(f"HTTP {response.status}: {answer[:500]!r}")

        began = time.perf_counter()
        await asyncio.gather(*(play(number) for number in range(IN_FLIGHT)))
        return requests / (time.perf_counter() - began)


def measure(target: Served, data: bytes) -> tuple[float, float]:
    """Requests a second, and CPU milliseconds a request of who answers them."""
    asyncio.run(load(target.url, REQUESTS // 10, data))
    before = target.cpu()
    rate = asyncio.run(load(target.url, REQUESTS, data))
    return rate, (target.cpu() - before) / REQUESTS * 1e3


def main() -> None:
    data = body()
    with served(engine, False) as decode, served(engine, True) as prefill:
        straight, stub_cpu = measure(decode, data)
        print(f"straight to a stub engine: {straight:,.0f} requests/s; its CPU {stub_cpu:.2f} ms a request")
        shapes = {
            "colocated": {Role.COLOCATED: decode.url},
            "prefill and decode": {Role.PREFILL: prefill.url, Role.DECODE: decode.url},
        }
        for name, engines in shapes.items():
            with served(gateway, engines) as opened:
                rate, cpu = measure(opened, data)
            print(
                f"{name}: {rate:,.0f} requests/s ({rate / straight:.2f} of straight); the gateway's CPU {cpu:.2f} ms "
                f"a request ({cpu / stub_cpu:.1f} of the stub's): one core is {1e3 / cpu:,.0f} requests/s"
            )


if __name__ == "__main__":
    main()
