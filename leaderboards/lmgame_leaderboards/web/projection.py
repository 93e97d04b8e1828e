"""Records drawn anew for the player: frames and text views in parts of some decisions, those first that are asked for.

Playing moves again is quick in most games, drawing and packing frames is not. So a part far ahead is reached by playing
alone; what nobody has asked for yet is drawn in between, in order. Of games whose moves take long there are stills,
kept while they were played; where those are missing, whatever lies on the way is drawn, so that nothing is played
twice.
"""

import base64
import io
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lmgame_common import LmgameError, RecordError, printable
from lmgame_leaderboards.records import EpisodeLog
from lmgame_leaderboards.stills import Still, Stills, picture
from lmgame_leaderboards.tail import RecordTail
from lmgame_leaderboards.web.stage import Frame, Replay, Scene, Stage

PART = 8
"""Decisions in one part: few, so that a part that somebody waits for is soon there."""
COLOURS = 256
"""Colours beyond which WebP is slow."""


def webp_uri(webp: bytes) -> str:
    """An address that holds a picture."""
    return "data:image/webp;base64," + base64.b64encode(webp).decode()


def data_uri(frame: Frame, *, quick: bool = False) -> str:
    """A frame, without loss, as an address that holds it.

    Args:
        frame: The frame.
        quick: Pack frames of many colours as PNG, which takes a quarter of WebP's time and twice its room.
    """
    if not quick or Image.fromarray(frame).getcolors(COLOURS) is not None:
        return webp_uri(picture(frame))
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def parts_of(decisions: int) -> int:
    """How many parts there are, the end being one more moment after the last decision."""
    return decisions // PART + 1


