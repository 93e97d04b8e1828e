"""What the pages do when the server fails them, and with folders that have several pages."""

import re
from pathlib import Path

from playwright.sync_api import Browser, Route, expect

from tests.leaderboards.web.builders import write_record, write_run

from .conftest import Played, Serve, Visit

PARTS = re.compile(r"/part-\d+\.js")


def test_parts_that_fail_are_asked_for_again_now_and_then(tmp_path: Path, browser: Browser, serve: Serve):
    run = write_run(tmp_path / "runs" / "run", [3])
    (record,) = run.glob("episodes/*.jsonl")
    db = tmp_path / "results.sqlite"
    address = f"{serve([tmp_path / 'runs'], db)}/{Played([tmp_path / 'runs'], db).address(record)}"
    asked: list[str] = []

    def fail(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    with browser.new_context() as context:
        page = context.new_page()
        page.clock.install(time=0)
        page.clock.pause_at(10)
        page.route(PARTS, fail)
        page.goto(address)
        caption = page.locator(".screen figcaption")
        expect(caption).to_have_text("This part couldn't be loaded.")
        assert len(asked) == 1
        page.keyboard.press("ArrowRight")
        page.clock.run_for(1900)
        assert len(asked) == 1
        with page.expect_event("requestfailed"):
            page.clock.run_for(200)
        assert len(asked) == 2
        page.clock.run_for(3000)
        assert len(asked) == 2
        page.unroute(PARTS)
        page.clock.run_for(3000)
        expect(caption).not_to_have_text("This part couldn't be loaded.")
        expect(page.locator(".words pre").first).to_be_attached()


def test_rows_of_other_pages_stay_there(tmp_path: Path, visit: Visit, serve: Serve):
    run = write_run(tmp_path / "runs" / "run", [1] * 305)
    address = serve([tmp_path / "runs"], tmp_path / "results.sqlite")
    id_ = Played([tmp_path / "runs"], tmp_path).address(next(run.glob("episodes/*.jsonl"))).split("/")[1]
    for number, count in ((1, 300), (2, 5)):
        page = visit(f"{address}/runs/{id_}/index{'-2' if number == 2 else ''}.html").page
        # The first event has all records, of which one is newer than the page.
        write_record(run / "episodes" / f"{number}.jsonl", 1)
        expect(page.locator("#begun")).to_have_text(str(305 + number))
        expect(page.locator("#records tbody tr")).to_have_count(count if number == 1 else count + 1)
        page.close()


def test_rows_that_are_new_are_added(tmp_path: Path, visit: Visit, serve: Serve):
    run = write_run(tmp_path / "runs" / "run", [1])
    address = serve([tmp_path / "runs"], tmp_path / "results.sqlite")
    id_ = Played([tmp_path / "runs"], tmp_path).address(next(run.glob("episodes/*.jsonl"))).split("/")[1]
    page = visit(f"{address}/runs/{id_}/index.html").page
    write_record(run / "episodes" / "2.jsonl", 1)
    expect(page.locator("#records tbody tr")).to_have_count(2)
