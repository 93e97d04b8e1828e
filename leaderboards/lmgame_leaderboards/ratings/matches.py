"""What ratings are computed from: who met whom, in which game, with which result."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

WIN, DRAW, LOSS = 1.0, 0.5, 0.0
"""Results, as seen by the first of the two."""


@dataclass(frozen=True, slots=True)
class Match:
    """Two players on one seed."""

    game: str
    """Conditions they met under, such as `tetris/standard`."""
    first: str
    second: str
    """Names of the players; in a shared game `first` had the first seat."""
    result: float
    """`WIN`, `DRAW` or `LOSS` of the first."""
    unit: Hashable
    """What is drawn as one in the bootstrap: matches that aren't independent share it. In shared games the pair of
    matches with swapped seats on a seed; in raced ones all matches on that seed, since each player's episode stands in
    several."""
    seated: bool
    """Whether the first seat may be of advantage: True in shared games."""


@dataclass(frozen=True, eq=False)
class Matches:
    """Matches as arrays, all of length n; what `rate` takes."""

    players: tuple[str, ...]
    games: tuple[str, ...]
    game: np.ndarray
    """int32, index into `games`."""
    first: np.ndarray
    """int32, index into `players`."""
    second: np.ndarray
    result: np.ndarray
    """float64: `WIN`, `DRAW`, `LOSS`."""
    unit: np.ndarray
    """int32, dense numbers from 0; a unit lies within one game."""
    seated: np.ndarray
    """bool."""

    @classmethod
    def of(cls, matches: Iterable[Match], players: Iterable[str] = ()) -> "Matches":
        """Arrays from single matches.

        Args:
            matches: In any order; the arrays don't depend on it.
            players: Names that are to be among the players even if they have no match.
        """
        rows = sorted(matches, key=lambda row: (row.game, repr(row.unit), row.first, row.second, row.result))
        names = tuple(sorted({*players, *(row.first for row in rows), *(row.second for row in rows)}))
        games = tuple(sorted({row.game for row in rows}))
        at, of_game = {name: i for i, name in enumerate(names)}, {game: i for i, game in enumerate(games)}
        units: dict[Hashable, int] = {}
        return cls(
            players=names,
            games=games,
            game=np.array([of_game[row.game] for row in rows], np.int32),
            first=np.array([at[row.first] for row in rows], np.int32),
            second=np.array([at[row.second] for row in rows], np.int32),
            result=np.array([row.result for row in rows], float),
            unit=np.array([units.setdefault((row.game, row.unit), len(units)) for row in rows], np.int32),
            seated=np.array([row.seated for row in rows], bool),
        )

    def among(self, players: Sequence[int]) -> "Matches":
        """The same matches with these players alone, who must be all that have one.

        Args:
            players: Their numbers, ascending.
        """
        new = np.full(len(self.players), -1, np.int32)
        new[list(players)] = np.arange(len(players))
        return replace(
            self,
            players=tuple(self.players[player] for player in players),
            first=new[self.first],
            second=new[self.second],
        )
