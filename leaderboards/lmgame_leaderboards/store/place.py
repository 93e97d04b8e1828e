"""Which database holds the results: a path, a URL, or the user's own; passwords are never shown."""

import os
from importlib.util import find_spec
from pathlib import Path

import platformdirs
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from lmgame_common import MissingDependencyError, UsageError

ENVIRONMENT = "LMGAME_DB"
"""The variable that names the store where no `--db` is given."""

EXPECTED = "Expected: the path of an SQLite file, or postgresql://USER:PASSWORD@HOST/DATABASE."
POSTGRES = ("postgresql", "postgres", "postgresql+psycopg")


def default_path() -> Path:
    """The user's own store."""
    return platformdirs.user_data_path("lmgame", appauthor=False) / "results.sqlite"


def database_url(db: str | None = None) -> URL:
    """The database to use.

    Args:
        db: A path or a URL; None: what `LMGAME_DB` says, else the user's own store.

    Raises:
        UsageError: For what is neither, and for another kind of database. The URL isn't repeated, for it may carry a
            password.
        MissingDependencyError: For PostgreSQL without the extra `postgres`.
    """
    named = db or os.environ.get(ENVIRONMENT) or str(default_path())
    if named == "none":
        raise UsageError(f"The results store was turned off (none). Name one by --db or {ENVIRONMENT}. {EXPECTED}")
    if "://" not in named:
        return URL.create("sqlite", database=str(Path(named).expanduser().absolute()))
    try:
        url = make_url(named)
    except (ArgumentError, ValueError):
        raise UsageError(f"The results store's URL can't be read. {EXPECTED}") from None
    if url.drivername == "sqlite":
        if not url.database or url.database == ":memory:":
            raise UsageError(f"{shown(url)} names no file, so nothing would be kept. {EXPECTED}")
        return url.set(database=str(Path(url.database).expanduser().absolute()))
    if url.drivername not in POSTGRES:
        raise UsageError(f"The results store can't be a database of kind {url.drivername!r}. {EXPECTED}")
    if find_spec("psycopg") is None:
        raise MissingDependencyError("A results store in PostgreSQL", "postgres")
    return url.set(drivername="postgresql+psycopg")


def shown(url: URL) -> str:
    """A database as people may see it: an SQLite file's path; else the URL without password and query, which is
    another place where passwords are put."""
    if url.get_backend_name() == "sqlite" and url.database:
        return url.database
    return url.set(drivername=url.get_backend_name(), query={}).render_as_string(hide_password=True)
