"""Pages of boards are kept while nothing in them changes, and no longer."""

from pathlib import Path

from lmgame_leaderboards.web.addresses import board
from lmgame_leaderboards.web.folders import Shelf
from lmgame_leaderboards.web.ledger import Ledger, ledger_document
from lmgame_leaderboards.web.site import BOARDS, Site
from tests.leaderboards.played import make_game, make_player, make_seat

from .builders import FakeStage


def ledger_of(*names: str, clock: str = "paused", options: int = 1) -> Ledger:
    games = [
        make_game(0, (make_seat(make_player(name), float(at)),), options={"level": level}, clock=clock)
        for level in range(options)
        for at, name in enumerate(names)
    ]
    return Ledger.of(ledger_document(games, clock=clock, rounds=10))


def test_a_board_is_made_once_for_each_ledger(stage: FakeStage, tmp_path: Path):
    ledgers = {"paused": ledger_of("first", "second")}
    site = Site(Shelf([tmp_path]), stage, ledgers.get, live=True)
    before = site.get("index.html")
    assert site.get("index.html") is before and b"first" in before.body and b"third" not in before.body
    ledgers["paused"] = ledger_of("first", "third")
    after = site.get("index.html")
    assert b"third" in after.body and b"second" not in after.body
    assert b"real-time clock" not in after.body
    ledgers["realtime"] = ledger_of("first", "fourth", clock="realtime")
    assert b"real-time clock" in site.get("index.html").body, "the other clock's board is there now"
    site.close()


def test_pages_of_few_boards_are_kept(stage: FakeStage, tmp_path: Path):
    ledger = ledger_of("first", "second", options=BOARDS + 1)
    site = Site(Shelf([tmp_path]), stage, {"paused": ledger}.get, live=True)
    pages = {address: site.get(address).body for address in (board("paused", label) for label in ledger.boards)}
    assert len(pages) == BOARDS + 2 == len(set(pages.values()))
    assert {address: site.get(address).body for address in pages} == pages
    site.close()
