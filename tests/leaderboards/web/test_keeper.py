"""Ledgers that are made beside the server, kept on disk, and made anew when the store changes."""

import asyncio
import io
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from lmgame_leaderboards.store import Store
from lmgame_leaderboards.web import keeper as keeper_module
from lmgame_leaderboards.web import work
from lmgame_leaderboards.web.keeper import CLOCKS, Keeper
from lmgame_leaderboards.web.ledger import Ledger, ledger_document
from tests.leaderboards.played import make_game, make_player, make_seat

PATIENCE = 60.0
SECRET = "s3cret-pass"


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "LOOK_EVERY", 0.02)


@pytest.fixture
def db(tmp_path: Path) -> str:
    path = str(tmp_path / "results.sqlite")
    put(path, 0)
    return path


def put(db: str, seed: int) -> str:
    """Put two games of a seed in; the state of the store after that."""
    with Store.open(db) as store:
        store.put(make_game(seed, (make_seat(make_player(model), score),)) for model, score in (("a", 1.0), ("b", 2.0)))
        return store.state()


def state_of(db: str) -> str:
    with Store.open(db) as store:
        return store.state()


def document(db: str, clock: str = "paused") -> str:
    with Store.open(db) as store:
        found = ledger_document(store.games(clock=clock), clock=clock, state=store.state(), rounds=10)
    return json.dumps(found)


