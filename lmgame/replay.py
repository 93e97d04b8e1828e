"""From a record back to the game as it stood before each decision."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lmgame.lines import check_score, decision_of
from lmgame.referee import Asked, OnStep, Referee
from lmgame.turn import play_turn
from lmgame_agents import Observation
from lmgame_common import RecordError
from lmgame_games import Card, GameEnv, card, make, make_shared
from lmgame_leaderboards import EpisodeLog, PlayerRecord, read_episode


@dataclass(frozen=True, slots=True)
class Replayed:
    """One decision of a record together with the game just before it."""

    record: Mapping[str, Any]
    feedback: str | None
    env: GameEnv[Any, Any]


@dataclass(frozen=True, slots=True)
class ReplayedMatch:
    """One decision of a shared match's record together with the game just before it."""

    record: Mapping[str, Any]
    seat: int
    observation: Observation
    """What the seat's player was asked, as text; without the frame."""
    referee: Referee
    """The match; where seats move at once, under the real-time clock, it may stand later than when that was asked."""


def is_shared(log: EpisodeLog) -> bool:
    """Whether a record is that of a shared match."""
    return len(log.header.get("seats") or ()) > 1


def card_of(log: EpisodeLog, path: Path) -> Card:
    """The card an episode was played under. Raises RecordError where this lmgame has other rules for it, or where the
    record doesn't tell who played."""
    header = log.header
    if not header:
        raise RecordError(f"{path} has no header yet: the run was killed as it began. Run its command again.")
    _check_seats(log, path)
    found = card(header["game"], header["preset"])
    if found.version != header["version"]:
        raise RecordError(
            f"{path} was played under version {header['version']} of {found.game}/{found.preset}; this lmgame has "
            f"version {found.version}. Use the lmgame it was made with ({header.get('lmgame', 'see run.json')})."
        )
    return found


def _check_seats(log: EpisodeLog, path: Path) -> None:
    seats = log.header.get("seats") or []
    try:
        for seat in seats:
            PlayerRecord.model_validate(seat["player"])
    except ValidationError as error:
        raise RecordError(f"{path} is damaged: a seat in its header has no player that can be read.") from error
    if len(seats) < 2:
        return
    scores = log.outcome.get("scores", []) if log.outcome else [0.0, 0.0]
    if not len(seats) == len(log.header.get("endpoints") or seats) == len(scores) == 2:
        raise RecordError(f"{path} is damaged: a shared game has two seats, and an endpoint and a score for each.")


