"""Event streams: runs and records while they are played, and news of standings."""

import asyncio
import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.types import ASGIApp

from lmgame_leaderboards import StillsWriter
from lmgame_leaderboards.web import live
from lmgame_leaderboards.web.app import create_app
from lmgame_leaderboards.web.folders import Shelf
from lmgame_leaderboards.web.ledger import Ledger, ledger_document
from lmgame_leaderboards.web.site import Site
from tests.leaderboards.conftest import make_header
from tests.leaderboards.played import make_game

from .builders import (
    HOSTILE,
    FakeStage,
    Stream,
    append,
    decision_line,
    line,
    outcome_line,
    write_arena,
    write_record,
    write_run,
)
from .test_app import FakeKeeper


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_EVERY", 0.01)


@pytest.fixture
def keeper() -> FakeKeeper:
    return FakeKeeper({})


@pytest.fixture
def site(tmp_path: Path, stage: FakeStage, keeper: FakeKeeper) -> Iterator[Site]:
    site = Site(Shelf([tmp_path]), stage, keeper.ledger, live=True)
    yield site
    site.close()


@pytest.fixture
def app(site: Site, keeper: FakeKeeper) -> ASGIApp:
    return create_app(site, keeper, heartbeat=0.05)  # type: ignore[arg-type]


def told(event: dict[str, str] | None, name: str) -> dict[str, Any]:
    assert event is not None and event["event"] == name and set(event) == {"data", "event", "id", "retry"}
    return json.loads(event["data"])


def address(site: Site) -> str:
    (folder,) = site.shelf.folders()
    return f"/events/runs/{folder.id}"


async def test_a_folder_from_its_first_record_to_its_last(app: ASGIApp, site: Site, tmp_path: Path):
    run = write_run(tmp_path / "run", [3, 2], over=False)
    records = run / "episodes" / "tetris-standard-0.jsonl", run / "episodes" / "tetris-standard-1.jsonl"
    async with Stream(app, address(site)) as stream:
        assert stream.start["status"] == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert "default-src 'none'" in stream.headers["content-security-policy"]
        first = await stream.next()
        all_of_it = told(first, "folder")
        assert (all_of_it["begun"], all_of_it["finished"], all_of_it["asked"]) == (2, 0, 3)
        assert sorted(row["decisions"] for row in all_of_it["rows"]) == [2, 3]
        boards = {board["id"]: board for board in all_of_it["boards"]}
        assert {board["decisions"] for board in boards.values()} == {2, 3}
        frame = np.asarray(
            Image.open(io.BytesIO(base64.b64decode(boards["tetris-standard-0"]["frame"].partition(",")[2])))
        )
        assert frame.shape == (4, 6, 3) and frame[0, 0, 0] == 3 // 2
        append(records[0], decision_line(3, 4.0), outcome_line(4.0, 4))
        event = await stream.next()
        assert event is not None and first is not None and int(event["id"]) > int(first["id"])
        news = told(event, "folder")
        assert [row["id"] for row in news["rows"]] == ["tetris-standard-0"], "what was told before isn't repeated"
        assert news["rows"][0]["outcome"] == "topped out" and news["finished"] == 1
        assert [board["id"] for board in news["boards"]] == ["tetris-standard-1"]
        append(records[1], outcome_line(2.0, 2))
        news = told(await stream.next(), "folder")
        assert [row["id"] for row in news["rows"]] == ["tetris-standard-1"] and news["boards"] == []


async def test_deleted_records_no_longer_count(app: ASGIApp, site: Site, tmp_path: Path):
    records = write_run(tmp_path / "run", [3, 2]) / "episodes"
    async with Stream(app, address(site)) as stream:
        assert told(await stream.next(), "folder")["finished"] == 2
        (records / "tetris-standard-0.jsonl").unlink()
        news = told(await stream.next(), "folder")
        assert (news["begun"], news["finished"]) == (1, 1)
        write_record(tmp_path / "another.jsonl", 7, header=make_header(0)).rename(records / "tetris-standard-0.jsonl")
        news = told(await stream.next(), "folder")
        assert (news["begun"], news["finished"]) == (2, 2) and [row["decisions"] for row in news["rows"]] == [7]


async def test_boards_show_stills_where_there_are_any(app: ASGIApp, site: Site, tmp_path: Path, stage: FakeStage):
    record = write_run(tmp_path / "run", [2], over=False) / "episodes" / "tetris-standard-0.jsonl"
    stills = StillsWriter(record)
    stills.publish()
    stage.slow = True
    for moment in range(4):
        stills.add(np.full((8, 8, 3), moment, np.uint8), "", score=float(moment), seconds=0.0)
    async with Stream(app, address(site)) as stream:
        for moment in (2, 3):
            (board,) = told(await stream.next(), "folder")["boards"]
            frame = np.asarray(Image.open(io.BytesIO(base64.b64decode(board["frame"].partition(",")[2]))))
            assert frame.shape == (8, 8, 3) and (frame == moment).all()
            append(record, decision_line(moment, moment + 1.0))
        assert not stage.replays
        (board,) = told(await stream.next(), "folder")["boards"]
        assert board["frame"] and stage.replays, "of a moment without a still it is drawn"
    stills.close()


