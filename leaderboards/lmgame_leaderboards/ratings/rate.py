"""Ratings with intervals and rank ranges, from matches.

Intervals come from a bootstrap over units of matches that belong together (`Match.unit`), within each game: each round
draws as many units as there are, with replacement, and fits anew. Each round also draws the centre of the prior from
the prior itself; then the spread of the refits holds the prior's share of the uncertainty too (randomize-then-optimize:
Bardsley et al., SIAM Journal on Scientific Computing 36, 2014), and a player that always wins doesn't get an interval
without width. An interval is the estimate ± z standard errors, the bootstrap's standard deviation; percentiles of the
same refits cover less than they say.

Where results set no limit to a difference on one side (`graph.ahead`), that end is open, None, and the other one is
one-sided at the same confidence. No resampling of such results can contain an upset, and so the bootstrap says too
little of them: their standard error is at least the curvature's, from the inverse of the posterior's information. Two
players are then told apart by six wins to none, as by the sign test, and not by five. The same standard error holds in
games of fewer than `FEW_UNITS` units.

Measured (`benchmarks/ratings_coverage.py`, 2,000 simulated arenas of each sort, 4 to 8 players; ± is the 99.9 % Monte
Carlo interval):

                                       95 % intervals of   player and its copy    rank ranges with
                                       differences hold    called different       the true rank
    shared games, seats swapped        94.7 ± 0.7 %        5.0 ± 1.6 %            99.5 %
    raced, one score a player and seed 94.9 ± 0.7 %        4.9 ± 1.6 %            98.9 %

Weakest where strengths are spread by 521 Elo points: 93.8 ± 1.5 %, because the prior pulls in leads beyond 1,200 points
(87 % held, in 300 such arenas). The 2 % of intervals in raced arenas that are open on one side hold 80 %: that somebody
won everything is itself partly luck, and the lead is then often overrated.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from lmgame_leaderboards.ratings.bradley_terry import ELO, Cells, Fit, Floats, fit, prior_sd
from lmgame_leaderboards.ratings.graph import ahead, check_connected
from lmgame_leaderboards.ratings.matches import Matches

type Interval = tuple[float | None, float | None]
"""Both ends; None where the results set no limit."""

ROUNDS = 1000
ROUND_STEPS, ROUND_TOLERANCE = 8, 0.03
"""Newton steps of a bootstrap round, which starts at the full fit. What is left after a step goes with its square:
after one of 0.03 about a thousandth of log-odds, 0.17 Elo points."""
BATCH, BATCH_NUMBERS = 32, 8_000_000
"""Bootstrap rounds whose matches are counted at once, and how many numbers the largest array of them may have. (With
30 MiB it is one of those whose size glibc takes as a measure for what it keeps instead of giving it back to the system;
fits of large fields take twice the time where their arrays are new memory.)"""
FEW_UNITS = 10
"""With fewer units than this in a game the bootstrap hardly varies."""


@dataclass(frozen=True, slots=True)
class Rating:
    """One player's rating, in Elo points: 400 are odds of ten to one."""

    player: str
    value: float
    """Above the anchor, or above the mean of all players."""
    interval: Interval
    rank: tuple[int, int] | None
    """Best and worst rank that the results allow; None for a player that is not ranked."""
    wins: int
    draws: int
    losses: int

    @property
    def n(self) -> int:
        """Matches played."""
        return self.wins + self.draws + self.losses


