"""Speed of ratings: `OMP_NUM_THREADS=1 python benchmarks/ratings.py`.

100,000 matches among 100 players of two games: seconds of processor time for a fit, for 1,000 bootstrap rounds with
everything that `rate` returns, and for choosing the next 10 of all pairs, with ratios to the limits they are held to
(1 s, 10 s, 1 s). The best of `REPEATS` counts for the short ones, because other work on the machine can only slow them.
For comparison, choix (its iterative Luce spectral ranking, a Bradley–Terry fit without draws, seats and games) on the
same matches, drawn ones left out.

Then a large raced field: 500 players that all played the same 200 seeds of one game, which are 100,000 episodes and 25
million matches. Seconds for the standings as a whole, 1,000 bootstrap rounds included (limit: 100 s).
"""

import itertools
import time
from collections.abc import Callable

import choix
import numpy as np

from lmgame_leaderboards.played import PlayedGame, PlayedSeat
from lmgame_leaderboards.ratings import DRAW, LOSS, WIN, Matches, next_pairs, rate
from lmgame_leaderboards.ratings.bradley_terry import Cells, Fit, fit
from lmgame_leaderboards.schema import PlayerRecord
from lmgame_leaderboards.standings import standings_of

PLAYERS, MATCHES, REPEATS = 100, 100_000, 3
RACERS, SEEDS = 500, 200


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


def race(rng: np.random.Generator) -> list[PlayedGame]:
    """Everybody's episode on every seed: whole scores of ability, the seed's own difficulty and luck."""
    players = [PlayerRecord(model=f"m{number:03}") for number in range(RACERS)]
    ability, difficulty = rng.normal(0.0, 1.0, RACERS), rng.normal(0.0, 1.0, (SEEDS, 1))
    scores = np.round(2 * (ability + difficulty + rng.gumbel(0.0, 1.0, (SEEDS, RACERS))))
    return [
        PlayedGame(
            game="tetris",
            preset="standard",
            version=1,
            seed=seed,
            seats=(PlayedSeat(player=player, score=float(score), decisions=1),),
            outcome="over",
            finished=0.0,
            run="race",
            episode=f"{seed}-{player.model}",
        )
        for seed, row in enumerate(scores)
        for player, score in zip(players, row, strict=True)
    ]


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
    games = race(np.random.default_rng(0))
    raced = seconds(lambda: standings_of(games, rounds=1000), 1)
    print(f"{len(games):,} episodes of {RACERS} players on the same {SEEDS} seeds, processor time")
    print(f"standings, 1,000 rounds  {raced:8.3f} s   {raced / 100:6.3f} x the limit")


if __name__ == "__main__":
    main()
