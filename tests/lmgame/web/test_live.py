"""Runs and arenas that are looked at while they are played."""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from lmgame import arena_async, play, play_async
from lmgame_leaderboards import read_episode
from lmgame_leaderboards.web.folders import Shelf
from lmgame_serving.testing import Reply, StubServer

from .conftest import Played, Serve, Visit

HURRY = 0.02
PACE = 0.25
"""Seconds that the stub server takes for an answer, at first."""


class Pace:
    """A server whose answers can be hurried, so that tests watch as long as they need and no longer."""

    def __init__(self) -> None:
        self.seconds = PACE

    def __call__(self, request: dict[str, Any], number: int) -> Reply:
        title = json.dumps(request["messages"][0])
        moves = [f"column_{number % 7 + 1}"] if "Connect Four" in title else ["soft_drop"]
        return Reply(json.dumps({"moves": moves}), delay=self.seconds)


@contextmanager
def playing(play: Callable[[str], Coroutine[Any, Any, Any]]) -> Iterator[Pace]:
    """Plays in another thread, against a stub server whose address `play` is given. Ends with the play."""
    pace, failed = Pace(), list[BaseException]()

    async def main() -> None:
        async with StubServer(pace) as server:
            await play(server.base_url)

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield pace
    finally:
        pace.seconds = HURRY
        thread.join(60)
    assert failed == []


def page_of(address: str, folder: Path) -> str:
    """The address of a run's page, once the run has begun."""
    for _ in range(2000):
        shelf = Shelf([folder.parent])
        if (folder / "episodes").is_dir() or (folder / "games").is_dir():
            return f"{address}/runs/{shelf.folders()[0].id}/index.html"
        threading.Event().wait(0.01)
    raise TimeoutError(f"nothing began in {folder}")


def test_a_run_moves_on_by_itself(tmp_path: Path, visit: Visit, serve: Serve):
    folder, db = tmp_path / "runs" / "now", tmp_path / "results.sqlite"

    async def playing_it(url: str) -> None:
        await play_async(f"{url}#stub", "tetris", episodes=2, max_decisions=12, out=folder, db=str(db), concurrency=2)

    address = serve([tmp_path / "runs"], db)
    with playing(playing_it) as pace:
        page = visit(page_of(address, folder)).page
        expect(page.locator("#state")).to_have_text("going on")
        expect(page.locator("#boards .board")).to_have_count(2)
        board = page.locator("#boards .board").first
        expect(board).to_contain_text("soft_drop")
        before, picture = board.inner_text(), board.locator("img").get_attribute("src")
        expect(board).not_to_have_text(before)
        expect(board.locator("img")).not_to_have_attribute("src", picture or "")
        pace.seconds = HURRY
        expect(page.locator("#finished")).to_have_text("2")
        expect(page.locator("#state")).to_have_text("complete")
        expect(page.locator("#boards .board")).to_have_count(0)
        expect(page.locator("#records [data-field=outcome]")).to_have_text(["decision limit", "decision limit"])
        expect(page.locator("#records [data-field=decisions]")).to_have_text(["12", "12"])


def test_a_game_is_followed_decision_by_decision(tmp_path: Path, visit: Visit, serve: Serve):
    folder, db = tmp_path / "runs" / "now", tmp_path / "results.sqlite"

    async def playing_it(url: str) -> None:
        await play_async(f"{url}#stub", "tetris", episodes=1, max_decisions=20, out=folder, db=str(db))

    address = serve([tmp_path / "runs"], db)
    with playing(playing_it) as pace:
        page_of(address, folder)
        while not (records := sorted(folder.glob("episodes/*.jsonl"))) or records[0].read_text().count("\n") < 3:
            threading.Event().wait(0.01)
        page = visit(f"{address}/{Played([tmp_path / 'runs'], db).address(records[0])}#end").page
        expect(page.locator(".screen figcaption")).to_contain_text("as it stands now")
        before = page.locator("#scrubber").get_attribute("max") or ""
        expect(page.locator("#scrubber")).not_to_have_attribute("max", before)  # it grows by itself
        expect(page.locator("#moment")).to_have_text(re.compile(r"^decision (\d+) of \1"))  # and who is at its end, too
        page.keyboard.press("Home")
        pace.seconds = HURRY
        expect(page.locator("#scrubber")).to_have_attribute("max", "20")
        expect(page.locator("#moment")).to_contain_text("decision 0 of 20")  # who looks elsewhere stays there
        page.keyboard.press("End")
        expect(page.locator(".screen figcaption")).to_contain_text("ended: decision limit")
        outcome = read_episode(records[0]).outcome
        assert outcome is not None
        lead = f"Ended: decision limit, score {outcome['score']:,.0f} after 20 decisions."
        expect(page.locator("#so-far")).to_have_text(lead)