class Projection:
    """One record, drawn as far as it goes. May be used by several threads.

    Moments count from 0: moment `i` is the game before decision `i`; the last one is the game as it stands, or ended.

    Args:
        path: The record; it may still grow.
        stage: Knows the games.
        pool: Where it is drawn.
        quick: Whether frames are to be packed quickly, rather than small.
    """

    def __init__(self, path: Path, stage: Stage, pool: Executor, *, quick: bool = True) -> None:
        self.path = path
        self._quick = quick
        self._stage, self._pool = stage, pool
        self._tail, self._stills = RecordTail(path), Stills(path)
        self._changed = threading.Condition()
        self._parts: dict[int, dict[str, Any]] = {}
        """Those that are drawn; the last one may be drawn again as the record grows."""
        self._open: set[int] = set()
        """Parts that were drawn before they were full."""
        self._wanted: list[int] = []
        self._running = self._closed = False
        self._replay: Replay | None = None
        """While it is drawn, for the thread that draws alone."""
        self._replayed: list[dict[str, Any]] = []
        """The list of decisions that it plays; there is another one once the record has been begun anew."""
        self._at = 0
        self.problem = ""
        """Why it can't be drawn any further, if it can't."""
        self.size = 0
        """Bytes that the drawn parts take."""

    @property
    def log(self) -> EpisodeLog:
        """The record as far as it has been read."""
        return self._tail.log

    @property
    def weight(self) -> int:
        """Bytes that it takes, words and frames."""
        return self._tail.size + self.size

    def refresh(self) -> bool:
        """Read what has been written since; whether anything has. Raises RecordError if the record can't be read."""
        with self._changed:
            decisions, ended = self.log.decisions, self.log.outcome is not None
            count = len(decisions)
            grown = self._tail.read()
            if self.log.decisions is not decisions:  # begun anew
                self._parts.clear()
                self._open.clear()
                self.size, self.problem = 0, ""
                if not self._running:
                    self._close_replay()
            if len(self.log.decisions) != count or (self.log.outcome is not None) != ended:
                self._open.add(count // PART)
            return grown

    def part(self, number: int, patience: float = 60.0) -> dict[str, Any] | None:
        """A part's `frames` (data URIs, None where the frame is the one before), `texts` and `seconds`, moment by
        moment; waits until it is drawn. None where it can't be drawn, or isn't within so many seconds."""
        with self._changed:
            if number not in self._parts or number in self._open:
                self._wanted = [number, *(other for other in self._wanted if other != number)]
                self._go_on()
            self._changed.wait_for(lambda: self._drawn(number) or self._closed, patience)
            if self.problem and not self._running and (number not in self._parts or number in self._open):
                return self._of_stills(number, self.log.decisions)  # what can't be drawn may still have been kept
            return self._parts.get(number)

    def _drawn(self, number: int) -> bool:
        return (number in self._parts and number not in self._open) or bool(self.problem)

    def sweep(self) -> None:
        """Draw all there is, in between."""
        with self._changed:
            self._go_on()

    def close(self) -> None:
        """Let go of the game."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            if not self._running:
                self._close_replay()

    def _go_on(self) -> None:
        if not self._running and not self._closed and not self.problem:
            self._running = True
            self._pool.submit(self._work)

    def _next(self) -> int | None:
        """The part to draw now: what was asked for last, else the first one from here on that isn't drawn. Of parts in
        a row the first one, since there is no way back but from the beginning."""
        count = parts_of(len(self.log.decisions))
        while self._wanted:
            number = self._wanted[0]
            while number - 1 in self._wanted:
                number -= 1
            self._wanted.remove(number)
            if 0 <= number < count and (number not in self._parts or number in self._open):
                return number
        here = self._at // PART
        missing = [n for n in range(count) if n not in self._parts or n in self._open]
        return next((n for n in missing if n >= here), missing[0] if missing else None)

    def _work(self) -> None:
        """Draw one part, and see to it that the next one is drawn; so that many records take turns."""
        with self._changed:
            number = None if self._closed else self._next()
            if number is None:
                self._running = False
                if self._closed or self.log.outcome is not None:  # whatever comes now is drawn already
                    self._close_replay()
                self._changed.notify_all()
                return
            decisions, outcome = self.log.decisions, self.log.outcome
            known = list(decisions)
        part, full, problem, wanted = None, False, "", number
        try:
            if self._replayed is not decisions:
                self._close_replay()
                self._replayed = decisions
            number, part, full = self._draw(number, known, outcome)
        except Exception as error:  # a game of somebody else may fail in any way; the rest of the page is still good
            problem = printable(str(error) if isinstance(error, LmgameError) else f"{type(error).__name__}: {error}")
        with self._changed:
            if self.log.decisions is decisions:  # else it was begun anew meanwhile, and this counts no more
                self.problem = problem
                if number != wanted and wanted not in self._wanted:
                    self._wanted.append(wanted)
                if part is not None:
                    self.size += _size(part) - _size(self._parts.get(number))
                    self._parts[number] = part
                    if full or (len(known) == len(decisions) and outcome is self.log.outcome):
                        self._open.discard(number)
            self._changed.notify_all()
            if not self.problem:
                with suppress(RuntimeError):  # the pool was shut down meanwhile
                    self._pool.submit(self._work)
                    return
            self._running = False
            self._close_replay()

    def _draw(
        self, number: int, decisions: list[dict[str, Any]], outcome: dict[str, Any] | None
    ) -> tuple[int, dict[str, Any], bool]:
        """A part, its number, and whether all of its moments have their decisions. It is another part than the one
        asked for where that lies on the way and had better be drawn first."""
        start, stop = number * PART, min((number + 1) * PART, len(decisions))
        full = stop == start + PART
        if kept := self._of_stills(number, decisions):
            return number, kept, full
        if self._replay is None or self._at > start:
            self._close_replay()
            self._replay, self._at = self._stage.replay(self.log, self.path), 0
        replay = self._replay
        while self._at < start:
            here = self._at // PART
            if self._at == here * PART and here not in self._parts and self._stage.is_slow(self.log):
                return self._draw(here, decisions, outcome)
            self._pass(replay, decisions[self._at])
        scenes: list[Scene | Still] = []
        while self._at < stop:
            scenes.append(replay.scene(decisions[self._at]))
            replay.play(decisions[self._at])
            self._at += 1
        if not full:
            if outcome is not None:
                replay.end(outcome)
            scenes.append(replay.now())
        return number, _part(scenes, self._quick), full

    def _of_stills(self, number: int, decisions: list[dict[str, Any]]) -> dict[str, Any] | None:
        """A part as it was kept while it was played; None if any of it wasn't."""
        if not self._stage.is_slow(self.log):
            return None
        stills: list[Still] = []
        for moment in range(number * PART, min((number + 1) * PART, len(decisions) + 1)):
            found = self._stills.of(decisions, moment)
            if found is None:
                return None
            stills.append(found)
        return _part(stills, self._quick) if stills else None

    def _pass(self, replay: Replay, decision: dict[str, Any]) -> None:
        replay.ask(decision)
        replay.play(decision)
        self._at += 1

    def _close_replay(self) -> None:
        if self._replay is not None:
            with suppress(Exception):
                self._replay.close()
        self._replay, self._at = None, 0


def _size(part: dict[str, Any] | None) -> int:
    return sum(len(told or "") for told in (*part["frames"], *part["texts"])) if part else 0


def _part(moments: Sequence[Scene | Still], quick: bool) -> dict[str, Any]:
    frames: list[str | None] = []
    last: Frame | bytes | None = None
    for moment in moments:
        if isinstance(moment, Still):
            frames.append(None if moment.webp == last else webp_uri(moment.webp))
            last = moment.webp
        else:
            same = last is not None and np.array_equal(moment.frame, last)
            frames.append(None if same else data_uri(moment.frame, quick=quick))
            last = moment.frame
    return {
        "frames": frames,
        "texts": [moment.text for moment in moments],
        "seconds": [round(moment.seconds, 3) for moment in moments],
    }


class Projector:
    """Projections of the records that were looked at last.

    Args:
        stage: Knows the games.
        pool: Where they are drawn.
        room: Bytes that they may take together, words and frames; records looked at longest ago go first.
    """

    MOST = 64
    """Records at a time, whatever they take: each may hold a game."""

    def __init__(self, stage: Stage, pool: Executor, room: int = 256 * 1024 * 1024) -> None:
        self._stage, self._pool, self._room = stage, pool, room
        self._lock = threading.Lock()
        self._kept: OrderedDict[Path, Projection] = OrderedDict()

    def of(self, path: Path) -> Projection:
        """The projection of a record, read as far as it goes now. Raises RecordError if it can't be read."""
        with self._lock:
            found = self._kept.pop(path, None) or Projection(path, self._stage, self._pool)
            self._kept[path] = found
            while len(self._kept) > 1 and (
                len(self._kept) > self.MOST or sum(one.weight for one in self._kept.values()) > self._room
            ):
                self._kept.popitem(last=False)[1].close()
        try:
            found.refresh()
        except RecordError:
            with self._lock:
                self._kept.pop(path, None)
            found.close()
            raise
        return found

    def close(self) -> None:
        """Let go of all games."""
        with self._lock:
            for projection in self._kept.values():
                projection.close()
            self._kept.clear()
