"""Property tests draw the same examples on every run of the gate, and new ones at the desk; no test writes where the
user's own results are."""

import os
from itertools import count

import pytest
from hypothesis import settings

settings.register_profile("gate", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("gate")

_numbers = count()


@pytest.fixture(autouse=True)
def own_results_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test, and each process that it starts, has a results store of its own, made when it is first used."""
    folder = tmp_path_factory.getbasetemp() / f"store-{next(_numbers)}"
    monkeypatch.setenv("LMGAME_DB", str(folder / "results.sqlite"))
