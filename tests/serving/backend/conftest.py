"""Backends of stub engines: a machine with GPUs and vLLM that has neither."""

from pathlib import Path

import pytest

from lmgame_serving.testing.machine import Machine, make_machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with two GPUs whose `nvidia-smi` is found first; `machine.python` has the stub engine for a vLLM."""
    folder = tmp_path / "machine"
    folder.mkdir()
    made = make_machine(folder)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LMGAME_STATE", str(tmp_path / "state"))
    return made
