"""Speed of the results store against its own rows in bare sqlite3: `python benchmarks/store.py [GAMES]`.

Games of 500 players go into an empty store, once more into the full one, and come out again. The peer writes the same
rows by `executemany` in one transaction and fetches them as tuples; the store also identifies games, settles which one
stays, and makes objects of them. The last figure is what 100 more games cost beside 100 in an empty store, which is
what a run pays at its end. Where LMGAME_TEST_POSTGRES names a PostgreSQL (`.ci/postgres python benchmarks/store.py`),
an empty database on it is measured, too.
"""

import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lmgame_leaderboards import LatencySummary, PlayedGame, PlayedSeat, PlayerRecord, UsageTotals
from lmgame_leaderboards.store import Store

GAMES, PLAYERS, FEW = 100_000, 500, 100


def games(count: int, version: int = 1) -> list[PlayedGame]:
    """Every other one shared by two players; other ones for each version."""
    players = [PlayerRecord(model=f"model-{number}", sampling={"temperature": 0.5}) for number in range(PLAYERS)]
    usage, latency = UsageTotals(100_000, 50_000, 7_000, 3_000, 0.25), LatencySummary(0.5, 0.4, 0.9, 0.1, 0.02)

    def seat(number: int) -> PlayedSeat:
        verdicts = {"ok": number % 97, "illegal": number % 7}
        return PlayedSeat(players[number % PLAYERS], float(number), 104, "text", "aa", verdicts, 0, usage, latency)

    return [
        PlayedGame(
            game=("tetris", "connect4")[number % 2],
            preset="standard",
            version=version,
            seed=number // PLAYERS,
            seats=tuple(seat(number + other) for other in range(1 + number % 2)),
            outcome="over",
            finished=float(number),
            run=f"run-{version}",
            episode=f"game-{number}",
            source=f"/runs/run-{version}/{number}.jsonl",
        )
        for number in range(count)
    ]


def seconds(work: Callable[[], object]) -> float:
    """What one call takes, by the wall clock."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def bare(path: Path, folder: Path) -> tuple[float, float]:
    """Seconds to write the rows of a store's file into another, and to fetch them from there."""
    source, target = sqlite3.connect(path), sqlite3.connect(folder / "bare.sqlite")
    tables = {table: source.execute(f"SELECT * FROM {table}").fetchall() for table in ("players", "games", "seats")}
    for (made,) in source.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name != 'published'"):
        target.execute(made)

    def write() -> None:
        with target:
            for table, rows in tables.items():
                target.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)

    joined = "SELECT * FROM games JOIN seats ON game_key = key ORDER BY key, number"
    return seconds(write), seconds(lambda: target.execute(joined).fetchall())


def measure(name: str, url: str, played: Sequence[PlayedGame]) -> tuple[float, float]:
    """Print games a second, and return the seconds to put and to read them."""
    with Store.open(url) as store:
        store.put(games(FEW, 2))  # statements are compiled once
        first, second = games(FEW, 3), games(FEW, 4)
        few = seconds(lambda: store.put(first))
        put, again = seconds(lambda: store.put(played)), seconds(lambda: store.put(played))
        read = seconds(store.games)
        more = seconds(lambda: store.put(second))
    for what, took in (("put", put), ("put again", again), ("read", read)):
        print(f"{name:10} {what:10} {len(played) / took:9,.0f} games/s  {took:6.2f} s")
    print(f"{name:10} {FEW} more games in the full store: {more / few:.2f} x in the empty one")
    return put, read


def main() -> None:
    """Print games a second, and ratios."""
    played = games(int(sys.argv[1]) if len(sys.argv) > 1 else GAMES)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.sqlite"
        put, read = measure("SQLite", str(path), played)
        wrote, fetched = bare(path, Path(folder))
        print(f"{'SQLite':10} put {put / wrote:.1f} x, read {read / fetched:.1f} x the time of bare sqlite3")
    if url := os.environ.get("LMGAME_TEST_POSTGRES"):
        put, read = measure("PostgreSQL", url, played)
        print(f"{'PostgreSQL':10} put {put / wrote:.1f} x, read {read / fetched:.1f} x the time of bare sqlite3")


if __name__ == "__main__":
    main()
