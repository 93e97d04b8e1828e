"""A gateway before stub engines, and a client of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from lmgame_serving.gateway.app import Gateway
from lmgame_serving.gateway.pool import Engine, EngineState, Pool, Role
from lmgame_serving.gateway.settings import GatewaySettings
from lmgame_serving.testing import StubServer

MODEL = "stub"


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str
    json: Any = None

    @property
    def words(self) -> str:
        """The message of an error."""
        return self.json["error"]["message"]


@dataclass
class Backend:
    """A gateway, its engines, and how to ask it."""

    gateway: Gateway
    pool: Pool
    http: aiohttp.ClientSession
    suspects: list[str] = field(default_factory=list)

    def engine(self, name: str) -> Engine:
        return self.pool.engines[name]

    def body(self, **fields: Any) -> dict[str, Any]:
        return {"model": MODEL, "messages": [{"role": "user", "content": "Your move."}], **fields}

    async def ask(self, headers: Mapping[str, str] = {}, **fields: Any) -> Answer:
        return await self.send("POST", "/v1/chat/completions", headers, json=self.body(**fields))

    async def send(self, method: str, path: str, headers: Mapping[str, str] = {}, **more: Any) -> Answer:
        async with self.http.request(method, self.gateway.url + path, headers=headers, **more) as response:
            text = await response.text()
            json = await response.json() if response.content_type == "application/json" else None
            return Answer(response.status, response.headers, text, json)

    async def metric(self, line: str) -> float:
        """The value of the metric that begins with these words; 0 if there is none."""
        rows = [row for row in (await self.send("GET", "/metrics")).text.splitlines() if row.startswith(line)]
        return float(rows[0].rpartition(" ")[2]) if rows else 0.0


class Mute:
    """An engine that takes requests and says nothing; it counts who waits for it."""

    def __init__(self) -> None:
        self.waiting = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.waiting += 1
        try:
            while await reader.read(65536):
                pass
        finally:
            self.waiting -= 1
            writer.close()


type Engines = Sequence[StubServer | str] | Mapping[Role, Sequence[StubServer | str]]
type Opening = Callable[..., Awaitable[Backend]]


@pytest.fixture
async def opened() -> AsyncIterator[Opening]:
    """Opens a gateway before engines (stubs, or their URLs); they are ready unless said otherwise."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())

        async def open_(
            engines: Engines,
            *,
            model: str = MODEL,
            api_key: str | None = None,
            kv_params: bool = True,
            engine_key: str | None = None,
            state: EngineState = EngineState.READY,
            **settings: Any,
        ) -> Backend:
            listed = engines if isinstance(engines, Mapping) else {Role.COLOCATED: engines}
            made = [
                Engine(f"{role}-{number}", role, url(stub), engine_key, state)
                for role, stubs in listed.items()
                for number, stub in enumerate(stubs)
            ]
            suspects: list[str] = []
            pool = Pool(made, lambda engine: suspects.append(engine.name))
            given = GatewaySettings.model_validate({"port": 0, **settings})
            gateway = Gateway(pool, given, model=model, api_key=api_key, kv_params=kv_params)
            await stack.enter_async_context(gateway)
            return Backend(gateway, pool, http, suspects)

        yield open_


@pytest.fixture
async def stub() -> AsyncIterator[Callable[..., Awaitable[StubServer]]]:
    """Starts stub servers, with the arguments of `StubServer`."""
    async with AsyncExitStack() as stack:

        async def start(*args: Any, **kwargs: Any) -> StubServer:
            return await stack.enter_async_context(StubServer(*args, **kwargs))

        yield start


@pytest.fixture
async def mute() -> AsyncIterator[Mute]:
    made = Mute()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield made


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Waits for what nothing can be awaited for; fails after ten seconds."""

    async def wait(done: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not done():
                await asyncio.sleep(0.005)

    return wait


def url(engine: StubServer | str) -> str:
    return engine if isinstance(engine, str) else engine.base_url.removesuffix("/v1")
