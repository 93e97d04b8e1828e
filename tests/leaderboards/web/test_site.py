"""What pages say of what there is; and those of boards are kept while nothing in them changes, and no longer."""

from contextlib import closing
from pathlib import Path

import pytest

from lmgame_leaderboards import PlayerRecord
from lmgame_leaderboards.web.addresses import board
from lmgame_leaderboards.web.folders import Shelf
from lmgame_leaderboards.web.ledger import Ledger, ledger_document
from lmgame_leaderboards.web.site import BOARDS, Site
from tests.leaderboards.played import make_game, make_player, make_seat

from .builders import FakeStage, seats_of, write_arena, write_record, write_run


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


@pytest.mark.parametrize(
    ("runs", "arenas", "told"),
    [
        (1, 0, "1 run."),
        (0, 1, "1 arena."),
        (1, 1, "1 run, 1 arena; the newest first."),
        (2, 0, "2 runs; the newest first."),
        (3, 2, "3 runs, 2 arenas; the newest first."),
    ],
)
def test_runs_and_arenas_are_counted(runs: int, arenas: int, told: str, stage: FakeStage, tmp_path: Path):
    for at in range(runs):
        write_run(tmp_path / f"run-{at}", [1])
    for at in range(arenas):
        write_arena(tmp_path / f"arena-{at}", seeds=0)
    with closing(Site(Shelf([tmp_path]), stage, {}.get, live=True)) as site:
        assert f'<p class="lead">{told}</p>' in site.get("runs.html").body.decode()


@pytest.mark.parametrize(
    ("observations", "told"),
    [
        (["text"], "text"),
        ([None], "the game itself"),
        (["text", "text"], "text"),
        (["text", "image"], "stub (1): text, stub (2): image"),
        (["text", None], "stub (1): text, stub (2): the game itself"),
    ],
)
def test_what_players_are_shown_is_told_once(
    observations: list[str | None], told: str, stage: FakeStage, tmp_path: Path
):
    run = write_run(tmp_path / "run", [])
    seats = seats_of(*[PlayerRecord(model="stub") for _ in observations])
    for seat, observation in zip(seats, observations, strict=True):
        seat["observation"] = observation
    header = {"seats": seats} if len(seats) > 1 else {"observation": observations[0]}
    write_record(run / "episodes" / "one.jsonl", 2, header=header)
    with closing(Site(Shelf([tmp_path]), stage, {}.get, live=True)) as site:
        (folder,) = site.shelf.folders()
        assert f"<dt>Shown to the model</dt><dd>{told}</dd>" in site.get(f"runs/{folder.id}/one.html").body.decode()


@pytest.mark.parametrize("live", [True, False])
def test_where_there_are_no_standings_the_page_says_when_there_will_be(live: bool, stage: FakeStage, tmp_path: Path):
    ledger = Ledger.of(ledger_document([], clock="paused", rounds=10))
    with closing(Site(Shelf([tmp_path]), stage, {"paused": ledger}.get, live=live)) as site:
        text = site.get("index.html").body.decode()
    assert "when their run or arena has ended or was stopped" in text
    assert ('<a href="runs.html">runs that are going on</a>' in text) == live
