"""An engine as a process: started through its keeper, watched, stopped, and never left behind."""

import asyncio
import contextlib
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import psutil

from lmgame_common import EndpointError
from lmgame_serving.backend import keeper, roots
from lmgame_serving.backend.plan import EngineSpec

MARKER = "LMGAME_BACKEND"
"""The environment variable that all processes of a backend carry."""
ENGINE = "LMGAME_ENGINE"
"""The environment variable with the engine's name, which its processes carry."""
ORPHANED_SECONDS = 15
"""From SIGTERM to SIGKILL for an engine whose backend died."""
LONGEST_LOG = 20_000_000
"""Bytes, after which the next start begins a new log; the old one is kept as `.1`."""
_TAIL, _FAILURE_TAIL = 65_536, 1_000_000
"""Bytes of a log that are looked at for the stage of a start, and for why it failed."""


class EngineProcess:
    """One engine, from one start to its end; may be started again after that.

    Args:
        spec: What is started.
        marker: Identifies the backend; each process of the engine has it in its environment as LMGAME_BACKEND.
    """

    def __init__(self, spec: EngineSpec, *, marker: str) -> None:
        self.spec = spec
        self.started_at = 0.0
        """When it was last started, of `time.time()`."""
        self._marker = marker
        self._process: asyncio.subprocess.Process | None = None
        self._ending: asyncio.Task[int] | None = None
        self._log_from = 0

    @property
    def pid(self) -> int | None:
        """The keeper's process, which ends when the engine does; None before the first start."""
        return self._process.pid if self._process else None

    @property
    def engine_pid(self) -> int | None:
        """The engine's own process; None if it doesn't run."""
        if self._process is None or self._process.returncode is not None:
            return None
        with contextlib.suppress(psutil.Error, IndexError):
            return psutil.Process(self._process.pid).children()[0].pid
        return None

    @property
    def returncode(self) -> int | None:
        """The engine's exit code, or the negative number of the signal that ended it; None while it runs."""
        if self._process is None or self._process.returncode is None:
            return None
        code = self._process.returncode
        return 128 - code if code > 128 else code

    async def start(self) -> None:
        """Start the engine. Returns at once; whether it comes up is another matter.

        Raises:
            EndpointError: If its log can't be written or no process can be made.
        """
        if self._process is not None and self._process.returncode is None:
            raise RuntimeError(f"{self.spec.name} is running")
        spec = self.spec
        command = [sys.executable, "-I", keeper.__file__, str(os.getpid()), str(ORPHANED_SECONDS), *spec.argv]
        environment = spec.env | {MARKER: self._marker, ENGINE: spec.name}
        try:
            with _opened(spec.log) as log:
                log.write(roots.header(spec.name, shlex.join(spec.argv), datetime.now(UTC)))
                log.flush()
                self._log_from = log.tell()
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    start_new_session=True,  # a terminal's Ctrl-C is for the backend, which stops engines in order
                )
        except OSError as error:
            raise EndpointError(f"The engine {spec.name} can't be started: {error}.") from error
        self.started_at = time.time()
        self._ending = asyncio.create_task(self._end(self._process))

    async def wait(self) -> int:
        """Wait until the engine ended and nothing of it is left. Returns its `returncode`."""
        if self._ending is None:
            raise RuntimeError(f"{self.spec.name} was never started")
        return await asyncio.shield(self._ending)

    async def stop(self, seconds: float) -> None:
        """End the engine and all that it started; nothing of it runs afterwards.

        Args:
            seconds: From SIGTERM to SIGKILL.
        """
        if self._process is None or self._ending is None:
            return
        longest = keeper.KILL_SECONDS + 3 * keeper.TIDY_SECONDS
        for number, patience in ((signal.SIGTERM, seconds), (keeper.NOW, longest)):
            if not self._ending.done():
                self._send(number)
                await asyncio.wait([self._ending], timeout=patience)
        if not self._ending.done():
            self._send(signal.SIGKILL)
        await self.wait()

    def root_cause(self) -> list[str]:
        """The lines of the last start's log that say why it failed; empty if none do."""
        return roots.root_cause(_read_from(self.spec.log, self._log_from, _FAILURE_TAIL))

    def stage(self) -> str:
        """How far the start is, in a few words."""
        return roots.stage(_read_from(self.spec.log, self._log_from, _TAIL))

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self._process is not None:
                self._process.send_signal(number)

    async def _end(self, process: asyncio.subprocess.Process) -> int:
        await process.wait()
        # A keeper that was killed itself left what it kept.
        await asyncio.to_thread(_kill, lambda: _marked(self._marker, self.spec.name))
        assert self.returncode is not None
        return self.returncode


def orphans(marker: str) -> list[psutil.Process]:
    """The processes of a backend that run, found by their environment."""
    return list(_marked(marker))


def reap(marker: str, seconds: float) -> int:
    """End what a backend left running: SIGTERM, and SIGKILL after some seconds. Returns how many processes there were.

    Blocks until all are gone, a few seconds longer at most.
    """
    found = orphans(marker)
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    psutil.wait_procs(found, timeout=seconds)
    _kill(lambda: _marked(marker))
    return len(found)


def _kill(find: Callable[[], Iterable[psutil.Process]], seconds: float = keeper.KILL_SECONDS) -> None:
    """Kill processes until none is found, or for some seconds where some hang in the kernel."""
    until = time.monotonic() + seconds
    while (found := list(find())) and time.monotonic() < until:
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, timeout=1)


def _marked(marker: str, engine: str | None = None) -> Iterable[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environment = process.environ()
            if environment.get(MARKER) != marker or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if engine is None or environment.get(ENGINE) == engine:
                yield process


def _opened(log: Path) -> BinaryIO:
    """A log to append to, that only its owner can read; one that grew long is put aside first."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LONGEST_LOG:
            log.replace(log.with_name(f"{log.name}.1"))
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _read_from(log: Path, start: int, longest: int) -> str:
    """A log's end, from where the last start begins."""
    try:
        with log.open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            opened.seek(max(start, size - longest))
            return opened.read().decode(errors="replace")
    except OSError:
        return ""
