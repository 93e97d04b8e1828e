"""Keeps a ledger of the store at hand: made by another process, kept on disk, made anew when the store has changed."""

import asyncio
import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from lmgame_common import LmgameError
from lmgame_leaderboards.disk import write_whole
from lmgame_leaderboards.store import Store
from lmgame_leaderboards.web.ledger import CLOCKS, Ledger

logger = logging.getLogger(__name__)

LOOK_EVERY = 2.0
"""Seconds between two looks at the store, which cost a query each."""
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
"""For the process that makes ledgers: its matrices are small, and threads that wait for one another keep a core busy
which pages need."""
LONG = 20.0
"""Seconds beyond which making a ledger is hard work, after which its maker rests as long again, however the store
changes meanwhile."""
UNREADABLE = (ValueError, KeyError, TypeError, IndexError, RecursionError)
"""What reading something else as a ledger may raise."""


def cache_folder() -> Path:
    """Where ledgers are kept between two openings of the site."""
    return platformdirs.user_cache_path("lmgame", appauthor=False) / "view"


@dataclass
class _Kept:
    """One clock's ledger."""

    ledger: Ledger | None = None
    wanted: str = ""
    """State of the store at the last look."""
    failed: str = ""
    """What was wrong when it was last made, if anything was."""
    tried: str = ""
    """The state for which making it failed."""
    rests: float = 0.0
    """Until when none is made."""
    since: float = 0.0
    """When making it began; 0 while nobody does."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, and replaced by a new one, whenever there is something new to say."""


class Keeper:
    """Ledgers of one store, for both clocks. Belongs to one event loop.

    Args:
        db: The store's URL; with password, since another process opens it.
        cards: What is known of games, for `ledger_document`.
        cache: The folder where ledgers are kept; None: nowhere.
        rounds: Of the bootstrap.
    """

    def __init__(
        self, db: str, cards: Sequence[Mapping[str, Any]], *, cache: Path | None = None, rounds: int = 1000
    ) -> None:
        self._db, self._cards, self._cache, self._rounds = db, list(cards), cache, rounds
        self._kept = {clock: _Kept() for clock in CLOCKS}
        self._task: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()
        self.problem = ""
        """Why the store can't be read, if it can't."""

    def ledger(self, clock: str) -> Ledger | None:
        """The newest ledger there is; None where the first one isn't made yet."""
        return self._kept[clock].ledger

    def making(self, clock: str) -> float | None:
        """Seconds for which a newer ledger has been in the making; None where nobody makes one."""
        since = self._kept[clock].since
        return time.monotonic() - since if since else None

    def failure(self, clock: str) -> str:
        """Why the newest ledger couldn't be made; empty where it could."""
        return self.problem or self._kept[clock].failed

    async def first(self, clock: str, patience: float) -> Ledger | None:
        """The ledger, or None where it isn't made within so many seconds."""
        deadline = time.monotonic() + patience
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._looked.wait()
        while (found := self.ledger(clock)) is None and not self.failure(clock):
            left = deadline - time.monotonic()
            if left <= 0 or not await self.news(clock, left):
                break
        return found or self.ledger(clock)

    async def news(self, clock: str, patience: float) -> bool:
        """Wait for something new; whether it came within so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._kept[clock].changed.wait()
                return True
        return False

    def start(self) -> None:
        """Begin to watch the store."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop watching; a ledger that is in the making is given up."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        making: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                await self._look()
                for clock, kept in self._kept.items():
                    have = kept.ledger.state if kept.ledger and not kept.ledger.rough else None
                    if kept.wanted in (have, kept.tried) or (clock in making and not making[clock].done()):
                        continue
                    if time.monotonic() < kept.rests:
                        continue
                    making[clock] = asyncio.create_task(self._make(clock, kept))
                self._looked.set()
                await asyncio.sleep(LOOK_EVERY)
        finally:
            for task in making.values():
                task.cancel()
            await asyncio.gather(*making.values(), return_exceptions=True)

    async def _look(self) -> None:
        """See how the store stands."""
        try:
            state = await asyncio.to_thread(self._state)
        except LmgameError as error:
            if self.problem != str(error):
                self.problem = str(error)
                logger.warning("%s", error)
                for kept in self._kept.values():
                    self._tell(kept)
            return
        self.problem = ""
        for clock, kept in self._kept.items():
            kept.wanted = state
            found = await asyncio.to_thread(self._read, clock) if kept.ledger is None else None
            if found and kept.ledger is None:  # none was made while this one was read
                kept.ledger = found
                self._tell(kept)

    def _state(self) -> str:
        with Store.open(self._db) as store:
            return store.state()

    @staticmethod
    def _tell(kept: _Kept) -> None:
        kept.changed.set()
        kept.changed = asyncio.Event()

    async def _make(self, clock: str, kept: _Kept) -> None:
        wanted, kept.since = kept.wanted, time.monotonic()
        order = {"db": self._db, "clock": clock, "cards": self._cards, "rounds": self._rounds}
        order["first"] = kept.ledger is None
        process = None
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "lmgame_leaderboards.web.work", str(os.getpid())),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, **ONE_THREAD},
            )
            out, errors = await process.communicate(json.dumps(order).encode())
            if process.returncode:
                told = errors.decode(errors="replace").strip().rpartition("\n")[2]
                raise ValueError(told or f"the process ended with {process.returncode}")
            kept.ledger = await asyncio.to_thread(self._taken, clock, out)
            kept.failed = kept.tried = ""
        except (*UNREADABLE, OSError) as error:
            kept.failed, kept.tried = f"The standings couldn't be worked out: {error}", wanted
            logger.warning("%s", kept.failed)
        finally:
            if process and process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            took, kept.since = time.monotonic() - kept.since, 0.0
            if took > LONG and not (kept.ledger and kept.ledger.rough):
                kept.rests = time.monotonic() + took
            self._tell(kept)

    def _file(self, clock: str) -> Path | None:
        name = hashlib.sha256(f"{self._db}\n{self._rounds}".encode()).hexdigest()[:16]
        return self._cache and self._cache / f"{name}-{clock}.json"

    def _taken(self, clock: str, content: bytes) -> Ledger:
        """The ledger that was made, which is kept on disk as well."""
        found = Ledger.of(json.loads(content))
        if file := self._file(clock):
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_whole(file, content)
            except (OSError, LmgameError) as error:
                logger.warning("The standings can't be kept for the next time: %s", error)
        return found

    def _read(self, clock: str) -> Ledger | None:
        """The ledger that was kept on disk, whatever state of the store it tells of."""
        file = self._file(clock)
        try:
            return None if file is None else Ledger.of(json.loads(file.read_text(encoding="utf-8")))
        except (*UNREADABLE, OSError):
            return None