def test_an_arena_shows_its_boards_and_its_ratings_move(tmp_path: Path, visit: Visit, serve: Serve):
    folder, db = tmp_path / "runs" / "arena", tmp_path / "results.sqlite"

    async def playing_it(url: str) -> None:
        models = [f"{url}#stub", "random", "scripted"]
        await arena_async(models, "connect4", pairs=3, out=folder, db=str(db), concurrency=3)

    address = serve([tmp_path / "runs"], db)
    with playing(playing_it) as pace:
        page = visit(page_of(address, folder)).page
        expect(page.locator("#boards .board").first).to_contain_text("connect4, seed")
        expect(page.locator("#boards .board img").first).to_have_attribute("src", re.compile("^data:image/"))
        expect(page.locator("#boards a").first).to_have_attribute("href", re.compile("#end$"))
        pace.seconds = HURRY
        expect(page.locator("#standings tbody tr")).to_have_count(3)
        expect(page.locator("#standings .interval")).not_to_have_count(0)
        expect(page.locator("#state")).to_have_text("at rest")
        expect(page.locator("#finished")).to_have_text("18")
        expect(page.locator("#records tbody tr")).to_have_count(18)


FED = """window.EventSource = function () { window.fed = this; this.heard = {}; };
EventSource.prototype.addEventListener = function (name, heard) { this.heard[name] = heard; };
EventSource.prototype.close = function () {};"""
"""Events that a test sends."""


def test_an_end_that_is_not_known_is_an_arrow_beside_the_point(site: str, played: Played, visit: Visit):
    address = f"{site}/{played.address(played.records('board')[0]).rpartition('/')[0]}/index.html"
    page = visit(f"{site}/games.html").page
    page.add_init_script(FED)
    page.goto(address, wait_until="load")
    about = {"wins": 1, "draws": 0, "losses": 0}
    rows = [
        {"name": "best", "rank": [1, 1], "rating": 100.0, "ci95": [50.0, None], **about},
        {"name": "last", "rank": [2, 2], "rating": 0.0, "ci95": [None, 60.0], **about},
    ]
    told = {"finished": 1, "begun": 1, "state": "going on", "boards": [], "rows": [], "standings": {"rows": rows}}
    page.evaluate("told => fed.heard.folder({ data: JSON.stringify(told) })", told)
    for name in ("best", "last"):
        row = page.locator("#standings tbody tr", has_text=name)
        lines = row.locator("line").evaluate_all(
            "lines => lines.map(line => ['x1', 'x2', 'y1', 'y2'].map(one => line[one].baseVal.value))"
        )
        heads = [(x1, x2) for x1, x2, y1, y2 in lines if x1 != x2 and y1 != y2]
        point = float(row.locator("circle").get_attribute("cx") or "nan")
        assert len(heads) == 2
        assert all(abs(x - point) > 3.5 for head in heads for x in head), "the point leaves the arrow in sight"


def test_newer_standings_are_announced(tmp_path: Path, visit: Visit, serve: Serve):
    db, runs = tmp_path / "results.sqlite", tmp_path / "runs"
    play("random", "tetris", episodes=1, max_decisions=5, out=runs / "one", db=str(db))
    address = serve([runs], db)
    page = visit(f"{address}/index.html").page
    rows = page.locator("table.standings tbody tr").filter(has_not_text="card")
    expect(rows).to_have_count(1)
    play("scripted", "tetris", episodes=1, max_decisions=5, out=runs / "two", db=str(db))
    page.get_by_role("link", name="Show them").click(timeout=30_000)
    expect(rows).to_have_count(2)
