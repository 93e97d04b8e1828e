"""What the pages need of the games themselves. This room knows none; who opens the site hands a `Stage` in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lmgame_leaderboards.records import EpisodeLog
from lmgame_leaderboards.schema import BaselineRecord

Frame = NDArray[np.uint8]
"""A picture of a game, of shape (height, width, 3)."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A game at one moment."""

    frame: Frame
    """In a shared game what spectators see."""
    text: str
    """The text view; in a shared game that of the seat which is to decide."""
    seconds: float
    """Of the game's own time since its beginning."""


class Replay(Protocol):
    """A record that is played again, decision by decision. Used by one thread at a time."""

    def ask(self, decision: Mapping[str, Any]) -> None:
        """Play on to where the next decision was asked for. Raises LmgameError where the record doesn't fit."""
        ...

    def scene(self, decision: Mapping[str, Any]) -> Scene:
        """The same, and the game as it stood then."""
        ...

    def play(self, decision: Mapping[str, Any]) -> None:
        """Play a decision that was asked for. Raises LmgameError where it leads elsewhere than it did."""
        ...

    def end(self, outcome: Mapping[str, Any]) -> None:
        """Play on to the end, after the last decision."""
        ...

    def now(self) -> Scene:
        """The game as it stands."""
        ...

    def close(self) -> None:
        """Let go of the game."""
        ...


@dataclass(frozen=True, kw_only=True)
class GameSheet:
    """What a game's page tells, under one preset."""

    game: str
    preset: str
    version: int
    title: str
    prompt: str
    """What a model is told before its first turn."""
    controls: Sequence[tuple[str, str]]
    """Name, and what it does."""
    facts: Sequence[tuple[str, str]]
    """Label and text, in the order to show."""
    score: str
    """What the score counts, in words."""
    seats: int
    max_decisions: int
    baselines: Mapping[str, BaselineRecord] = field(default_factory=dict)
    """Measured reference scores, by player."""
    commands: Sequence[tuple[str, str]] = ()
    """What one may run, with what it is for."""

    @property
    def name(self) -> str:
        """As in `--game`."""
        return f"{self.game}/{self.preset}"


class Stage(Protocol):
    """The games that there are, and how records of them are shown. May be used by several threads at once."""

    def sheets(self) -> Sequence[GameSheet]:
        """All games under all presets."""
        ...

    def poster(self, game: str, preset: str) -> Frame | None:
        """How a game looks; None where it can't be made here."""
        ...

    def is_slow(self, log: EpisodeLog) -> bool:
        """Whether playing a decision of this record takes longer than drawing the game; of such games stills are kept.
        False for games that there aren't."""
        ...

    def replay(self, log: EpisodeLog, path: Path) -> Replay:
        """Begin to play a record again. Raises LmgameError where it can't be, such as under other rules."""
        ...
