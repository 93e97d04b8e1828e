"""Backends of stub engines: a machine with GPUs and vLLM that has neither."""

import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from lmgame_serving.gateway.pool import Engine, Role
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
            role: Role, *, connector: str | None = "NixlConnector", block_size: int = 64, **behaviour: Any
        ) -> InProcess:
            listening = socket.create_server(("127.0.0.1", 0))
            port = listening.getsockname()[1]
            words = ["serve", "stub", "--port", str(port), "--block-size", str(block_size)]
            if connector:
                kv_role = {Role.PREFILL: "kv_producer", Role.DECODE: "kv_consumer"}[role]
                words += ["--kv-transfer-config", json.dumps({"kv_connector": connector, "kv_role": kv_role})]
            stub = StubEngine(parser().parse_args(words), Behaviour(**behaviour))
            runner = web.AppRunner(stub.application(), shutdown_timeout=0.1, handler_cancellation=True)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.SockSite(runner, listening).start()
            return InProcess(Engine(f"{role}-0", role, f"http://127.0.0.1:{port}"), stub)

        yield make
