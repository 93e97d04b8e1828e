"""Which database is the store, and what is said where it can't be."""

import sqlite3
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import event

from lmgame_common import MissingDependencyError, StoreError, UsageError
from lmgame_leaderboards.store import Store, connect, place
from tests.leaderboards.played import make_game


def test_the_environment_names_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMGAME_DB", str(tmp_path / "a b%20.sqlite"))
    with Store.open() as store:
        assert store.shown_url == str(tmp_path / "a b%20.sqlite")
        assert store.put([make_game(0)]).added == 1
    with Store.open(f"sqlite:///{tmp_path / 'other.sqlite'}") as store:
        assert store.count() == 0
    monkeypatch.delenv("LMGAME_DB")
    assert place.database_url().database == str(place.default_path())
    assert place.default_path().parts[-2:] == ("lmgame", "results.sqlite")


def test_the_file_keeps_readers_going_while_somebody_writes(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    with Store.open(str(path)) as store, store._writing():
        assert store.count() == 0
        with Store.open(str(path)) as reader:
            assert reader.games() == []
    assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(
    ("db", "said"),
    [
        ("none", "turned off"),
        ("sqlite://", "names no file"),
        ("mysql://user:secret@host/results", "kind 'mysql'"),
        ("postgresql+psycopg2://user:secret@host/results", r"kind 'postgresql\+psycopg2'"),
        ("postgresql://user:secret@host:port/results", "can't be read"),
        ("://secret", "can't be read"),
    ],
)
def test_what_names_no_database(db: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as error:
        Store.open(db)
    assert "secret" not in str(error.value)
    assert "postgresql://USER" in str(error.value)


def test_postgres_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"lmgame\[postgres\]"):
        Store.open("postgresql://host/results")


@pytest.mark.skipif(find_spec("psycopg") is None, reason="needs the extra postgres")
def test_passwords_are_never_shown() -> None:
    url = place.database_url("postgres://me:hush-hush@host:5433/results?password=hush-hush")
    assert place.shown(url) == "postgresql://me:***@host:5433/results"
    with pytest.raises(StoreError, match=r"postgresql://me:\*\*\*@127.0.0.1:1/results can't be used") as error:
        Store.open("postgresql://me:hush-hush@127.0.0.1:1/results?sslpassword=hush-hush")
    assert "hush" not in str(error.value)


def test_what_can_not_be_a_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a directory"):
        Store.open(str(tmp_path))
    (tmp_path / "file").write_text("no database, and long enough to be seen as none" * 40)
    with pytest.raises(StoreError, match="no SQLite database"):
        Store.open(str(tmp_path / "file"))
    with pytest.raises(StoreError, match="can't be made"):
        Store.open(str(tmp_path / "file" / "results.sqlite"))


def test_a_store_that_can_only_be_read(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "results.sqlite")) as store:
        event.listen(store._engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only = ON"))
        store._engine.dispose()
        assert store.count() == 0
        with pytest.raises(StoreError, match="can't be written to"):
            store.put([make_game(0)])


def test_a_full_disk(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "results.sqlite")) as store:
        event.listen(store._engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count = 1"))
        store._engine.dispose()
        with pytest.raises(StoreError, match="the disk is full"):
            store.put([make_game(seed) for seed in range(300)])
        assert store.count() == 0


def test_somebody_else_writes_for_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "PATIENCE", 0)
    words = "another process has been writing"
    with (
        Store.open(str(tmp_path / "results.sqlite")) as store,
        store._writing(),
        pytest.raises(StoreError, match=words),
    ):
        store.put([make_game(0)])
    with Store.open(str(tmp_path / "results.sqlite")) as store:
        assert store.put([make_game(0)]).added == 1


@pytest.mark.parametrize("said", ["disk I/O error", "locking protocol"])
def test_network_disks(said: str, tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "results.sqlite")) as store:

        def fail(*_: object) -> None:
            raise sqlite3.OperationalError(said)

        event.listen(store._engine, "do_connect", fail)
        store._engine.dispose()
        with pytest.raises(StoreError, match="network disk"):
            store.count()