@dataclass(frozen=True, slots=True)
class Term:
    """One of a game's own parameters."""

    value: float
    interval: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings of all players, and what they rest on."""

    rows: list[Rating]
    """Best first."""
    players: tuple[str, ...]
    """In the order of `rows`, and of all arrays here."""
    games: tuple[str, ...]
    anchor: str | None
    """The player whose rating is 0; None where the mean is."""
    seat: dict[str, Term]
    """By game with seats: Elo points that the first seat is worth."""
    draw: dict[str, Term]
    """By game in which something was drawn: draws expected in 100 matches among equals."""
    matrix: Floats
    """Share of points that the row's player took from the column's, (players, players); nan where they never met."""
    met: NDArray[np.int64]
    """How often they met."""
    standard_errors: Floats
    """Of all differences, in Elo points, (players, players)."""
    open_above: NDArray[np.bool_]
    """Whether the results set no upper limit to the row's lead over the column's, (players, players)."""
    confidence: float
    warnings: list[str] = field(default_factory=list)

    def contrast(self, first: str, second: str) -> tuple[float, Interval]:
        """How many Elo points the first is above the second, with interval. Raises ValueError for unknown names."""
        for name in (first, second):
            if name not in self.players:
                raise ValueError(f"no player {name!r} is rated; there are {', '.join(self.players)}")
        one, other = self.players.index(first), self.players.index(second)
        value = self.rows[one].value - self.rows[other].value
        open_ends = bool(self.open_above[one, other]), bool(self.open_above[other, one])
        return value, _interval(value, float(self.standard_errors[one, other]), *open_ends, self.confidence)


def rate(
    matches: Matches,
    *,
    anchor: str | None = "random",
    rounds: int = ROUNDS,
    seed: int = 0,
    confidence: float = 0.95,
    unranked: frozenset[str] = frozenset(),
) -> Ratings:
    """Rate players by their matches: one game's, or several games' together, each of which then weighs the same.

    Args:
        matches: At least one. Their order doesn't matter.
        anchor: The player whose rating is 0, if it is among them; else the mean is.
        rounds: Bootstrap rounds, at least 2.
        seed: Of the bootstrap.
        confidence: Of all intervals and rank ranges.
        unranked: Players that are rated and not ranked, such as those trained on the games.

    Raises:
        NotConnectedError: If matches don't connect all players, naming the missing ones.
        ValueError: Without matches, and for fewer than two rounds.
    """
    if not len(matches.game):
        raise ValueError("no matches: ratings need at least one")
    if rounds < 2:
        raise ValueError(f"rounds must be at least 2, and is {rounds}")
    check_connected(matches)
    cells = Cells.of(matches)
    best = fit(cells, cells.counts())
    refits = _bootstrap(cells, best, rounds, np.random.default_rng(seed))
    open_above = ahead(matches)
    open_above &= ~open_above.T
    ratings, warnings = _Assembly(matches, cells, best, refits, open_above, confidence), []
    if open_above.any():
        warnings.append(_warning(matches.players, open_above))
    return ratings.assemble(anchor if anchor in matches.players else None, unranked, warnings)


def _bootstrap(cells: Cells, best: Fit, rounds: int, rng: np.random.Generator) -> Floats:
    """Parameters fitted to resampled units, (rounds, parameters)."""
    sizes = np.bincount(cells.units, minlength=cells.games)
    by_game = np.argsort(cells.units, kind="stable")
    sd = prior_sd(best.players, best.games)
    refits = np.empty((rounds, len(sd)))
    # Matches are counted for several rounds at once, as many as there is room for.
    batch = max(1, min(BATCH, BATCH_NUMBERS // max(cells.results.size, len(cells.units))))
    for start in range(0, rounds, batch):
        numbers = range(start, min(start + batch, rounds))
        times, centres = np.empty((len(numbers), len(cells.units))), np.empty((len(numbers), len(sd)))
        for own, centre in zip(times, centres, strict=True):
            own[by_game] = np.concatenate([np.bincount(rng.integers(0, size, size), minlength=size) for size in sizes])
            centre[:] = rng.normal(0.0, sd)
        for number, centre, counts in zip(numbers, centres, cells.resampled(times), strict=True):
            refits[number] = fit(
                cells,
                counts,
                prior_mean=centre,
                start=best.parameters,
                steps=ROUND_STEPS,
                tolerance=ROUND_TOLERANCE,
            ).parameters
    return refits


@dataclass(frozen=True, eq=False)
class _Assembly:
    """Everything known, in the matches' order of players, on its way to `Ratings`."""

    matches: Matches
    cells: Cells
    best: Fit
    refits: Floats
    open_above: NDArray[np.bool_]
    confidence: float

    def assemble(self, anchor: str | None, unranked: frozenset[str], warnings: list[str]) -> Ratings:
        players = self.matches.players
        at = None if anchor is None else players.index(anchor)
        strengths = self.best.strengths
        values = ELO * (strengths - (strengths.mean() if at is None else strengths[at]))
        errors = self._errors()
        order = sorted(range(len(players)), key=lambda player: (-values[player], players[player]))
        intervals = self._intervals(values, errors, at)
        ranks = self._ranks(values, errors, unranked)
        counts = self._counts()
        points, met = self._matrix()
        rows = [
            Rating(players[p], float(values[p]), intervals[p], ranks.get(p), *(int(count) for count in counts[:, p]))
            for p in order
        ]
        chosen = np.ix_(order, order)
        return Ratings(
            rows=rows,
            players=tuple(players[p] for p in order),
            games=self.matches.games,
            anchor=anchor,
            seat=self._seat(),
            draw=self._draw(),
            matrix=points[chosen],
            met=met[chosen],
            standard_errors=errors[chosen],
            open_above=self.open_above[chosen],
            confidence=self.confidence,
            warnings=warnings,
        )

    def _errors(self) -> Floats:
        """Standard errors of all differences of strengths, in Elo points."""
        count = self.best.players
        variances = _differences(np.cov(self.refits[:, :count], rowvar=False))
        curvature = _differences(np.linalg.inv(self.best.information)[:count, :count])
        stiff = self.open_above | self.open_above.T | (np.bincount(self.cells.units).min() < FEW_UNITS)
        variances = np.where(stiff, np.maximum(variances, curvature), variances)
        return ELO * np.sqrt(variances)

    def _intervals(self, values: Floats, errors: Floats, anchor: int | None) -> list[Interval]:
        count = len(values)
        if anchor is not None:
            return [
                _interval(
                    values[p],
                    errors[p, anchor],
                    bool(self.open_above[p, anchor]),
                    bool(self.open_above[anchor, p]),
                    self.confidence,
                )
                for p in range(count)
            ]
        # Of a centred value, from the variances of differences: var(v_p - v̄) = mean_q d_pq - mean_pq d_pq / 2.
        differences = errors**2
        spread = np.sqrt(np.maximum(differences.mean(axis=1) - differences.mean() / 2, 0.0))
        leads, trails = np.asarray(self.open_above.any(axis=1)), np.asarray(self.open_above.any(axis=0))
        # Who has somebody out of reach above and somebody below is held on both sides, as far as the prior tells.
        return [
            _interval(
                values[p],
                spread[p],
                bool(leads[p] and not trails[p]),
                bool(trails[p] and not leads[p]),
                self.confidence,
            )
            for p in range(count)
        ]

    def _ranks(self, values: Floats, errors: Floats, unranked: frozenset[str]) -> dict[int, tuple[int, int]]:
        """Best and worst rank by player: who is surely above, and who is surely below."""
        ranked = [p for p, name in enumerate(self.matches.players) if name not in unranked]
        chosen = np.ix_(ranked, ranked)
        lead = values[ranked][:, None] - values[ranked][None, :]
        one_sided = (self.open_above | self.open_above.T)[chosen]
        reach = np.where(one_sided, _quantile(self.confidence, 1), _quantile(self.confidence, 2)) * errors[chosen]
        # Ahead for sure: the lower end of the lead lies above 0, and there is a lower end.
        surely = (lead - reach > 0) & ~self.open_above.T[chosen]
        np.fill_diagonal(surely, False)
        above, below = surely.sum(axis=0), surely.sum(axis=1)
        return {p: (1 + int(above[i]), len(ranked) - int(below[i])) for i, p in enumerate(ranked)}

    def _counts(self) -> NDArray[np.int64]:
        """Wins, draws and losses by player, (3, players)."""
        cells = self.cells
        own = [np.bincount(cells.first, counts, cells.players) for counts in cells.results]
        theirs = [np.bincount(cells.second, counts, cells.players) for counts in cells.results[::-1]]
        return (np.stack(own) + np.stack(theirs)).astype(np.int64)

    def _matrix(self) -> tuple[Floats, NDArray[np.int64]]:
        cells, count = self.cells, self.cells.players
        wins, draws, losses = cells.results

        def summed(own: Floats, theirs: Floats) -> Floats:
            there, back = cells.first * count + cells.second, cells.second * count + cells.first
            return (np.bincount(there, own, count**2) + np.bincount(back, theirs, count**2)).reshape(count, count)

        played = wins + draws + losses
        points, met = summed(wins + draws / 2, losses + draws / 2), summed(played, played)
        with np.errstate(invalid="ignore", divide="ignore"):
            return points / met, met.astype(np.int64)

    def _seat(self) -> dict[str, Term]:
        seated = np.bincount(self.cells.game, self.cells.seated, self.cells.games) > 0
        start = self.best.players
        return {
            game: _term(ELO * self.best.seat[g], ELO * self.refits[:, start + g], self.confidence)
            for g, game in enumerate(self.matches.games)
            if seated[g]
        }

    def _draw(self) -> dict[str, Term]:
        drawn = np.bincount(self.cells.game, self.cells.results[1], self.cells.games) > 0
        start = self.best.players + self.best.games
        terms = {}
        for g, game in enumerate(self.matches.games):
            if drawn[g]:
                term = _term(self.best.draw[g], self.refits[:, start + g], self.confidence)
                value, low, high = (100 * float(_drawn(log)) for log in (term.value, *term.interval))
                terms[game] = Term(value, (low, high))
        return terms


