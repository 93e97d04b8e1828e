"""Do the intervals of ratings hold what they say? `python benchmarks/ratings_coverage.py [--arenas 2000]`.

Simulates arenas whose truth is known and counts how often the 95 % interval of a difference of two ratings holds it.
Each arena is of its own size (`SIZES`): 4 to 8 players, the last of which is a copy of the first; from 3 to 30 pairs of
matches between any two, seats swapped within a pair; one to three games, each with its own seat advantage, share of
draws and number of pairs. In every match win, draw and loss have the probabilities of the model that is fitted; the two
matches of a pair depend on each other (a Gaussian copula with a correlation of the arena's own), because they share a
seed. Strengths are spread by 87, 261 or 521 Elo points; with the widest spread, every second arena or so has players
that won or lost everything.

In raced arenas there are no matches to draw: each player has one noisy score a seed, and all matches on a seed come
from these. The truth is the strength that a fit to very many seeds of the same arena finds.

Exits with 1 if the 99.9 % Monte Carlo interval of the mean coverage lies outside of 94 to 96 %, or that of the share of
mirror pairs (player and copy) that are called different lies above 5 %. Arenas are the unit of these intervals.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from lmgame_leaderboards.ratings import DRAW, LOSS, WIN, Matches, Ratings, rate
from lmgame_leaderboards.ratings.bradley_terry import ELO, Cells, fit

SPREADS = (0.5, 1.5, 3.0)
"""Standard deviations of true strengths, in log-odds."""
PAIRS = (3, 5, 10, 20, 30)
"""Pairs of matches between any two players, in the first game; the others have half or twice as many."""
ROUNDS = 200
"""Bootstrap rounds of an arena: enough for a standard error that is off by a twentieth."""
LOW, HIGH = 0.94, 0.96
Z = float(ndtri(0.9995))
"""Of a two-sided 99.9 % interval."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One arena: how many intervals of which kind held the truth."""

    spread: float
    pairs: int
    held: int
    of: int
    one_sided_held: int
    one_sided: int
    ranks_held: int
    """Rank ranges that hold the true rank, of players (the copy, whose rank is shared, is left out)."""
    players: int
    mirror_called: bool
    """Whether player and copy were called different."""


def seated_arena(rng: np.random.Generator, spread: float, pairs: int) -> tuple[Matches, np.ndarray]:
    """A round robin in shared games with swapped seats, and the true strengths."""
    players = int(rng.integers(4, 9))
    strengths = rng.normal(0.0, spread, players)
    strengths[-1] = strengths[0]
    one, other = np.triu_indices(players, 1)
    correlation = float(rng.uniform(-0.6, 0.6))
    parts: list[tuple[np.ndarray, ...]] = []
    units = 0
    for game in range(int(rng.integers(1, 4))):
        seat, log_ratio = float(rng.normal(0.0, 0.3)), float(rng.normal(-1.0, 1.0))
        count = pairs if game == 0 else max(2, int(pairs * rng.choice([0.5, 1.0, 2.0])))
        first, second = np.repeat(one, count), np.repeat(other, count)
        unit = units + np.arange(len(first))
        units += len(first)
        # A pair's two latent draws, of which the second counts for the player that then sits second.
        latent = rng.multivariate_normal(np.zeros(2), [[1.0, correlation], [correlation, 1.0]], len(first))
        ways = ((first, second, latent[:, 0]), (second, first, -latent[:, 1]))
        for player, opponent, luck in ways:
            result = _results(strengths[player] - strengths[opponent] + seat, log_ratio, luck)
            parts.append((np.full(len(first), game), player, opponent, result, unit))
    game, player, opponent, result, unit = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _matches(players, game, player, opponent, result, unit, seated=True), strengths


def _results(lead: np.ndarray, log_ratio: float, luck: np.ndarray) -> np.ndarray:
    """Results of the first by the model; the higher the luck (standard normal), the better."""
    odds = np.stack([np.exp(-lead / 2), np.full(len(lead), np.exp(log_ratio)), np.exp(lead / 2)])
    lost, drawn, _ = np.cumsum(odds / odds.sum(axis=0), axis=0)
    below = ndtri(np.clip([lost, drawn], 1e-15, 1 - 1e-15))
    return np.where(luck < below[0], LOSS, np.where(luck < below[1], DRAW, WIN))


def raced_arena(rng: np.random.Generator, players: int, spread: float, seeds: int) -> tuple[Matches, np.ndarray]:
    """One score a player and seed, all of which meet; the truth comes from 20,000 further seeds of the same arena."""
    ability = rng.normal(0.0, spread, players)
    ability[-1] = ability[0]
    matches = _race(rng, ability, seeds)
    truth = _race(rng, ability, 20_000)
    cells = Cells.of(truth)
    strengths = fit(cells, cells.counts()).strengths
    strengths[[0, -1]] = strengths[[0, -1]].mean()
    return matches, strengths


def _race(rng: np.random.Generator, ability: np.ndarray, seeds: int) -> Matches:
    """Whole scores of ability, the seed's own difficulty and luck; equal ones are draws."""
    scores = np.round(2 * (ability + rng.gumbel(0.0, 1.0, (seeds, len(ability))) + rng.normal(0.0, 1.0, (seeds, 1))))
    one, other = np.triu_indices(len(ability), 1)
    gap = scores[:, one] - scores[:, other]
    result = np.where(gap > 0, WIN, np.where(gap < 0, LOSS, DRAW)).ravel()
    unit = np.repeat(np.arange(seeds), len(one))
    first, second = np.tile(one, seeds), np.tile(other, seeds)
    return _matches(len(ability), np.zeros(len(first)), first, second, result, unit, seated=False)


