"""Backends of stub engines: a machine with GPUs and vLLM that has neither."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from aiohttp import web

from lmgame_serving.backend.process import orphans
from lmgame_serving.backend.profile import Profile, load_profile
from lmgame_serving.backend.run import run_backend
from lmgame_serving.backend.state import BackendState, EngineStatus, find
from lmgame_serving.gateway.pool import Engine, Role
from lmgame_serving.pico_engine import FOLDER as PICO_FOLDER
from lmgame_serving.testing.behaviour import Behaviour
from lmgame_serving.testing.engine import StubEngine, parser
from lmgame_serving.testing.machine import Machine, make_machine


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Python compiled, for all processes of a session's machines."""
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
def machine(tmp_path: Path, bytecode: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with two GPUs whose `nvidia-smi` is found first; `machine.python` has the stub engine for a vLLM."""
    folder = tmp_path / "machine"
    folder.mkdir()
    made = make_machine(folder, bytecode=bytecode)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LMGAME_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(bytecode))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    return made


@dataclass
class InProcess:
    """A stub engine in the tests' own process."""

    engine: Engine
    stub: StubEngine

    @property
    def behaviour(self) -> Behaviour:
        return self.stub.behaviour


type MakeEngine = Callable[..., Awaitable[InProcess]]


@pytest.fixture
async def make_engine() -> AsyncIterator[MakeEngine]:
    """Starts stub engines that need no process of their own; none of them may be told to die."""
    async with AsyncExitStack() as stack:

        async def make(
            role: Role,
            *,
            connector: str | None = "NixlConnector",
            block_size: int = 64,
            folder: Path | None = None,
            **behaviour: Any,
        ) -> InProcess:
            listening = socket.create_server(("127.0.0.1", 0))
            port = listening.getsockname()[1]
            words = ["serve", "stub", "--port", str(port), "--block-size", str(block_size)]
            if connector:
                kv_role = {Role.PREFILL: "kv_producer", Role.DECODE: "kv_consumer"}[role]
                extra = {"shared_storage_path": str(folder)}
                transfer = {"kv_connector": connector, "kv_role": kv_role, "kv_connector_extra_config": extra}
                words += ["--kv-transfer-config", json.dumps(transfer)]
            stub = StubEngine(parser().parse_args(words), Behaviour(**behaviour))
            runner = web.AppRunner(stub.application(), shutdown_timeout=0.1, handler_cancellation=True)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.SockSite(runner, listening).start()
            return InProcess(Engine(f"{role}-0", role, f"http://127.0.0.1:{port}"), stub)

        yield make


MODEL = str(PICO_FOLDER)
KEY = "sk-of-the-test"
QUICK: dict[str, Any] = {
    "gateway.port": 0,
    "gateway.ready_seconds": 20,
    "gateway.silence_seconds": 1,
    "supervision.start_seconds": 30,
    "supervision.check_interval": 0.1,
    "supervision.check_seconds": 0.5,
    "supervision.failed_checks": 2,
    "supervision.first_backoff": 0.1,
    "supervision.longest_backoff": 0.2,
    "supervision.drain_seconds": 5,
    "supervision.stop_seconds": 5,
}
"""What a profile says that has no time to lose."""


def quick(shape: str = "pd", **overrides: Any) -> Profile:
    """A profile whose options are named with `__` for the dot."""
    return load_profile(shape, QUICK | {name.replace("__", "."): value for name, value in overrides.items()})


@dataclass
class Running:
    """A backend of stub engines in processes of their own; gateway and supervisor are in the tests' process."""

    name: str
    told: list[str] = field(default_factory=list)
    url: str = ""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    stop_now: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None
    session: aiohttp.ClientSession = field(
        default_factory=lambda: aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
    )
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, text: str) -> None:
        self.told.append(text)
        self._news.set()

    async def until(self, words: str, *, since: int = 0) -> int:
        """Wait until a line with certain words is told; returns how many lines were told up to it."""
        while True:
            for number, text in enumerate(self.told[since:], since + 1):
                if words in text:
                    return number
            self._news.clear()
            await self._news.wait()

    def heard(self, words: str) -> int:
        """How many lines with certain words were told."""
        return sum(words in text for text in self.told)

    def state(self) -> BackendState:
        return find(self.name)

    def engine(self, name: str) -> EngineStatus:
        return next(engine for engine in self.state().engines if engine.name == name)

    def process(self, name: str) -> psutil.Process:
        """The engine itself, and not what keeps it."""
        return psutil.Process(self.engine(name).pid).children()[0]

    async def behave(self, name: str, **behaviour: Any) -> None:
        """Have an engine do something from now on."""
        async with self.session.post(f"http://127.0.0.1:{self.engine(name).port}/stub", json=behaviour) as response:
            assert response.status == 200, await response.text()

    async def ask(self, **more: Any) -> tuple[int, str]:
        """Ask for an answer; returns its status and all of its body."""
        body = {"model": "stub", "messages": [{"role": "user", "content": "Where to?"}], **more}
        headers = {"Authorization": f"Bearer {KEY}"}
        async with self.session.post(f"{self.url}/v1/chat/completions", json=body, headers=headers) as response:
            return response.status, await response.text()

    async def metrics(self) -> str:
        async with self.session.get(f"{self.url}/metrics", headers={"Authorization": f"Bearer {KEY}"}) as response:
            return await response.text()


type RunBackend = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def backend(machine: Machine) -> RunBackend:
    """Runs a backend while a context lasts, and sees to it that nothing of it runs afterwards."""

    @asynccontextmanager
    async def run(profile: Profile | None = None, *, ready: bool = True, name: str = "test") -> AsyncIterator[Running]:
        running, up = Running(name), asyncio.Event()

        def on_ready(url: str, about: Any) -> None:
            running.url = url
            up.set()

        task = running.task = asyncio.create_task(
            run_backend(
                model=MODEL,
                profile=profile or quick(),
                served_name="stub",
                python=str(machine.python),
                name=name,
                api_key=KEY,
                tell=running.tell,
                stop=running.stop,
                stop_now=running.stop_now,
                on_ready=on_ready,
            )
        )
        async with asyncio.timeout(60), running.session:
            try:
                if ready:
                    waiting = asyncio.create_task(up.wait())
                    await asyncio.wait((waiting, task), return_when=asyncio.FIRST_COMPLETED)
                    if not waiting.done():
                        waiting.cancel()
                        await task
                        raise AssertionError("it ended before it was ready")
                marker = running.state().marker if ready else None
                yield running
            finally:
                running.stop.set()
                if not task.done():
                    await task
            if marker:
                assert orphans(marker) == []

    return run
