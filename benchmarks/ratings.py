"""Speed of ratings: `OMP_NUM_THREADS=1 python benchmarks/ratings.py`.

100,000 matches among 100 players of two games: seconds of processor time for a fit, for 1,000 bootstrap rounds with
everything that `rate` returns, and for choosing the next 10 of all pairs, with ratios to the limits they are held to
(1 s, 10 s, 1 s). The best of `REPEATS` counts for the short ones, because other work on the machine can only slow them.
For comparison, choix (its iterative Luce spectral ranking, a Bradley–Terry fit without draws, seats and games) on the
same matches, drawn ones left out.
"""

import itertools
import time
from collections.abc import Callable

import choix
import numpy as np

from lmgame_leaderboards.ratings import DRAW, LOSS, WIN, Matches, next_pairs, rate
from lmgame_leaderboards.ratings.bradley_terry import Cells, Fit, fit

PLAYERS, MATCHES, REPEATS = 100, 100_000, 3


def arena(rng: np.random.Generator) -> Matches:
    """Pairs of random players in two games, seats swapped within a pair."""
    pairs = MATCHES // 2
    strengths = rng.normal(0.0, 1.0, PLAYERS)
    one = rng.integers(0, PLAYERS, pairs)
    other = (one + rng.integers(1, PLAYERS, pairs)) % PLAYERS
    first, second = np.concatenate([one, other]), np.concatenate([other, one])
    up = np.exp((strengths[first] - strengths[second] + 0.2) / 2)
    luck = rng.random(MATCHES) * (up + 0.4 + 1 / up)
    return Matches(
        players=tuple(f"p{number:02}" for number in range(PLAYERS)),
        games=("connect4/standard", "tetris-versus/standard"),
        game=np.tile(np.arange(pairs) % 2, 2).astype(np.int32),
        first=first.astype(np.int32),
        second=second.astype(np.int32),
        result=np.where(luck < up, WIN, np.where(luck < up + 0.4, DRAW, LOSS)),
        unit=np.tile(np.arange(pairs), 2).astype(np.int32),
        seated=np.ones(MATCHES, bool),
    )


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Processor time of the fastest of `repeats`."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Print seconds and ratios."""
    matches = arena(np.random.default_rng(0))

    def full_fit() -> Fit:
        cells = Cells.of(matches)
        return fit(cells, cells.counts())

    decided = matches.result != DRAW
    won = matches.result[decided] == WIN
    first, second = matches.first[decided], matches.second[decided]
    lists = np.stack([np.where(won, first, second), np.where(won, second, first)], axis=1).tolist()
    candidates = [(game, a, b) for game in matches.games for a, b in itertools.combinations(matches.players, 2)]
    peer = seconds(lambda: choix.ilsr_pairwise(PLAYERS, lists, alpha=1e-3), 1)
    fitted = seconds(full_fit, REPEATS)
    rounds = seconds(lambda: rate(matches, anchor=None, rounds=1000), 1)
    chosen = seconds(lambda: next_pairs(matches, candidates, 10), REPEATS)
    print(f"{MATCHES:,} matches among {PLAYERS} players, processor time")
    print(f"fit                      {fitted:8.3f} s   {fitted / 1:6.3f} x the limit   {fitted / peer:8.5f} x choix")
    print(f"1,000 bootstrap rounds   {rounds:8.3f} s   {rounds / 10:6.3f} x the limit")
    print(f"next 10 of {len(candidates):,} pairs   {chosen:8.3f} s   {chosen / 1:6.3f} x the limit")
    print(f"choix, one fit           {peer:8.3f} s")


if __name__ == "__main__":
    main()
