"""Bradley–Terry strengths with draws and an advantage of the first seat, by Newton's method on counts.

The first of two players with strengths a and b (log-odds), of whom it has the first seat, takes part in the odds

    win : draw : loss  =  e^(x/2) : ν : e^(-x/2),      x = a - b + s

(Bradley and Terry, Biometrika 39, 1952; draws by Davidson, JASA 65, 1970; the order effect s by Davidson and Beaver,
Biometrics 33, 1977). ν and s belong to a game, strengths to all games together; raced matches have no seats, so s = 0
there. The log-likelihood is concave. A normal prior on every parameter ("ridge") keeps those finite of which the
results say nothing: strengths of players that always win or lose, ν where nothing was drawn. It is weak: its standard
deviation for strengths, `STRENGTH_SD` = 3, is 521 Elo points, so that a gap of 735 points (98.6 % of the points)
between two players is nothing unusual.

In a joint fit each game weighs the same: a match counts with a weight inversely proportional to its game's number of
matches, and the weights are scaled so that their sum is Kish's effective number of matches, (Σw)² / Σw² (Kish, Survey
Sampling, 1965): unequal weights tell less than equal ones, and the prior must not drown in information that isn't
there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import coo_array, csr_array

from lmgame_leaderboards.ratings.matches import WIN, Matches

type Floats = NDArray[Any]

ELO = 400 / np.log(10)
"""Elo points of one unit of log-odds."""
STRENGTH_SD, SEAT_SD, DRAW_SD = 3.0, 1.0, 2.0
"""Standard deviations of the prior, in log-odds: of strengths about their mean, of the seat term about 0, and of log ν
about 0 (draws as likely as wins among equals)."""

EXACT = 2**24
"""Whole numbers up to this one are exact in float32."""
DENSE = 4
"""Where at least one entry of a matrix in this many is not 0, it takes at most twice the room in full, and multiplying
by it a tenth of the time. Where all players raced on all seeds of one game, it is one in three."""
MOST_STEPS = 60
LONGEST_STEP = 2.0
"""Log-odds that a Newton step may change a parameter by; far from the top the quadratic approximation overshoots."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Matches counted by game, ordered pair and seating; all that the likelihood depends on.

    Arrays of length c, ordered by game; each game has at least one match.
    """

    players: int
    games: int
    game: NDArray[np.intp]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    seated: Floats
    """1 where the first seat may be of advantage, else 0."""
    results: NDArray[np.int64]
    """Wins, draws and losses, (3, c)."""
    weight: Floats
    """Of each match, by its game."""
    units: NDArray[np.intp]
    """Each unit's game."""
    by_unit: csr_array | Floats
    """`results` of each unit alone, (3c, units); in float32, if all sums over resampled units are exact in it."""

    @classmethod
    def of(cls, matches: Matches) -> "Cells":
        """Count matches, of which there is at least one."""
        count, games = len(matches.players), len(matches.games)
        units = np.zeros(int(matches.unit.max()) + 1, np.intp)
        units[matches.unit] = matches.game
        numbers = (matches.game.astype(np.int64) * count + matches.first) * count + matches.second
        numbers = numbers * 2 + matches.seated
        found, row = _distinct(numbers, 2 * games * count**2)
        pair, seated = np.divmod(found, 2)
        rest, second = np.divmod(pair, count)
        game, first = np.divmod(rest, count)
        row += (2 * (WIN - matches.result)).astype(row.dtype) * len(found)
        once = np.ones(len(row), np.float32)
        by_unit = coo_array((once, (row, matches.unit)), shape=(3 * len(found), len(units))).tocsr()
        if by_unit.max() * len(units) > EXACT:
            by_unit = csr_array(by_unit, dtype=float)
        results = by_unit.sum(axis=1).reshape(3, -1).astype(np.int64)
        return cls(
            players=count,
            games=games,
            game=game.astype(np.intp),
            first=first.astype(np.intp),
            second=second.astype(np.intp),
            seated=seated.astype(float),
            results=results,
            weight=_weights(np.bincount(game, results.sum(axis=0)))[game],
            units=units,
            by_unit=by_unit.toarray() if by_unit.nnz * DENSE >= len(units) * results.size else by_unit,
        )

    @cached_property
    def sides(self) -> csr_array:
        """1 where a player is the first in a cell of a game, -1 where it is the second: (players * games, c)."""
        rows = np.concatenate([self.first, self.second]) * self.games + np.tile(self.game, 2)
        columns = np.tile(np.arange(len(self.game)), 2)
        signs = np.repeat([1.0, -1.0], len(self.game))
        return coo_array((signs, (rows, columns)), shape=(self.players * self.games, len(self.game))).tocsr()

    def counts(self) -> Floats:
        """Weighted wins, draws and losses, of shape (3, c)."""
        return self.weight * self.results

    def resampled(self, times: Floats) -> Iterator[Floats]:
        """The same for each row of `times`, (rounds, units), which says how often each unit counts."""
        for row in times.astype(self.by_unit.dtype) @ self.by_unit.T:
            yield self.weight * row.reshape(3, -1)


