"""Backends of stub engines: a machine with GPUs and vLLM that has neither."""

from pathlib import Path

import pytest

from lmgame_serving.testing.machine import Machine, make_machine


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Python compiled, for all processes of a session's machines."""
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
def machine(tmp_path: Path, bytecode: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with two GPUs whose `nvidia-smi` is found first; `machine.python` has the stub engine for a vLLM."""
    folder = tmp_path / "machine"
    folder.mkdir()
    made = make_machine(folder, bytecode=bytecode)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LMGAME_STATE", str(tmp_path / "state"))
    return made