async def test_silence_is_broken_by_a_comment(app: ASGIApp, site: Site, tmp_path: Path):
    write_run(tmp_path / "run", [1])
    async with Stream(app, address(site)) as stream:
        await stream.next()
        for _ in range(2):
            assert await stream.next(heartbeats=True) == {"": "still here"}


async def test_who_comes_back_hears_only_what_is_new(app: ASGIApp, site: Site, tmp_path: Path):
    run = write_run(tmp_path / "run", [1, 1], over=False)
    async with Stream(app, address(site)) as stream:
        first = await stream.next()
        assert first is not None
        append(run / "episodes" / "tetris-standard-1.jsonl", decision_line(1, 2.0))
        second = await stream.next()
        assert second is not None
        async with Stream(app, address(site), last_event_id=first["id"]) as again:
            event = await again.next()
            assert event is not None and event["id"] == second["id"]
            assert [row["id"] for row in told(event, "folder")["rows"]] == ["tetris-standard-1"]
        async with Stream(app, address(site), last_event_id=second["id"]) as again:
            assert await again.next(heartbeats=True) == {"": "still here"}
            append(run / "episodes" / "tetris-standard-0.jsonl", decision_line(1, 2.0))
            assert [row["id"] for row in told(await again.next(), "folder")["rows"]] == ["tetris-standard-0"]


@pytest.mark.parametrize("last", ["999", "-1", "x", "", "1" * 50, "١"])
async def test_who_names_what_there_never_was_hears_all(last: str, app: ASGIApp, site: Site, tmp_path: Path):
    write_run(tmp_path / "run", [1, 1])
    if not last.isascii():
        last = last.encode().decode("latin-1")
    async with Stream(app, address(site), last_event_id=last) as stream:
        assert len(told(await stream.next(), "folder")["rows"]) == 2


async def test_who_comes_while_a_look_is_still_going_on(app: ASGIApp, site: Site, tmp_path: Path, stage: FakeStage):
    write_run(tmp_path / "run", [3], over=False)
    stage.gate.clear()
    async with Stream(app, address(site)):
        assert await asyncio.to_thread(stage.drawing.wait, 10)
    stage.drawing.clear()
    async with Stream(app, address(site)) as stream:
        for _ in range(2):
            assert await stream.next(heartbeats=True) == {"": "still here"}
        assert not stage.drawing.is_set(), "two threads look at one folder"
        stage.gate.set()
        (board,) = told(await stream.next(), "folder")["boards"]
        assert board["frame"]


