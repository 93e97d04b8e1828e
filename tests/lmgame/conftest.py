"""Helpers for tests of the whole path: a model that is a function of what it is asked, and the command as a process."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lmgame.cli import app

needs_mario = pytest.mark.skipif(find_spec("nes_py") is None, reason="Super Mario Bros needs Python 3.13")

ANSWERS = (
    '{"moves": ["left", "left", "hard_drop"]}',
    '{"moves": ["right", "rotate_cw", "hard_drop"]}',
    '{"moves": ["right", "right", "right", "hard_drop"]}',
    '```json\n{"moves": ["rotate_ccw", "left", "left", "left", "left", "hard_drop"]}\n```',
    "move: hold, left, hard_drop",
    '{"moves": ["soft_drop", "soft_drop", "fly"]}',
    "I would rather not say.",
)


def deterministic(request: dict[str, Any], number: int) -> str:
    """An answer that depends on nothing but the newest message, so that a resumed game goes on as it would have."""
    newest = json.dumps(request["messages"][-1], sort_keys=True)
    return ANSWERS[hashlib.sha256(newest.encode()).digest()[0] % len(ANSWERS)]


VOLATILE = {"time", "latency", "endpoint"}
"""Fields of a record that differ between two runs of the same deterministic model."""


def stable_lines(record: Path) -> list[dict[str, Any]]:
    """A record's lines without times, latencies and infrastructure faults."""
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    return [
        {key: value for key, value in line.items() if key not in VOLATILE} for line in lines if line["type"] != "fault"
    ]


def stable_run(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """All records of a run, by file name."""
    return {path.name: stable_lines(path) for path in sorted((folder / "episodes").iterdir())}


Command = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Starts `lmgame …` in an empty folder, with no terminal."""

    def start(*arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "lmgame", *arguments],
            cwd=tmp_path,
            env={key: value for key, value in os.environ.items() if not key.startswith("LMGAME_PLAY")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def lmgame(command: Command) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs `lmgame …` to its end."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        process = command(*arguments)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    return run


Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `lmgame …` in this process and an empty folder; what it said, on both outputs."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        found = CliRunner().invoke(app, arguments)
        if found.exception and not isinstance(found.exception, SystemExit):
            raise found.exception
        assert found.exit_code == 0, found.output
        return found.output

    return run
