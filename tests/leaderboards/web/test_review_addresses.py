"""Games of others may be called like ours, and like our pages."""

from lmgame_leaderboards.web import addresses

LABELS = ["tetris-versus/standard", "tetris/versus-standard", "realtime/standard", "realtime-chess/standard"]
LABELS += ["chess/standard", "realtime/chess-standard", "realtime", "standard", "realtime (observation text)"]


def test_pages_of_games_are_told_apart_under_both_clocks():
    found = [addresses.board(clock, label) for clock in ("paused", "realtime") for label in ["", *LABELS]]
    assert len(set(found)) == len(found)
    assert all(name.startswith("boards/realtime") == (at > len(LABELS)) for at, name in enumerate(found))