def _matches(
    players: int,
    game: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    result: np.ndarray,
    unit: np.ndarray,
    *,
    seated: bool,
) -> Matches:
    return Matches(
        players=tuple(f"p{number}" for number in range(players)),
        games=tuple(f"g{number}" for number in range(int(game.max()) + 1)),
        game=game.astype(np.int32),
        first=first.astype(np.int32),
        second=second.astype(np.int32),
        result=result.astype(float),
        unit=unit.astype(np.int32),
        seated=np.full(len(game), seated),
    )


def check(ratings: Ratings, strengths: np.ndarray, spread: float, pairs: int) -> Outcome:
    """Count what holds the truth."""
    held = of = one_sided_held = one_sided = 0
    players = len(strengths)
    mirror_called = False
    for a in range(players):
        for b in range(a + 1, players):
            _, (low, high) = ratings.contrast(f"p{a}", f"p{b}")
            truth = ELO * (strengths[a] - strengths[b])
            inside = (low is None or low <= truth) and (high is None or truth <= high)
            held, of = held + inside, of + 1
            if low is None or high is None:
                one_sided_held, one_sided = one_sided_held + inside, one_sided + 1
            if (a, b) == (0, players - 1):
                mirror_called = not inside
    ranks_held = 0
    for row in ratings.rows:
        number = int(row.player[1:])
        assert row.rank is not None
        if 0 < number < players - 1:
            true_rank = 1 + int((strengths > strengths[number]).sum())
            ranks_held += row.rank[0] <= true_rank <= row.rank[1]
    return Outcome(spread, pairs, held, of, one_sided_held, one_sided, ranks_held, players - 2, mirror_called)


def seated_outcome(number: int, rounds: int = ROUNDS) -> Outcome:
    """The arena of this number; sizes and spreads take turns."""
    spread, pairs = SPREADS[number % len(SPREADS)], PAIRS[number // len(SPREADS) % len(PAIRS)]
    rng = np.random.default_rng([2026, number])
    matches, strengths = seated_arena(rng, spread, pairs)
    return check(rate(matches, anchor=None, rounds=rounds, seed=number), strengths, spread, pairs)


RACED_SEEDS = (5, 10, 20, 50)


def raced_outcome(number: int, rounds: int = ROUNDS) -> Outcome:
    """The raced arena of this number."""
    spread, seeds = SPREADS[number % 2], RACED_SEEDS[number // 2 % len(RACED_SEEDS)]
    rng = np.random.default_rng([1952, number])
    matches, strengths = raced_arena(rng, int(rng.integers(4, 9)), spread, seeds)
    return check(rate(matches, anchor=None, rounds=rounds, seed=number), strengths, spread, seeds)


def share(outcomes: Sequence[Outcome], held: str, of: str) -> tuple[float, float]:
    """Mean of the arenas' shares, and half the width of its 99.9 % Monte Carlo interval."""
    shares = np.array([getattr(o, held) / getattr(o, of) for o in outcomes if getattr(o, of)])
    if len(shares) < 2:
        return float("nan"), float("nan")
    return float(shares.mean()), Z * float(shares.std(ddof=1)) / len(shares) ** 0.5


def called(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """Share of mirror pairs called different, and half the width of its 99.9 % Monte Carlo interval."""
    shares = np.array([float(o.mirror_called) for o in outcomes])
    return float(shares.mean()), Z * float(shares.std(ddof=1)) / len(shares) ** 0.5


def holds(outcomes: Sequence[Outcome]) -> bool:
    """Whether the checks hold, as far as so many arenas can tell."""
    (mean, half), (mirror, mirror_half) = share(outcomes, "held", "of"), called(outcomes)
    return mean + half >= LOW and mean - half <= HIGH and mirror - mirror_half <= 0.05


def report(title: str, outcomes: Sequence[Outcome]) -> None:
    """Print shares by spread and size."""
    print(f"{title}: {len(outcomes):,} arenas")

    def line(name: str, some: Sequence[Outcome]) -> None:
        (mean, half), (mirror, mirror_half) = share(some, "held", "of"), called(some)
        one, ranks = share(some, "one_sided_held", "one_sided"), share(some, "ranks_held", "players")
        sided = sum(o.one_sided for o in some) / sum(o.of for o in some)
        print(
            f"  {name:14} contrasts {100 * mean:5.2f} ± {100 * half:.2f} %   one-sided {100 * one[0]:5.1f} % "
            f"({100 * sided:2.0f} % of all)   ranks {100 * ranks[0]:5.1f} %   "
            f"mirror called different {100 * mirror:4.2f} ± {100 * mirror_half:.2f} %"
        )

    for spread in sorted({o.spread for o in outcomes}):
        line(f"spread {ELO * spread:.0f}", [o for o in outcomes if o.spread == spread])
    for pairs in sorted({o.pairs for o in outcomes}):
        line(f"size {pairs}", [o for o in outcomes if o.pairs == pairs])
    line("all", outcomes)


def main() -> None:
    """Simulate, print, and exit with 1 where a check fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--arenas", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    with ProcessPoolExecutor(asked.processes) as pool:
        seated = list(pool.map(seated_outcome, range(asked.arenas), chunksize=10))
        raced = list(pool.map(raced_outcome, range(asked.arenas), chunksize=10))
    report("Shared games, seats swapped", seated)
    report("Raced games, one score a player and seed", raced)
    held = holds(seated) and holds(raced)
    print("the checks hold" if held else "A CHECK FAILS")
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
