"""Property tests draw the same examples on every run of the gate, and new ones at the desk; no test writes where the
user's own results are."""

import os
from collections.abc import Iterator
from itertools import count
from uuid import uuid4

import pytest
from hypothesis import settings
from sqlalchemy import create_engine, make_url, text

settings.register_profile("gate", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("gate")

_numbers = count()


@pytest.fixture(autouse=True)
def own_results_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test, and each process that it starts, has a results store of its own, made when it is first used."""
    folder = tmp_path_factory.getbasetemp() / f"store-{next(_numbers)}"
    monkeypatch.setenv("LMGAME_DB", str(folder / "results.sqlite"))


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """An empty database of its own on the server that `LMGAME_TEST_POSTGRES` names; `.ci/postgres` starts one."""
    server = os.environ.get("LMGAME_TEST_POSTGRES")
    if not server:
        pytest.skip("PostgreSQL is tested by .ci/postgres COMMAND, or with its URL in LMGAME_TEST_POSTGRES")
    url = make_url(server).set(drivername="postgresql+psycopg")
    name = f"lmgame_test_{uuid4().hex}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield url.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()
