"""A game that was played, as results, ratings and the store see it: conditions, seats, and what each seat came to."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lmgame_leaderboards.results import LatencySummary, UsageTotals
from lmgame_leaderboards.schema import PlayerRecord, canonical_json


@dataclass(frozen=True, slots=True)
class PlayedSeat:
    """One player's side of a finished game."""

    player: PlayerRecord
    score: float
    decisions: int
    observation: str | None = None
    """What it was shown: `text`, `image` or `both`; None for players of this machine."""
    prompt_hash: str | None = None
    """Hash of the prompt's fixed part; None for players of this machine."""
    verdicts: Mapping[str, int] = field(default_factory=dict)
    """How many decisions had which verdict; verdicts that none had are left out."""
    infrastructure_faults: int = 0
    usage: UsageTotals = field(default_factory=UsageTotals)
    latency: LatencySummary = field(default_factory=LatencySummary)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedGame:
    """A finished game: one seat where a player plays alone, two where they share it (the higher score has won)."""

    game: str
    preset: str
    version: int
    """The game's version, from its card."""
    options: Mapping[str, Any] = field(default_factory=dict)
    clock: str = "paused"
    max_decisions: int | None = None
    """The limit that held; None where it is not known (records of the first days)."""
    rom: str | None = None
    """SHA-256 of the cartridge image, where the game has one."""
    seed: int
    seats: tuple[PlayedSeat, ...]
    outcome: str
    finished: float
    """When it ended, Unix time in seconds; 0 where that is not known."""
    run: str
    """Id of the run or arena that played it."""
    episode: str
    """Id of the game within that run, which names its record."""
    source: str = ""
    """Where its record lay when it was taken in: a path of some machine, for people and for replays."""

    @property
    def conditions(self) -> dict[str, Any]:
        """What must be equal for two games to be comparable: everything but the players and the seed."""
        return {
            "game": self.game,
            "preset": self.preset,
            "version": self.version,
            "options": dict(self.options),
            "clock": self.clock,
            "max_decisions": self.max_decisions,
            "rom": self.rom,
        }

    @property
    def key(self) -> str:
        """The game's identity, over everything that could change its outcome: the first 24 hex digits of the SHA-256
        of conditions, seed and seats (player, observation, prompt hash) as canonical JSON."""
        return self.key_of([seat.player.key for seat in self.seats])

    def key_of(self, players: Sequence[str]) -> str:
        """`key`, where the keys of the players, seat by seat, are known already."""
        seats = [[player, seat.observation, seat.prompt_hash] for player, seat in zip(players, self.seats, strict=True)]
        identity = {**self.conditions, "seed": self.seed, "seats": seats}
        return hashlib.sha256(canonical_json(identity).encode()).hexdigest()[:24]