async def test_a_look_that_fails_is_not_the_last(
    app: ASGIApp, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    write_run(tmp_path / "run", [3], over=False)
    real, failures = live.sum_of, [ZeroDivisionError("nobody thought of it")]

    def fails_once(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*arguments)

    monkeypatch.setattr(live, "sum_of", fails_once)
    async with Stream(app, address(site)) as stream:
        assert told(await stream.next(), "folder")["rows"]
    assert "nobody thought of it" in caplog.text


async def test_after_all_have_gone_a_folder_is_looked_at_again(
    app: ASGIApp, site: Site, tmp_path: Path, stage: FakeStage
):
    run = write_run(tmp_path / "run", [1], over=False)
    async with Stream(app, address(site)) as stream:
        first = await stream.next()
    assert first is not None
    append(run / "episodes" / "tetris-standard-0.jsonl", decision_line(1, 2.0), outcome_line(2.0, 2))
    async with Stream(app, address(site), last_event_id=first["id"]) as stream:
        news = told(await stream.next(), "folder")
        assert [row["decisions"] for row in news["rows"]] == [2] and news["finished"] == 1
    assert all(replay.closed for replay in stage.replays)


async def test_what_models_say_stays_within_one_event(app: ASGIApp, site: Site, tmp_path: Path):
    texts = {"raw": HOSTILE, "thought": HOSTILE, "moves": [HOSTILE], "verdict": HOSTILE}
    write_run(tmp_path / "run", [2], model=HOSTILE, over=False, **texts)
    async with Stream(app, address(site)) as stream:
        while (block := await stream.block()) and block.startswith(":"):
            pass  # a heartbeat, where the first look takes long
        assert block is not None and block.isascii()
        assert sorted(one.partition(":")[0] for one in block.split("\n")) == ["data", "event", "id", "retry"]
        (data,) = [one for one in block.split("\n") if one.startswith("data:")]
        news = json.loads(data.removeprefix("data:"))
        assert not set("\n\x00\x1b\u202e\u2028") & set(json.dumps(news, ensure_ascii=False))
        assert "<script>alert(1)</script>" in news["boards"][0]["names"][0], "it is told, as text"
        assert await stream.next(heartbeats=True) == {"": "still here"}


async def test_a_game_that_can_not_be_drawn_is_told_without_its_board(
    app: ASGIApp, site: Site, tmp_path: Path, stage: FakeStage
):
    stage.fails_at, stage.failure = 1, KeyError("others may raise anything")
    write_run(tmp_path / "run", [3], over=False)
    async with Stream(app, address(site)) as stream:
        (board,) = told(await stream.next(), "folder")["boards"]
        assert board["frame"] == "" and board["decisions"] == 3


async def test_damaged_records_are_passed_over(app: ASGIApp, site: Site, tmp_path: Path):
    run = write_run(tmp_path / "run", [1], over=False)
    (run / "episodes" / "broken.jsonl").write_text("no record\n")
    append(run / "episodes" / "begun.jsonl", b'{"type": "hea')
    append(run / "episodes" / "tetris-standard-0.jsonl", line("restart", why="http_500"), decision_line(0, 9.0))
    async with Stream(app, address(site)) as stream:
        news = told(await stream.next(), "folder")
        assert [(row["id"], row["decisions"], row["score"]) for row in news["rows"]] == [("tetris-standard-0", 1, "9")]
        assert news["begun"] == 3


async def test_an_arena_tells_its_standings(app: ASGIApp, site: Site, tmp_path: Path):
    write_arena(tmp_path / "arena", ["a", "b", "c"], seeds=1)
    async with Stream(app, address(site)) as stream:
        news = told(await stream.next(), "folder")
        assert news["finished"] == 6 and news["asked"] is None
        assert sorted(row["name"] for row in news["standings"]["rows"]) == ["a", "b", "c"]
        assert all("drawn" not in row for row in news["standings"]["rows"])


async def test_a_record_until_it_is_over(app: ASGIApp, site: Site, tmp_path: Path):
    run = write_run(tmp_path / "run", [3], over=False)
    record, path = f"{address(site)}/tetris-standard-0", run / "episodes" / "tetris-standard-0.jsonl"
    async with Stream(app, record) as stream:
        assert told(await stream.next(), "record") == {"decisions": 3, "over": False}
        append(path, decision_line(3))
        assert told(await stream.next(), "record") == {"decisions": 4, "over": False}
        async with Stream(app, record, query="known=4") as other, Stream(app, record, last_event_id="4") as again:
            assert await other.next(heartbeats=True) == {"": "still here"}, "it knows all of it"
            assert await again.next(heartbeats=True) == {"": "still here"}
            append(path, outcome_line(4.0, 4))
            for one in (stream, other, again):
                assert told(await one.next(), "record") == {"decisions": 4, "over": True}
                assert await one.next() is None, "that is the end"
    async with Stream(app, record, query="known=4") as late:
        assert told(await late.next(), "record")["over"]


@pytest.mark.parametrize("path", ["/events/runs/none", "/events/runs/none/x", "/events/standings/none"])
async def test_streams_of_what_is_not_there_end_at_once(path: str, app: ASGIApp):
    async with Stream(app, path) as stream:
        assert await stream.next() is None


async def test_a_stream_of_a_record_that_breaks_ends(app: ASGIApp, site: Site, tmp_path: Path):
    run = write_run(tmp_path / "run", [1], over=False)
    async with Stream(app, f"{address(site)}/tetris-standard-0") as stream:
        await stream.next()
        append(run / "episodes" / "tetris-standard-0.jsonl", b"broken\n")
        assert await stream.next() is None


async def test_news_of_standings(app: ASGIApp, keeper: FakeKeeper):
    async with Stream(app, "/events/standings/paused") as stream:
        assert told(await stream.next(), "standings") == {"state": "", "making": False, "failure": ""}
        keeper.ledgers["paused"] = Ledger.of(ledger_document([make_game()], state="7", rounds=10))
        keeper.changed.set()
        event = await stream.next()
        assert told(event, "standings") == {"state": "7", "making": False, "failure": ""}
        assert event is not None and event["id"] == "1"
        keeper.changed.set()  # nothing that the page would show
        assert await stream.next(heartbeats=True) == {"": "still here"}
        keeper.failed = "the store is\x1b gone"
        keeper.changed.set()
        found = told(await stream.next(), "standings")
        assert found == {"state": "7", "making": False, "failure": "the store is\\x1b gone"}