def _distinct(numbers: NDArray[np.int64], limit: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Distinct numbers in [0, limit), ascending, and for each number which of them it is."""
    if limit > 4 * len(numbers):
        found, at = np.unique(numbers, return_inverse=True)
        return found, at.astype(np.int32)
    # Many matches of few players: a table of all there could be is quicker than sorting.
    there = np.zeros(limit, bool)
    there[numbers] = True
    return np.flatnonzero(there), (np.cumsum(there, dtype=np.int32) - 1)[numbers]


def _weights(played: Floats) -> Floats:
    """Of a match, by game, from how many matches each has."""
    weight = 1 / played
    # Σw is the number of games now, Σw² the sum of 1 / n; scaled so that Σw is (Σw)² / Σw².
    return weight * (len(played) / (1 / played).sum())


@dataclass(frozen=True, eq=False)
class Fit:
    """The most likely parameters under the prior."""

    parameters: Floats
    """Strengths of all players, then each game's seat term, then each game's log ν."""
    information: Floats
    """Minus the second derivatives there, prior included."""
    players: int
    games: int

    @property
    def strengths(self) -> Floats:
        """Log-odds, by player."""
        return self.parameters[: self.players]

    @property
    def seat(self) -> Floats:
        """Log-odds in favour of the first seat, by game."""
        return self.parameters[self.players : self.players + self.games]

    @property
    def draw(self) -> Floats:
        """log ν, by game: the log of how much likelier a draw is than a win among equals."""
        return self.parameters[self.players + self.games :]


def prior_sd(players: int, games: int) -> Floats:
    """Standard deviations of the prior, parameter by parameter."""
    return np.repeat([STRENGTH_SD, SEAT_SD, DRAW_SD], [players, games, games])


def fit(
    cells: Cells,
    counts: Floats,
    *,
    prior_mean: Floats | None = None,
    start: Floats | None = None,
    steps: int = MOST_STEPS,
    tolerance: float = 1e-9,
    sd: Floats | None = None,
) -> Fit:
    """The mode of the posterior, by Newton steps.

    Args:
        cells: What was played.
        counts: How it went, from `Cells.counts` or `Cells.resampled`.
        prior_mean: Centre of the prior; None: 0.
        start: Parameters to start from; None: 0.
        steps: Most steps.
        tolerance: A step smaller than this, in log-odds, is the last.
        sd: Standard deviations of the prior; None: `prior_sd`.
    """
    players, games = cells.players, cells.games
    size = players + 2 * games
    precision = (prior_sd(players, games) if sd is None else sd) ** -2
    mean = np.zeros(size) if prior_mean is None else prior_mean
    parameters = mean.copy() if start is None else start.copy()
    information = np.empty((size, size))
    for _ in range(steps):
        gradient, information = _derivatives(cells, counts, parameters)
        gradient -= precision * (parameters - mean)
        information[np.diag_indices(size)] += precision
        # Positive definite, by the prior.
        step = cho_solve(cho_factor(information, check_finite=False), gradient, check_finite=False)
        largest = float(np.abs(step).max())
        parameters = parameters + step * min(1.0, LONGEST_STEP / max(largest, 1e-300))
        if largest < tolerance:
            break
    return Fit(parameters, information, players, games)


def _derivatives(cells: Cells, counts: Floats, parameters: Floats) -> tuple[Floats, Floats]:
    """Gradient of the log-likelihood, and minus its second derivatives."""
    players, games = cells.players, cells.games
    game, first, second, seated = cells.game, cells.first, cells.second, cells.seated
    strengths, seat, draw = np.split(parameters, [players, players + games])
    # Newton's steps are bounded, so that no strength comes near where exp overflows (at 700).
    up = np.exp((strengths[first] - strengths[second] + seated * seat[game]) / 2)
    down, even = 1 / up, np.exp(draw)[game]
    odds = up + even + down
    # Probability of a draw, and half the difference of those of a win and a loss.
    drawn, mean = even / odds, (up - down) / (2 * odds)
    wins, draws, losses = counts
    total = wins + draws + losses
    expected = total * drawn
    slope = (wins - losses) / 2 - total * mean
    bend = total * ((1 - drawn) / 4 - mean**2)
    both = -expected * mean

    by_game = np.add.reduceat(
        [slope * seated, draws - expected, bend * seated, expected * (1 - drawn), both * seated],
        np.searchsorted(game, np.arange(games)),
        axis=1,
    )
    by_player = [(cells.sides @ values).reshape(players, games) for values in (slope, bend * seated, both)]
    gradient = np.concatenate([by_player[0].sum(axis=1), by_game[0], by_game[1]])
    size = players + 2 * games
    at = np.zeros((size, size))
    pairs = np.bincount(first * players + second, bend, players**2).reshape(players, players)
    pairs = pairs + pairs.T
    at[:players, :players] = -pairs
    np.fill_diagonal(at[:players, :players], pairs.sum(axis=1))
    at[:players, players:] = np.concatenate(by_player[1:], axis=1)
    at[players:, :players] = at[:players, players:].T
    seats, draws_at = np.arange(players, players + games), np.arange(players + games, size)
    at[seats, seats] = by_game[2]
    at[draws_at, draws_at] = by_game[3]
    at[seats, draws_at] = at[draws_at, seats] = by_game[4]
    return gradient, at
