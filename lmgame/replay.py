"""From an episode's record back to the game as it stood before each decision."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmgame.lines import check_score, decision_of
from lmgame.turn import play_turn
from lmgame_common import RecordError
from lmgame_games import Card, GameEnv, card, make
from lmgame_leaderboards import EpisodeLog, read_episode


@dataclass(frozen=True, slots=True)
class Replayed:
    """One decision of a record together with the game just before it."""

    record: Mapping[str, Any]
    feedback: str | None
    env: GameEnv[Any, Any]


def card_of(log: EpisodeLog, path: Path) -> Card:
    """The card an episode was played under. Raises RecordError where this lmgame has other rules for it."""
    header = log.header
    if not header:
        raise RecordError(f"{path} has no header yet: the run was killed as it began. Run its command again.")
    found = card(header["game"], header["preset"])
    if found.version != header["version"]:
        raise RecordError(
            f"{path} was played under version {header['version']} of {found.game}/{found.preset}; this lmgame has "
            f"version {found.version}. Use the lmgame it was made with ({header.get('lmgame', 'see run.json')})."
        )
    return found


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
    found = card_of(log, path)
    env = make(found.game, found.preset, **log.header.get("options", {}))
    try:
        _, info = env.reset(seed=log.header["seed"])
        if on_step:
            on_step(env, info)
        feedback = None
        for record in log.decisions:
            yield Replayed(record, feedback, env)
            decision = decision_of(record, found, path)
            play_turn(
                env,
                decision.moves,
                usable=record["verdict"] == "ok",
                waited=record.get("waited", 0),
                after_step=(lambda info: on_step(env, info)) if on_step else None,
            )
            feedback = decision.problem
            check_score(env.score, record, path)
    finally:
        env.close()
