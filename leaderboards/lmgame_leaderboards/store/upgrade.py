"""Bringing a database to the form of `tables`: whichever process comes first does it, once."""

from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, Engine, column, inspect, select, table, text

from lmgame_common import StoreError
from lmgame_leaderboards.store.connect import WRITING
from lmgame_leaderboards.store.tables import HEAD, VERSION_TABLE, metadata

REVISIONS = Path(__file__).with_name("revisions")

ADVISORY_LOCK = 0x6C6D67616D65
"""PostgreSQL: what processes that upgrade wait for; `lmgame` in ASCII."""

_ONE_AT_A_TIME = Lock()
"""Alembic keeps its context in module globals, so two threads must not upgrade at once, not even two databases."""


def upgrade(engine: Engine, shown: str) -> None:
    """Make the tables, or bring those of an older lmgame up to date; nothing is done where they are.

    Args:
        engine: The database.
        shown: Its name, for messages.

    Raises:
        StoreError: If a newer lmgame made the tables, or the database holds other ones under the same names.
    """
    with engine.connect() as connection:
        if _revision(connection) == HEAD:
            return
    with _ONE_AT_A_TIME, engine.connect().execution_options(**WRITING) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})
        revision = _revision(connection)
        if revision == HEAD:
            return  # another process was faster
        if revision is None and (foreign := sorted(set(inspect(connection).get_table_names()) & set(metadata.tables))):
            raise StoreError(
                f"{shown} is no results store, and has tables of the same names ({', '.join(foreign)}). "
                "Name another database by --db."
            )
        _run(connection, revision, shown)


def _revision(connection: Connection) -> str | None:
    """The revision a database is at; None where it holds no store."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalar()


def _run(connection: Connection, revision: str | None, shown: str) -> None:
    from alembic import command  # only here, because it takes long to import and is rarely needed
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(REVISIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise StoreError(
            f"{shown} was made by a newer lmgame (revision {revision}; this one knows up to {HEAD}). "
            "Run: uv pip install --upgrade lmgame"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
