"""Models of known strength behind real endpoints: an arena puts them in their order."""

from pathlib import Path

from lmgame import arena_async
from lmgame.standings import compare, leaderboard
from lmgame_serving.testing import StubServer

from .known_strength import answer


async def test_an_arena_over_four_games_finds_the_known_order(tmp_path: Path):
    store = tmp_path / "results.sqlite"
    async with (
        StubServer(answer, models=["expert"], vision=False) as strong,
        StubServer(answer, models=["club", "novice"], vision=False) as others,
    ):
        expert, club, novice = (
            f"{server.base_url}#{name}" for server, name in ((strong, "expert"), (others, "club"), (others, "novice"))
        )
        settings = {
            "games": ["tetris", "tetris-versus", "connect4", "tic-tac-toe"],
            "pairs": 4,
            "out": tmp_path / "arena",
            "db": str(store),
            "max_decisions": 60,
            "concurrency": 8,
        }
        first = await arena_async([expert, novice, "random"], **settings)
        assert first.complete and first.faults == 0
        asked = strong.count + others.count
        found = await arena_async([expert, club, novice, "random"], **settings)
        assert found.complete
        played = {id_ for id_, game in found.played.items() if any("club" in s.player.model for s in game.seats)}
        assert set(found.played) - played == set(first.played), "only the games of the new model were played"
        assert strong.count + others.count > asked
    names = [row.name for row in found.standings.rows]
    assert names.index("expert") < names.index("club") < names.index("novice")
    # The store has the same games, and so the same order.
    stored = leaderboard(db=str(store), rounds=100)
    assert [row.name for row in stored.rows if not row.baseline] == names
    by_game = {one.conditions.partition(" (")[0]: one for one in compare("expert", "novice", db=str(store))}
    assert set(by_game) == {"tetris/standard", "tetris-versus/standard", "connect4/standard", "tic-tac-toe/standard"}
    assert all(one.comparison.mean > 0 for one in by_game.values())