Workers = list[asyncio.subprocess.Process]


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    """The processes that are started."""
    started: Workers = []
    start = asyncio.create_subprocess_exec

    async def spy(*arguments: Any, **settings: Any) -> asyncio.subprocess.Process:
        started.append(await start(*arguments, **settings))
        return started[-1]

    monkeypatch.setattr(keeper_module.asyncio, "create_subprocess_exec", spy)
    return started


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: Workers) -> Callable[[str], None]:
    """Puts a shell script in the place of the process that makes ledgers."""

    def replace(script: str) -> None:
        path = tmp_path / "worker"
        path.write_text(f"#!/bin/sh\ncat > {tmp_path}/order\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(keeper_module, "sys", SimpleNamespace(executable=str(path)))

    return replace


@asynccontextmanager
async def kept(db: str, cache: Path | None = None) -> AsyncIterator[Keeper]:
    keeper = Keeper(db, [], cache=cache, rounds=10)
    keeper.start()
    try:
        yield keeper
    finally:
        await keeper.stop()


async def until(keeper: Keeper, condition: Callable[[], Any]) -> None:
    """Wait for news until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await keeper.news("paused", 0.1)


async def test_a_ledger_is_made_and_made_anew(
    db: str, tmp_path: Path, worker: Any, workers: Workers, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keeper_module, "CLOCKS", ("paused",))  # a real process takes a while to start
    cache = tmp_path / "cache" / "new"
    async with kept(db, cache) as keeper:
        assert keeper.ledger("paused") is None and not keeper.failure("paused")
        first = await keeper.first("paused", PATIENCE)
        assert first is not None and len(first.games) == 2 and first.state == state_of(db) and first.clock == "paused"
        again = await keeper.first("paused", 0.0)
        assert again is not None and again.state == first.state
        await keeper.news("paused", 0.1)
        assert len(workers) == 1, "nothing has changed"
        with Store.open(db) as store:
            games = store.games()
        assert Counter(game.seed for game in games) == Counter(game.seed for game in first.games)
        state = put(db, 1)
        (tmp_path / "made").write_text(document(db))
        worker(f"cat {tmp_path}/made")
        await until(keeper, lambda: (found := keeper.ledger("paused")) and found.state == state)
        second = keeper.ledger("paused")
        assert second is not None and len(second.games) == 4
        assert keeper.making("paused") is None and keeper.failure("paused") == ""
    count = len(workers)
    async with kept(db, cache) as keeper:
        again = await keeper.first("paused", PATIENCE)
        assert again is not None and list(again.games) == list(second.games) and again.boards == second.boards
    assert len(workers) == count, "what was kept on disk is good still"


async def test_an_older_ledger_is_shown_until_there_is_a_newer_one(
    db: str, tmp_path: Path, worker: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keeper_module, "CLOCKS", ("paused",))  # so that one order is written
    keeper = Keeper(db, [], cache=tmp_path, rounds=10)
    file = keeper._file("paused")
    assert file is not None
    file.write_text(document(db))
    old = state_of(db)
    new = put(db, 1)
    (tmp_path / "made").write_text(document(db))
    worker(f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; cat {tmp_path}/made")
    keeper.start()
    try:
        found = await keeper.first("paused", PATIENCE)
        assert found is not None and found.state == old
        await until(keeper, lambda: keeper.making("paused") is not None)
        (tmp_path / "go").touch()
        await until(keeper, lambda: keeper.ledger("paused") is not found)
        newer = keeper.ledger("paused")
        assert newer is not None and newer.state == new
    finally:
        await keeper.stop()
    assert Ledger.of(json.loads(file.read_text())).state == new
    order = json.loads((tmp_path / "order").read_text())
    assert order["db"] == db and order["rounds"] == 10


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b"5", b'"text"', b"{}", b"\xff\xfe", b'{"form": -1}', b"[" * 100_000, b"\x00" * 100],
    ids=range(11),
)
async def test_a_damaged_file_is_no_ledger(content: bytes, db: str, tmp_path: Path, worker: Any):
    (tmp_path / "made").write_text(document(db))
    worker(f"cat {tmp_path}/made")
    keeper = Keeper(db, [], cache=tmp_path / "cache", rounds=10)
    file = keeper._file("paused")
    assert file is not None
    file.parent.mkdir()
    file.write_bytes(content)
    keeper.start()
    try:
        found = await keeper.first("paused", PATIENCE)
        assert found is not None and len(found.games) == 2, keeper.failure("paused")
    finally:
        await keeper.stop()
    assert json.loads(file.read_text())["state"] == found.state


async def test_a_cache_that_can_not_be_written_is_done_without(db: str, tmp_path: Path, worker: Any):
    (tmp_path / "made").write_text(document(db))
    worker(f"cat {tmp_path}/made")
    (tmp_path / "cache").write_text("a file")
    async with kept(db, tmp_path / "cache") as keeper:
        assert await keeper.first("paused", PATIENCE) is not None
        assert keeper.failure("paused") == ""


def test_each_store_has_files_of_its_own(tmp_path: Path):
    files = {Keeper(db, [], cache=tmp_path, rounds=n)._file(clock) for db in "ab" for n in (1, 2) for clock in CLOCKS}
    assert len(files) == 8 and Keeper("a", [])._file("paused") is None


@pytest.mark.parametrize("db", [f"postgresql+psycopg://user:{SECRET}@127.0.0.1:1/none?connect_timeout=2", "garbage"])
async def test_a_store_that_can_not_be_read(db: str, tmp_path: Path, worker: Any, caplog: pytest.LogCaptureFixture):
    if db == "garbage":
        db = str(tmp_path / "results.sqlite")
        Path(db).write_bytes(b"this is no database" * 500)
    else:
        pytest.importorskip("psycopg")
    worker("echo '{}'")
    async with kept(db) as keeper:
        assert await keeper.first("paused", PATIENCE) is None
        failure = keeper.failure("paused")
        assert failure and failure == keeper.failure("realtime")
    assert SECRET not in failure and SECRET not in caplog.text
    assert len(caplog.records) == 1, "it is told once, however often it is seen"


async def test_a_store_that_can_be_read_again(tmp_path: Path, worker: Any):
    db = str(tmp_path / "results.sqlite")
    Path(db).write_bytes(b"this is no database" * 500)
    async with kept(db) as keeper:
        assert await keeper.first("paused", PATIENCE) is None
        put(str(tmp_path / "good.sqlite"), 0)
        (tmp_path / "made").write_text(document(str(tmp_path / "good.sqlite")))
        worker(f"cat {tmp_path}/made")
        (tmp_path / "good.sqlite").rename(db)
        await until(keeper, lambda: keeper.ledger("paused"))
        assert keeper.failure("paused") == ""


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo first >&2; echo 'what went wrong' >&2; exit 3", "what went wrong"),
        ("exit 3", "ended with 3"),
        ("kill -9 $$", "ended with -9"),
        ("echo '{'", "couldn't be worked out"),
        ("echo '{\"form\": 0}'", "form 0"),
        ("true", "couldn't be worked out"),
    ],
)
async def test_a_worker_that_fails_is_told_and_not_repeated(
    script: str, told: str, db: str, worker: Any, workers: Workers, tmp_path: Path
):
    worker(script)
    async with kept(db) as keeper:
        assert await keeper.first("paused", PATIENCE) is None
        assert told in keeper.failure("paused")
        await keeper.first("realtime", PATIENCE)
        assert len(workers) == len(CLOCKS)
        for _ in range(3):
            assert not await keeper.news("paused", 0.05)
        assert len(workers) == len(CLOCKS), "it was tried again though nothing has changed"
        (tmp_path / "made").write_text(document(db))
        worker(f"cat {tmp_path}/made")
        put(db, 1)
        await until(keeper, lambda: keeper.ledger("paused"))
        assert keeper.failure("paused") == ""


async def test_a_worker_that_can_not_be_started(db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keeper_module, "sys", SimpleNamespace(executable=str(tmp_path / "none")))
    async with kept(db) as keeper:
        assert await keeper.first("paused", PATIENCE) is None
        assert keeper.failure("paused") and keeper.making("paused") is None


async def test_a_rough_ledger_is_made_again(db: str, tmp_path: Path, worker: Any, workers: Workers):
    (tmp_path / "made").write_text(document(db))
    (tmp_path / "rough").write_text(json.dumps({**json.loads(document(db)), "rough": True}))
    # The first one of each clock is rough.
    worker(f"if mkdir {tmp_path}/1 || mkdir {tmp_path}/2; then cat {tmp_path}/rough; else cat {tmp_path}/made; fi")
    async with kept(db) as keeper:
        found = await keeper.first("paused", PATIENCE)
        assert found is not None and found.rough
        await until(keeper, lambda: (better := keeper.ledger("paused")) and not better.rough)
    assert len(workers) == 2 * len(CLOCKS)


async def test_stopping_ends_the_workers(db: str, tmp_path: Path, worker: Any, workers: Workers):
    worker(f"touch {tmp_path}/begun; exec sleep 600")
    keeper = Keeper(db, [], rounds=10)
    keeper.start()
    await until(keeper, lambda: len(workers) == len(CLOCKS) and keeper.making("paused"))
    assert await keeper.first("paused", 0.0) is None, "patience ends"
    assert all(psutil.pid_exists(process.pid) for process in workers)
    await keeper.stop()
    assert [process.returncode for process in workers] == [-9] * len(CLOCKS)
    assert not any(psutil.pid_exists(process.pid) for process in workers)
    await keeper.stop()
    await Keeper(db, []).stop()


Work = Callable[..., tuple[int, str, str]]


@pytest.fixture
def worked_off(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Work:
    """Works an order off: the exit code, what was written, and what was complained of."""

    # Tests go on in this process.
    monkeypatch.setattr(work.os, "nice", lambda by: by)
    monkeypatch.setattr(work, "_end_with", lambda parent: None, raising=False)

    def work_off(db: str, clock: str = "paused") -> tuple[int, str, str]:
        order = {"db": db, "clock": clock, "cards": [], "rounds": 10, "first": True}
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(order)))
        code, (out, errors) = work.main(), capsys.readouterr()
        return code, out, errors

    return work_off


@pytest.mark.parametrize("clock", CLOCKS)
def test_the_worker_by_itself(clock: str, db: str, worked_off: Work):
    with Store.open(db) as store:
        store.put([make_game(0, (make_seat(score=5.0),), clock="realtime")])
    code, out, errors = worked_off(db, clock)
    assert code == 0 and errors == "" and json.loads(out) == json.loads(document(db, clock))
    scores = {game.sides[0].score for game in Ledger.of(json.loads(out)).games}
    assert scores == ({5.0} if clock == "realtime" else {1.0, 2.0})


def test_the_worker_keeps_passwords_to_itself(worked_off: Work):
    code, out, errors = worked_off(f"mysql://u:{SECRET}@h/d")
    assert code > 0 and out == "" and errors and SECRET not in errors
