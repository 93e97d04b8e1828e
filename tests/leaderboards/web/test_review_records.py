"""Records that change in ways that no writer of ours makes them, and many that are drawn at once."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from lmgame_leaderboards import read_episode
from lmgame_leaderboards.tail import RecordTail
from lmgame_leaderboards.web import app as app_module
from lmgame_leaderboards.web import live
from lmgame_leaderboards.web.app import create_app
from lmgame_leaderboards.web.folders import Shelf
from lmgame_leaderboards.web.guard import Guard
from lmgame_leaderboards.web.live import FolderWatch
from lmgame_leaderboards.web.projection import Projector
from lmgame_leaderboards.web.site import Site

from .builders import FakeStage, Stream, ask, write_arena, write_record, write_run
from .test_app import FakeKeeper


@pytest.fixture
def site(tmp_path: Path, stage: FakeStage) -> Iterator[Site]:
    site = Site(Shelf([tmp_path]), stage, FakeKeeper({}).ledger, live=True)
    yield site
    stage.gate.set()
    site.close()


def test_a_record_that_another_took_the_place_of_is_read_anew(tmp_path: Path):
    path = write_record(tmp_path / "record.jsonl", 3)
    tail = RecordTail(path)
    tail.read()
    write_record(tmp_path / "longer", 9, raw="another").replace(path)
    assert tail.read()
    assert (tail.log.decisions, tail.log.outcome) == (read_episode(path).decisions, read_episode(path).outcome)


def test_a_record_that_was_cut_short_is_read_anew(tmp_path: Path):
    path = write_record(tmp_path / "record.jsonl", 9)
    tail = RecordTail(path)
    tail.read()
    os.truncate(path, 0)
    write_record(path, 2, over=False)
    assert tail.read()
    assert len(tail.log.decisions) == 2 and tail.log.outcome is None
    assert not tail.read()


def test_what_was_drawn_of_a_record_is_gone_with_it(tmp_path: Path, stage: FakeStage, pool: ThreadPoolExecutor):
    path = write_record(tmp_path / "record.jsonl", 3)
    projector = Projector(stage, pool)
    first = projector.of(path).part(0)
    write_record(tmp_path / "other", 5).replace(path)
    second = projector.of(path).part(0)
    assert first and second and len(first["texts"]) == 4 and len(second["texts"]) == 6
    projector.close()


def test_long_answers_count_for_what_is_kept(tmp_path: Path, stage: FakeStage, pool: ThreadPoolExecutor):
    projector = Projector(stage, pool, room=1_000_000)
    paths = [write_record(tmp_path / f"{name}.jsonl", 2, raw="x" * 400_000) for name in "abc"]
    kept = [projector.of(path) for path in paths]
    assert projector.of(paths[2]) is kept[2]
    assert projector.of(paths[0]) is not kept[0]
    projector.close()


async def test_pages_are_there_while_many_wait_for_frames(
    site: Site, tmp_path: Path, stage: FakeStage, monkeypatch: pytest.MonkeyPatch
):
    write_run(tmp_path / "run", [2] * 4)
    (folder,) = site.shelf.folders()
    app = create_app(site, FakeKeeper({}))  # type: ignore[arg-type]
    everybody = ThreadPoolExecutor(2)  # as many threads as a small machine has
    asyncio.get_running_loop().set_default_executor(everybody)
    stage.gate.clear()
    parts = [asyncio.create_task(ask(app, f"/runs/{folder.id}/{name}/part-0.js")) for name in folder.records()]
    async with asyncio.timeout(10):
        while not stage.drawing.is_set():
            await asyncio.sleep(0.01)
        assert (await ask(app, "/games.html")).status == 200
    stage.gate.set()
    assert {(await part).status for part in parts} == {200}
    assert len(parts) <= app_module.WAITING


async def test_pages_can_be_asked_for_their_headers(site: Site):
    app = create_app(site, FakeKeeper({}))  # type: ignore[arg-type]
    assert (await ask(app, "/games.html", method="HEAD")).status == 200
    assert (await ask(app, "/", method="HEAD")).status == 307


@pytest.mark.parametrize("host", ["localhost:1@evil.example", "[::1]x", "[::1]:1x", "localhost:x", "localhost:\u00b2"])
async def test_what_follows_a_name_is_a_port(host: str, site: Site):
    app = create_app(site, FakeKeeper({}))  # type: ignore[arg-type]
    assert isinstance(app, Guard)
    assert (await ask(app, "/games.html", host=host)).status == 421


def test_who_watches_a_folder_reads_nothing_that_pages_have_read(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_arena(tmp_path / "arena", seeds=3)
    (folder,) = site.shelf.folders()
    site.get(f"runs/{folder.id}/index.html")

    def read(self: RecordTail) -> bool:
        raise AssertionError(f"{self.log.path} is read again")

    monkeypatch.setattr(live.RecordTail, "read", read)
    watch = FolderWatch(folder, site)
    assert watch._look()
    assert len(watch._state.rows) == 6 and watch._state.about["finished"] == 6


async def test_ids_of_an_earlier_server_say_nothing(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "LOOK_EVERY", 0.01)
    run = write_run(tmp_path / "run", [1, 1])
    (folder,) = site.shelf.folders()

    def watching() -> ASGIApp:
        return create_app(site, FakeKeeper({}))  # type: ignore[arg-type]

    async with Stream(watching(), f"/events/runs/{folder.id}") as stream:
        first = await stream.next()
    assert first
    now = time.time
    monkeypatch.setattr(live.time, "time", lambda: now() + 1)  # nobody starts a server anew any sooner
    app = watching()
    async with Stream(app, f"/events/runs/{folder.id}") as other:  # by whom the new server has counted as far
        await other.next()
        write_record(run / "episodes" / "more.jsonl", 1)
        await other.next()
        async with Stream(app, f"/events/runs/{folder.id}", last_event_id=first["id"]) as again:
            event = await again.next()
            assert event and len(json.loads(event["data"])["rows"]) == 3
