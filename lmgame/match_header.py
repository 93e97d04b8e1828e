"""Headers of records that name who plays: of raced episodes and of shared matches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lmgame.episode import EpisodePlan
from lmgame.match_plan import MatchPlan
from lmgame_games import Card
from lmgame_leaderboards import PlayerRecord, Versions


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """A player under one card, as headers tell of it."""

    player: PlayerRecord
    prompt_hash: str | None = None
    """Of the prompt's fixed part under that card; None for players of this machine."""
    endpoint: Mapping[str, Any] = field(default_factory=dict)
    """Where it answered: `Players.about`."""


def raced_header(plan: EpisodePlan, entrant: Entrant, versions: Versions) -> dict[str, Any]:
    """The header of one player's side of a raced match; the plan says what it is shown."""
    return {
        **_conditions(plan, versions),
        "model": entrant.player.model,
        "observation": plan.observation,
        "seats": [_seat(entrant, plan.observation)],
        "endpoint": dict(entrant.endpoint),
    }


def shared_header(plan: MatchPlan, entrants: Sequence[Entrant], versions: Versions) -> dict[str, Any]:
    """The header of a shared match; the plan says what each seat is shown."""
    return {
        **_conditions(plan, versions),
        "model": " vs ".join(entrant.player.name for entrant in entrants),
        "seats": [_seat(entrant, kind) for entrant, kind in zip(entrants, plan.observations, strict=True)],
        "endpoints": [dict(entrant.endpoint) for entrant in entrants],
    }


def _conditions(plan: EpisodePlan | MatchPlan, versions: Versions) -> dict[str, Any]:
    card: Card = plan.card
    return {
        "episode": plan.id,
        "game": card.game,
        "preset": card.preset,
        "version": card.version,
        "options": dict(plan.options),
        "seed": plan.seed,
        "clock": "realtime" if plan.realtime else "paused",
        "max_decisions": plan.max_decisions,
        "versions": versions.model_dump(mode="json"),
    }


def _seat(entrant: Entrant, observation: str | None) -> dict[str, Any]:
    return {
        "player": entrant.player.model_dump(mode="json"),
        "observation": observation,
        "prompt_hash": entrant.prompt_hash,
    }