def _drawn(log_ratio: float) -> float:
    """Share of draws among equals without seats: ν / (2 + ν)."""
    return 1 / (1 + 2 * np.exp(-log_ratio))


def _differences(covariance: Floats) -> Floats:
    """Variances of all differences."""
    variances = np.diag(covariance)
    return np.maximum(variances[:, None] + variances[None, :] - 2 * covariance, 0.0)


def _quantile(confidence: float, sides: int) -> float:
    return float(ndtri(1 - (1 - confidence) / sides))


def _interval(value: float, error: float, open_above: bool, open_below: bool, confidence: float) -> Interval:
    half = _quantile(confidence, 1 if open_above or open_below else 2) * error
    return None if open_below else float(value - half), None if open_above else float(value + half)


def _term(value: float, refits: Floats, confidence: float) -> Term:
    half = _quantile(confidence, 2) * float(refits.std(ddof=1))
    return Term(float(value), (float(value - half), float(value + half)))


def _warning(players: tuple[str, ...], open_above: NDArray[np.bool_]) -> str:
    """Which players some others never took a point from, the most telling ones first."""
    leads = open_above.sum(axis=1)
    top = [players[p] for p in np.argsort(-leads, kind="stable") if leads[p]][:3]
    named = ", ".join(top)
    return (
        f"The results set no upper limit to some leads (of {named}{' and others' if (leads > 0).sum() > 3 else ''}): "
        "nobody below ever took a point from above. Those intervals are one-sided; how far apart these players are "
        "rests on the prior."
    )
