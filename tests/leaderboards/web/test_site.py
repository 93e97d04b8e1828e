"""What pages say of what there is; and those of boards are kept while nothing in them changes, and no longer."""

import re
from contextlib import closing
from pathlib import Path

import pytest

from lmgame_leaderboards import PlayerRecord, RunFolder
from lmgame_leaderboards.web.addresses import board
from lmgame_leaderboards.web.folders import Folder, Shelf
from lmgame_leaderboards.web.ledger import Ledger, ledger_document
from lmgame_leaderboards.web.pages.model import score_words, versus_page
from lmgame_leaderboards.web.pages.runs import folder_page, record_row
from lmgame_leaderboards.web.render import Pages
from lmgame_leaderboards.web.site import BOARDS, Site
from lmgame_leaderboards.web.sums import RecordSum, Sums
from tests.leaderboards.conftest import make_run
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


def test_a_board_has_a_column_of_scores_with_as_many_digits_and_says_what_they_count(stage: FakeStage, tmp_path: Path):
    games = [
        make_game(seed, (make_seat(make_player(name), score),), options={})
        for name, own in {"a": (553.0, 554.0), "b": (75.3, 76.04), "c": (66.0, 66.0)}.items()
        for seed, score in enumerate(own)
    ]
    ledger = Ledger.of(ledger_document(games, rounds=10))
    site = Site(Shelf([tmp_path]), stage, {"paused": ledger}.get, live=True)
    page = site.get("index.html").body.decode()
    means = re.findall(r'data-value="[^"]+">([−0-9.,]+)</td><td class="plain"><svg', page)
    assert means[1::2] == ["553.5", "75.7", "66.0"], "every second one is a rating"
    assert "Score: points</p>" in page and 'title="points">Mean score' in page
    site.close()


def test_what_is_not_known_sorts_as_nothing(stage: FakeStage, tmp_path: Path):
    games = [make_game(0, (make_seat(make_player(name), float(at)),), options={}) for at, name in enumerate("abc")]
    ledger = Ledger.of(ledger_document(games, rounds=10))
    for row in ledger.boards["tetris/standard"]["rows"]:
        if row["name"] == "a":
            row.update(rank=None, tokens_per_game=None, cost_per_game=None, latency_median=None)
    site = Site(Shelf([tmp_path]), stage, {"paused": ledger}.get, live=True)
    page = site.get("index.html").body.decode()
    assert page.count('data-value="">–<') == 4
    assert page.count("Not drawn, since nothing is known of it: a.") == 3
    site.close()


def test_scores_are_told_in_words_where_a_sheet_says_them(stage: FakeStage, tmp_path: Path):
    played = {"game": "tetris", "preset": "standard", "version": 1, "options": {}}
    assert score_words(stage.sheets(), played) == "points"
    assert score_words(stage.sheets(), {**played, "version": 2}) == score_words([], played) == ""
    assert score_words(stage.sheets(), {**played, "options": {"score": "other"}}) == ""
    ledger = ledger_of("a", "b")
    one, other = ledger.players
    versus = versus_page(ledger, one, other, Shelf([tmp_path]), stage.sheets())
    assert "Score: points</p>" in Pages(live=True).page("versus.html", "versus/x.html", versus).decode()


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ((), "–"),
        ((3740.0,), "3,740"),
        ((2.5,), "2.50"),
        ((1.0, 0.0), "1 : 0"),
        ((0.5, 0.5), "½ : ½"),
        ((-108.0, 108.0), "−108.00 : 108.00"),
        ((-1004.77, 1004.77), "−1,004.77 : 1,004.77"),
    ],
)
def test_scores_by_seat_have_as_many_digits(tmp_path: Path, scores: tuple[float, ...], told: str):
    assert record_row(Folder("x", tmp_path, True), RecordSum("x", scores=scores))["score"] == told


def test_a_run_says_who_was_trained_on_its_game(stage: FakeStage, tmp_path: Path):
    known = {"n": 2000, "mean": 11.5, "sd": 1.0, "ci95": (10.25, 12.0)}
    baselines = {"tetris/standard": {"pico": {**known, "reference": True}, "random": known}}
    with RunFolder.open(tmp_path / "run", make_run(baselines=baselines)) as run:
        write_record(run.episode_path("tetris-standard-0"), 3)
    folder = Folder("x", tmp_path / "run", False)
    context = folder_page(folder, Sums(), 1, stage.sheets())
    page = Pages(live=True).page("folder.html", "runs/x/index.html", context).decode()
    badges = re.findall(r'<th scope="row">(\w+) <span class="badge"[^>]*>(\w+)<', page)
    assert sorted(badges) == [("pico", "reference"), ("random", "card")]
    assert "Score: points</p>" in page and ">2,000<" in page and "10.25 to 12.00" in page