class EpisodeReplay:
    """An episode that one player played alone, played again as its decisions are handed over.

    Args:
        log: The record, of which the header is used; it may still grow.
        path: Where it lies, for messages.
        on_step: Called with the environment and `info` after the reset and after each step.

    Raises:
        RecordError: If this lmgame has other rules for it.
    """

    def __init__(
        self,
        log: EpisodeLog,
        path: Path,
        on_step: Callable[[GameEnv[Any, Any], Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.card = card_of(log, path)
        self.env = make(self.card.game, self.card.preset, **log.header.get("options", {}))
        self.feedback: str | None = None
        """What was wrong with the last answer, as the model was told."""
        self._path, self._on_step = path, on_step
        try:
            _, info = self.env.reset(seed=log.header["seed"])
            self._told(info)
        except BaseException:
            self.close()
            raise

    def play(self, record: Mapping[str, Any]) -> None:
        """Play the moves of the next decision. Raises RecordError if they don't lead where the record says."""
        decision = decision_of(record, self.card, self._path)
        play_turn(
            self.env,
            decision.moves,
            usable=record["verdict"] == "ok",
            waited=record.get("waited", 0),
            after_step=self._told if self._on_step else None,
        )
        self.feedback = decision.problem
        check_score(self.env.score, record, self._path)

    def _told(self, info: Mapping[str, Any]) -> None:
        if self._on_step:
            self._on_step(self.env, info)

    def close(self) -> None:
        """Let go of the environment."""
        self.env.close()


def walk(
    path: Path, on_step: Callable[[GameEnv[Any, Any], Mapping[str, Any]], None] | None = None
) -> Iterator[Replayed]:
    """Play a record's moves again, yielding before each decision.

    Args:
        path: An episode's record.
        on_step: Called with the environment and `info` after the reset and after each step.

    Raises:
        RecordError: If the record can't be read, or its moves don't lead where it says.
    """
    log = read_episode(path)
    with closing(EpisodeReplay(log, path, on_step)) as replay:
        for record in log.decisions:
            yield Replayed(record, replay.feedback, replay.env)
            replay.play(record)


def asked_for(record: Mapping[str, Any], referee: Referee, path: Path) -> Asked:
    """What the seat of a logged decision was asked, the game played on to where that was.

    Raises:
        RecordError: If that seat was not to decide then.
    """
    seat = record.get("seat")
    asked = referee.reach(seat) if seat in (0, 1) else None
    if asked is None:
        raise RecordError(
            f"{path}: decision {record['index']} is that of seat {seat}, which was not to decide then; the record is "
            "damaged or was made by other rules. To play it anew, use --fresh."
        )
    return asked


class MatchReplay:
    """A shared match, played again as its decisions are handed over, in the order of the record.

    Args:
        log: The record, of which the header is used; it may still grow.
        path: Where it lies, for messages.
        on_step: Told of the game after its reset and its end, and after each step.

    Raises:
        RecordError: If it is no record of a shared match, or this lmgame has other rules for it.
    """

    def __init__(self, log: EpisodeLog, path: Path, on_step: OnStep | None = None) -> None:
        self.card = card_of(log, path)
        if not is_shared(log):
            raise RecordError(f"{path} is the record of an episode that one player played alone.")
        header = log.header
        self.game = make_shared(self.card.game, self.card.preset, **header.get("options", {}))
        self._path = path
        try:
            self.referee = Referee(
                self.game,
                header["seed"],
                max_decisions=header.get("max_decisions", self.card.max_decisions),
                realtime=header.get("clock") == "realtime",
                observations=("text", "text"),
                on_step=on_step,
            )
        except BaseException:
            self.close()
            raise

    def ask(self, record: Mapping[str, Any]) -> Asked:
        """What the seat of the next decision was asked, the game played on to where that was."""
        return asked_for(record, self.referee, self._path)

    def play(self, record: Mapping[str, Any]) -> None:
        """Take the next decision, whose seat has been asked. Raises RecordError if it doesn't lead where it should."""
        decision = decision_of(record, self.card, self._path)
        settled = self.referee.answer(record["seat"], decision, record.get("at"))
        check_score(settled.score, record, self._path)

    def end(self, outcome: Mapping[str, Any]) -> None:
        """Play the match on to its end, after the last decision."""
        self.referee.run_out(outcome.get("steps", 0))

    def close(self) -> None:
        """Let go of the game."""
        self.game.close()  # type: ignore[attr-defined]


def walk_match(path: Path, on_step: OnStep | None = None) -> Iterator[ReplayedMatch]:
    """Play a shared match's record again, yielding before each decision, in the order of the record.

    Decisions that a restart has made void are left out. Once the last one has been yielded, the match is played on to
    its end, or to where it was cut off.

    Args:
        path: The match's record.
        on_step: Told of the game after its reset and its end, and after each step.

    Raises:
        RecordError: If the record can't be read, is none of a shared match, or its moves don't lead where it says.
    """
    log = read_episode(path)
    with closing(MatchReplay(log, path, on_step)) as replay:
        for record in log.decisions:
            asked = replay.ask(record)
            yield ReplayedMatch(record, asked.seat, asked.observation, replay.referee)
            replay.play(record)
        if log.outcome:
            replay.end(log.outcome)
