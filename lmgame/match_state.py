"""Where a shared match stands; what displays and budgets read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lmgame.lines import usage_of
from lmgame.match_plan import MatchPlan
from lmgame_agents import Decision
from lmgame_games import SharedGame
from lmgame_leaderboards import EpisodeLog


@dataclass(slots=True)
class SeatState:
    """One seat of a match as it stands."""

    name: str = ""
    """What the player is called; from the user, so show it as `printable` only."""
    score: float = 0.0
    decisions: int = 0
    tokens: int = 0
    """Those of decisions that a restart made void included."""
    latency: float | None = None
    """Of the last answer, in seconds."""
    moves: tuple[str, ...] = ()
    """Of the last answer, as far as they are legal."""
    verdicts: Counter[str] = field(default_factory=Counter[str])
    faults: int = 0
    last_fault: str = ""
    """The last infrastructure fault, in words; from a server, so show it as `printable` only."""
    thinking: bool = False

    def count(self, decision: Decision) -> None:
        """Add an answer."""
        self.decisions += 1
        self.tokens += decision.usage.total
        self.latency = decision.latency.total
        self.moves = tuple(str(move) for move in decision.moves)
        self.verdicts[decision.verdict.value] += 1

    def start_anew(self) -> None:
        """Forget the game so far, but not what it cost."""
        self.score, self.decisions, self.latency, self.moves, self.thinking = 0.0, 0, None, (), False
        self.verdicts.clear()


@dataclass(slots=True)
class MatchState:
    """Where a match stands."""

    plan: MatchPlan
    seats: tuple[SeatState, SeatState] = field(default_factory=lambda: (SeatState(), SeatState()))
    game: SharedGame | None = None
    """The game while it is played."""
    restarts: int = 0
    """Times it was begun anew in this sitting."""
    gave_up: int | None = None
    """The seat whose server's faults ended this sitting."""
    status: str = "waiting"
    """`waiting`, `cut off`, `playing`, `stopped`, `put off` or `done`."""
    outcome: str | None = None

    def __post_init__(self) -> None:
        for seat, player in zip(self.seats, self.plan.players, strict=True):
            seat.name = player.name

    @property
    def scores(self) -> tuple[float, float]:
        """Seat by seat."""
        return self.seats[0].score, self.seats[1].score

    @property
    def decisions(self) -> int:
        """Of both seats."""
        return sum(seat.decisions for seat in self.seats)

    @property
    def tokens(self) -> int:
        """Of both seats."""
        return sum(seat.tokens for seat in self.seats)

    @property
    def faults(self) -> int:
        """Infrastructure faults of both seats."""
        return sum(seat.faults for seat in self.seats)

    def read(self, log: EpisodeLog) -> None:
        """Take over what earlier sittings left, without playing it again: for displays, before a match goes on."""
        self.seats = (SeatState(), SeatState())
        self.__post_init__()
        self.count_spent(log)
        for record in log.decisions:
            seat = self.seats[record["seat"]]
            seat.decisions, seat.score = seat.decisions + 1, record["score"]
            seat.tokens += usage_of(record).total
            seat.verdicts[record["verdict"]] += 1
            seat.moves = tuple(record["moves"])
        if log.outcome:
            self.status, self.outcome = "done", log.outcome["outcome"]
            self.seats[0].score, self.seats[1].score = _scores(log.outcome)
        elif log.decisions or log.void:
            self.status = "cut off"

    def count_spent(self, log: EpisodeLog) -> None:
        """Add what void decisions and faults have cost."""
        for record in log.void:
            self.seats[record["seat"]].tokens += usage_of(record).total
        for fault in log.faults:
            if (number := fault.get("seat")) is not None:
                self.seats[number].faults += 1


def _scores(outcome: Mapping[str, Any]) -> Sequence[float]:
    return outcome.get("scores") or (outcome["score"], 0.0)
