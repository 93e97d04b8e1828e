"""Runs and arenas while they are played: what a page is told as their records grow."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lmgame_common import LmgameError, RecordError, printable
from lmgame_leaderboards.arena_folder import read_arena
from lmgame_leaderboards.records import is_finished
from lmgame_leaderboards.run_folder import read_run
from lmgame_leaderboards.stills import Stills
from lmgame_leaderboards.tail import RecordTail
from lmgame_leaderboards.web import addresses
from lmgame_leaderboards.web.folders import Folder
from lmgame_leaderboards.web.pages.runs import arena_standings, record_row, state_of
from lmgame_leaderboards.web.projection import data_uri, webp_uri
from lmgame_leaderboards.web.render import number
from lmgame_leaderboards.web.site import Site
from lmgame_leaderboards.web.stage import Replay
from lmgame_leaderboards.web.sums import RecordSum, sum_of

logger = logging.getLogger(__name__)

LOOK_EVERY = 0.5
"""Seconds between two looks at a folder that somebody watches."""
RATE_EVERY = 2.0
"""Least seconds between two tables of an arena."""
BOARDS = 8
"""Most games that are drawn at once."""
RECENT = 90.0
"""Seconds after which a game that doesn't move is no longer drawn: nobody plays it."""
MOVES = 12
"""Moves of the last answer that are told."""


class _Game:
    """One game in play, its board a step behind its record at most."""

    def __init__(self, id_: str, path: Path, site: Site) -> None:
        self.id, self.path, self._site = id_, path, site
        self.tail, self._stills = RecordTail(path), Stills(path)
        self.moved = path.stat().st_mtime
        self._replay: Replay | None = None
        self._list: Any = None
        self._at = 0
        self._frame = ""
        self._drawn: tuple[int, int] | None = None

    def read(self) -> bool:
        """Take in what is new; whether anything was."""
        grown = self.tail.read()
        if grown:
            self.moved = time.time()
        return grown

    def board(self, folder: Folder) -> dict[str, Any]:
        """How it stands, with a picture."""
        log = self.tail.log
        last = log.decisions[-1] if log.decisions else {}
        row = sum_of(log, self.id)
        latency = (last.get("latency") or {}).get("total")
        return {
            "id": self.id,
            "to": addresses.record(folder.id, self.id),
            "title": f"{row.game}, seed {row.seed}",
            "names": list(row.names),
            "scores": [number(score) for score in row.scores],
            "decisions": row.decisions,
            "seat": last.get("seat", 0),
            "moves": " ".join(printable(str(move))[:40] for move in last.get("moves", [])[:MOVES]),
            "verdict": printable(str(last.get("verdict", "")))[:40],
            "latency": round(latency, 2) if latency else None,
            "frame": self._picture(),
        }

    def _picture(self) -> str:
        """The frame as it stands; empty where it can't be drawn."""
        log = self.tail.log
        if self._drawn == (id(log.decisions), len(log.decisions)):
            return self._frame
        still = self._stills.of(log.decisions, len(log.decisions)) if self._site.stage.is_slow(log) else None
        self._frame = webp_uri(still.webp) if still else self._replayed()
        self._drawn = id(log.decisions), len(log.decisions)
        return self._frame

    def _replayed(self) -> str:
        """The frame as it stands, by playing on to there; empty where that can't be."""
        log = self.tail.log
        try:
            if self._replay is None or self._list is not log.decisions:
                self.close()
                self._replay, self._list, self._at = self._site.stage.replay(log, self.path), log.decisions, 0
            while self._at < len(log.decisions):
                self._replay.ask(log.decisions[self._at])
                self._replay.play(log.decisions[self._at])
                self._at += 1
            return data_uri(self._replay.now().frame, quick=True)
        except Exception:  # a game of somebody else may fail in any way; its numbers are still told
            self.close()
            return ""

    def close(self) -> None:
        """Let go of the game."""
        if self._replay is not None:
            with suppress(Exception):
                self._replay.close()
        self._replay = None


