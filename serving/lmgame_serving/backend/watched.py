"""An engine as its supervisor sees it."""

import asyncio
import signal
import time
from dataclasses import dataclass, field
from typing import Never

from lmgame_serving.backend.plan import EngineSpec
from lmgame_serving.backend.process import EngineProcess
from lmgame_serving.backend.state import EngineStatus
from lmgame_serving.gateway.pool import Engine


class FailedError(Exception):
    """Raised when an engine has to be started anew; says why."""


class MuteError(FailedError):
    """Raised when an engine seems to be about to end by itself, which then is what there is to tell."""


@dataclass(eq=False)
class Watched:
    """An engine, and where its supervisor is with it."""

    spec: EngineSpec
    engine: Engine
    process: EngineProcess
    starts: int = 0
    failures: int = 0
    """Since it was last healthy for long."""
    usable: bool = False
    """It answers, and nothing speaks against it; of a pair, whether the transfer works is another matter."""
    given_up: bool = False
    since: float = field(default_factory=time.monotonic)
    """When it was last started, or last became ready."""
    look: asyncio.Event = field(default_factory=asyncio.Event)
    """It is suspected, so it is looked at now."""
    suspected: bool = False
    anew: asyncio.Event = field(default_factory=asyncio.Event)
    """It must be started anew though nothing is wrong with it."""

    @property
    def name(self) -> str:
        """The engine's."""
        return self.spec.name

    @property
    def status(self) -> EngineStatus:
        """What is to be said of it."""
        return EngineStatus(
            name=self.name,
            role=self.engine.role.value,
            state="given up" if self.given_up else self.engine.state.value,
            pid=None if self.process.returncode is not None else self.process.pid,
            port=self.spec.port,
            gpus=list(self.spec.gpus),
            restarts=max(0, self.starts - 1),
            log=str(self.spec.log),
        )

    async def start(self) -> None:
        """Begin another life."""
        self.starts += 1
        self.since = time.monotonic()
        self.suspected = False
        self.look.clear()
        self.anew.clear()
        await self.process.start()

    async def end(self) -> Never:
        """Wait for the end of this life. Raises FailedError, which says how it ended."""
        code = await self.process.wait()
        killed = {number.value: number.name for number in signal.Signals}.get(-code)
        # Of exit statuses above 128 it can't be told whether they stand for a signal.
        raise FailedError(
            f"it was killed by {killed}" if killed else f"it ended with {code if code >= 0 else 128 - code}"
        )
