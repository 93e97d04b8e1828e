"""Connections to the store's database, and what it means in words when there are none."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from lmgame_common import StoreError, quoted
from lmgame_leaderboards.store.place import shown

PATIENCE = 60
"""Seconds that a writer waits for others to finish."""

WRITING = {"lmgame_writes": True}
"""Execution options of connections that are going to write: SQLite then waits for its turn when the transaction
begins. One that began by reading could not wait, since what it read may have changed meanwhile."""


def connect(url: URL) -> Engine:
    """The database behind a URL from `database_url`; an SQLite file's folder is made if it doesn't exist.

    Raises:
        StoreError: If that can't be done. The database itself is reached at the first use only.
    """
    if url.get_backend_name() == "postgresql":
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    assert url.database
    path = Path(url.database)
    if path.is_dir():
        raise StoreError(f"{path} is a directory. Name an SQLite file in it, such as {path / 'results.sqlite'}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"The folder of {path} can't be made: {error.strerror}. Name another by --db.") from error
    engine = create_engine(url, connect_args={"timeout": PATIENCE})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _: Any) -> None:
    # Python's module would begin transactions at the first change, too late for readers and for changes of tables.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _set_wal(connection)


def _set_wal(connection: Any) -> None:
    """Let readers go on while somebody writes. SQLite does not wait by itself when two set this at once."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("lmgame_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Around work with the database: its errors become `StoreError`s that say what to do."""
    try:
        yield
    except SQLAlchemyError as error:
        raise _explain(url, error) from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise StoreError(f"A result can't be stored in {shown(url)}: {error}.") from error


SQLITE_SAYS = (
    ("is locked", "another process has been writing to it for {patience} seconds. Try again when it is done."),
    ("is full", "the disk is full. Free some space, then try again."),
    ("readonly", "it can't be written to. Make the file and its folder writable, or name another by --db."),
    ("unable to open", "it can't be opened. Make the file and its folder writable, or name another by --db."),
    ("not a database", "it is no SQLite database. Name another file by --db."),
    ("malformed", "it is damaged. Move it away and import the runs' folders anew: lmgame results import DIR…"),
    (
        "disk i/o error",
        "the disk fails it ({said}). SQLite needs a disk of this machine: on a network disk, name a file elsewhere by "
        "--db, or use PostgreSQL.",
    ),
    (
        "locking protocol",
        "the disk has no working locks. SQLite needs a disk of this machine: on a network disk, name a file elsewhere "
        "by --db, or use PostgreSQL.",
    ),
)
"""Parts of SQLite's messages, and what to tell people."""


def _explain(url: URL, error: SQLAlchemyError) -> StoreError:
    said = quoted(str(getattr(error, "orig", None) or error))
    if url.password:
        said = said.replace(str(url.password), "***")
    if url.get_backend_name() == "sqlite":
        for part, words in SQLITE_SAYS:
            if part in said.lower():
                return StoreError(f"{shown(url)}: {words.format(patience=PATIENCE, said=said)}")
    return StoreError(f"The results store {shown(url)} can't be used: {said}")