@dataclass
class _State:
    """What there is to tell of a folder."""

    version: int = 0
    about: dict[str, Any] = field(default_factory=dict)
    boards: list[dict[str, Any]] = field(default_factory=list)
    standings: tuple[int, dict[str, Any]] | None = None
    """With the version that brought it."""
    rows: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    """By record, each with the version that brought it."""

    def since(self, version: int) -> dict[str, Any]:
        """What a page must hear that knows everything up to some version."""
        told: dict[str, Any] = {
            **self.about,
            "boards": self.boards,
            "rows": [row for since, row in self.rows.values() if since > version],
        }
        if self.standings and self.standings[0] > version:
            told["standings"] = self.standings[1]
        return told


class FolderWatch:
    """Looks at one folder for all who watch it, as long as anybody does."""

    def __init__(self, folder: Folder, site: Site) -> None:
        self.folder, self._site = folder, site
        self._state = _State()
        self._games: dict[str, _Game] = {}
        self._done: set[str] = set()
        self._watchers = 0
        self._task: asyncio.Task[None] | None = None
        self._watching = asyncio.Lock()
        """One task at a time looks: the one before may still wait for its thread."""
        self._changed = asyncio.Event()
        self._rated: tuple[float, int] = (0.0, -1)
        self._first_id = int(10 * time.time())
        """What versions are counted from in ids of events: ids of an earlier server are all below."""

    async def events(self, known: int, heartbeat: float) -> AsyncIterator[tuple[int, dict[str, Any]] | None]:
        """What is new, with its id, whenever there is something; None for a heartbeat.

        Args:
            known: Id of the last event that the page has heard; 0 where it has heard none.
            heartbeat: Seconds of silence after which one is due.
        """
        self._watchers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
        try:
            known -= self._first_id
            known = known if 0 < known <= self._state.version else 0
            while True:
                changed = self._changed
                if self._state.version > known:
                    told = self._state.since(known)
                    known = self._state.version
                    yield self._first_id + known, told
                    continue
                try:
                    async with asyncio.timeout(heartbeat):
                        await changed.wait()
                except TimeoutError:
                    yield None
        finally:
            self._watchers -= 1
            if not self._watchers and self._task:
                self._task.cancel()
                self._task = None

    async def _watch(self) -> None:
        async with self._watching:
            await self._look_again_and_again()

    async def _look_again_and_again(self) -> None:
        look: asyncio.Future[bool] | None = None
        failed = ""
        try:
            while True:
                look = asyncio.ensure_future(asyncio.to_thread(self._look))
                try:
                    changed = await asyncio.shield(look)
                except Exception as error:  # a folder of somebody else may hold anything; the next look may be better
                    changed = False
                    if failed != repr(error):
                        failed = repr(error)
                        logger.exception("%s can't be looked at", self.folder.path)
                if changed:
                    self._changed.set()
                    self._changed = asyncio.Event()
                await asyncio.sleep(LOOK_EVERY)
        finally:
            if look and not look.done():  # its thread goes on whoever waits for it
                await asyncio.wait([look])
            for game in self._games.values():
                game.close()
            self._games.clear()
            self._done.clear()

    def _look(self) -> bool:
        """Read what is new in the folder; whether there is anything to tell."""
        state, version, changed = self._state, self._state.version + 1, False
        records = self.folder.records()
        for gone in (self._done | state.rows.keys()) - records.keys():  # deleted; another one may take its place
            self._done.discard(gone)
            changed |= state.rows.pop(gone, None) is not None
        for id_, path in records.items():
            if id_ in self._done:
                continue
            try:
                found = self._read(id_, path)
            except (RecordError, OSError):
                self._done.add(id_)
                continue
            if found is None:
                continue
            row = record_row(self.folder, found)
            if state.rows.get(id_, (0, None))[1] != row:
                state.rows[id_] = version, row
                changed = True
            if found.outcome is not None:
                self._done.add(id_)
        for id_ in self._done & self._games.keys():
            self._games.pop(id_).close()
        changed |= self._tell_about(len(records))
        changed |= self._tell_boards()
        changed |= self._tell_standings(version)
        if changed:
            state.version = version
        return changed

    def _read(self, id_: str, path: Path) -> RecordSum | None:
        """A record's sum; None where there is nothing new. Raises RecordError or OSError if it can't be read."""
        game = self._games.get(id_)
        if game is None and is_finished(path):  # nothing comes any more, and pages may have summed it up already
            found = self._site.sums.record(id_, path)
            if found.problem:
                raise RecordError(found.problem)
            return found
        game = game or self._games.setdefault(id_, _Game(id_, path, self._site))
        if (not game.read() and id_ in self._state.rows) or not game.tail.log.header:
            return None
        return sum_of(game.tail.log, id_)

    def _tell_about(self, begun: int) -> bool:
        finished = sum(row["outcome"] is not None for _, row in self._state.rows.values())
        asked = None if self.folder.arena else self._asked()
        about = {
            "begun": begun,
            "finished": finished,
            "asked": asked,
            "state": state_of(self.folder, finished, begun, asked),
        }
        before, self._state.about = self._state.about, about
        return before != about

    def _asked(self) -> int | None:
        try:
            return len(read_run(self.folder.path).episodes())
        except RecordError:
            return None

    def _tell_boards(self) -> bool:
        recent = [game for game in self._games.values() if time.time() - game.moved < RECENT and game.tail.log.header]
        # Those drawn already stay where they are as long as they are played.
        shown = [board["id"] for board in self._state.boards]
        recent.sort(key=lambda game: (shown.index(game.id) if game.id in shown else len(shown), -game.moved))
        for game in recent[BOARDS:]:
            game.close()
        before, self._state.boards = self._state.boards, [game.board(self.folder) for game in recent[:BOARDS]]
        return before != self._state.boards

    def _tell_standings(self, version: int) -> bool:
        finished = self._state.about["finished"]
        at, count = self._rated
        if not self.folder.arena or finished == count or time.monotonic() - at < RATE_EVERY:
            return False
        try:
            found = arena_standings(self.folder, read_arena(self.folder.path), self._site.sums)
        except LmgameError:
            return False
        self._rated = time.monotonic(), finished
        rows = [{name: value for name, value in row.items() if name != "drawn"} for row in found["rows"]]
        self._state.standings = version, {**found, "rows": rows}
        return True


class Watches:
    """The folders that somebody watches."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._watches: dict[str, FolderWatch] = {}

    def of(self, folder: Folder) -> FolderWatch:
        """The one watch of a folder."""
        if folder.id not in self._watches:
            self._watches[folder.id] = FolderWatch(folder, self._site)
        return self._watches[folder.id]


async def record_events(
    site: Site, folder: str, record: str, known: int, heartbeat: float
) -> AsyncIterator[tuple[int, dict[str, Any]] | None]:
    """How many decisions a record has, whenever that changes, until it is over; None for a heartbeat.

    Args:
        site: The site.
        folder, record: Ids.
        known: How many decisions the page knows.
        heartbeat: Seconds of silence after which one is due.
    """
    _, path = await asyncio.to_thread(site.record, folder, record)
    silent = 0.0
    while True:
        log = (await asyncio.to_thread(site.projector.of, path)).log
        now, over = len(log.decisions), log.outcome is not None
        if now != known or over:
            known, silent = now, 0.0
            yield now, {"decisions": now, "over": over}
            if over:
                return
        elif silent >= heartbeat:
            silent = 0.0
            yield None
        await asyncio.sleep(LOOK_EVERY)
        silent += LOOK_EVERY
