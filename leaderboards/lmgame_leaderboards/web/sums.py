"""What the records of a folder come to, each read again only when it has changed."""

import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmgame_common import RecordError
from lmgame_leaderboards.records import EpisodeLog, read_episode
from lmgame_leaderboards.results import latency_summary, usage_totals
from lmgame_leaderboards.web.folders import Folder
from lmgame_leaderboards.web.render import plain, words
from lmgame_leaderboards.web.track import names_of, standing

KEPT = 50_000
"""Records of which the sums are kept."""


@dataclass(frozen=True, slots=True)
class RecordSum:
    """One record, summed up."""

    id: str
    names: tuple[str, ...] = ()
    game: str = ""
    preset: str = ""
    seed: int | None = None
    scores: tuple[float, ...] = ()
    decisions: int = 0
    outcome: str | None = None
    """How it ended; None while it isn't over."""
    unusable: str = ""
    """Verdicts other than `ok`, counted, in words."""
    faults: int = 0
    tokens: int | None = None
    cost: float | None = None
    latency: float | None = None
    """Median, in seconds."""
    finished: float = 0.0
    problem: str = ""
    """Why the record can't be read, if it can't."""


def sum_of(log: EpisodeLog, id_: str) -> RecordSum:
    """Sum up a record. Raises RecordError where its header doesn't tell who plays, or a number in it is none."""
    header, decisions, outcome = log.header, log.decisions, log.outcome
    if not header:
        return RecordSum(id_, problem="It has no header yet.")
    names = names_of(log)
    usage, latency = usage_totals([*log.void, *decisions]), latency_summary(decisions)
    verdicts = Counter(line["verdict"] for line in decisions if line["verdict"] != "ok")
    scores = scores_of(log)
    numbers = *scores, usage.tokens or 0, usage.cost_usd or 0.0, latency.median or 0.0
    if not all(abs(number) <= sys.float_info.max for number in numbers):
        raise RecordError(f"{log.path} is damaged: a score, a count, a price or a time in it is no number.")
    return RecordSum(
        id=id_,
        names=tuple(names),
        game=plain(header.get("game", "")),
        preset=plain(header.get("preset", "")),
        seed=header.get("seed"),
        scores=tuple(scores),
        decisions=len(decisions),
        outcome=words(outcome["outcome"]) if outcome else None,
        unusable=", ".join(f"{count} {plain(verdict, 40)}" for verdict, count in verdicts.most_common(6)),
        faults=len(log.faults),
        tokens=usage.tokens,
        cost=usage.cost_usd,
        latency=latency.median or None,  # 0 is that of a player that nobody had to wait for
        finished=(outcome or {}).get("time", 0.0),
    )


def scores_of(log: EpisodeLog) -> list[float]:
    """The final scores by seat, or those so far. Raises RecordError for a seat that there isn't."""
    if log.outcome:
        return list(log.outcome.get("scores") or [log.outcome["score"]])
    seats = max(1, len(log.header.get("seats") or ()))
    for line in log.decisions:
        if (seat := line.get("seat", 0)) not in range(seats):
            raise RecordError(f"{log.path} is damaged: decision {line['index']} is that of seat {seat}.")
    return standing(log.decisions, seats)[-1] if log.decisions else [0.0] * seats


class Sums:
    """Keeps the sums of records. May be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Path, str], tuple[tuple[int, int], Any]] = OrderedDict()
        self.tables: dict[Path, tuple[tuple[int, float], dict[str, Any]]] = {}
        """Arenas' own tables, by folder, each with how many games were finished, and when the last one was."""

    def of(self, folder: Folder) -> list[RecordSum]:
        """All records of a folder, sorted by name; one that can't be read says why."""
        return [self.record(id_, path) for id_, path in folder.records().items()]

    def record(self, id_: str, path: Path) -> RecordSum:
        """One record's sum."""
        try:
            return self.kept(path, "sum", lambda: sum_of(read_episode(path), id_))
        except RecordError as error:
            return RecordSum(id_, problem=plain(str(error), 400))

    def kept[T](self, path: Path, what: str, make: Callable[[], T]) -> T:
        """What was made of a file, under the name `what`; made anew when the file has changed. What `make` raises
        isn't kept."""
        try:
            about = path.stat()
        except OSError as error:
            raise RecordError(f"Can't read {path}: {error.strerror}.") from error
        state = about.st_size, about.st_mtime_ns
        with self._lock:
            found = self._kept.get((path, what))
            if found and found[0] == state:
                return found[1]
        made = make()
        with self._lock:
            self._kept[path, what] = state, made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made
