"""Killed in its middle, an arena goes on where it was and ends as if nothing had happened."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import lmgame
from lmgame_games import registry
from lmgame_serving.testing import Reply, StubServer

from .conftest import deterministic, stable_lines
from .shared_toys import GAMES as TOYS

ROOT = Path(__file__).parents[2]
COUNTS = ('{"moves": ["one"]}', '{"moves": ["two"]}', '{"moves": ["three"]}', "I would rather not say.")
RUNS = ('{"moves": ["run", "run"]}', '{"moves": ["run", "trip", "run"]}', '{"moves": ["rest"]}', "run, I say")
GAMES = ("tetris", "counting", "running")
SETTINGS: dict[str, Any] = {"pairs": 1, "max_decisions": 16, "observation": "text", "concurrency": 3}


class Model:
    """Answers by what it is shown, and remembers what it was asked, but for preflights."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()

    def __call__(self, request: dict[str, Any], number: int) -> Reply:
        newest = json.dumps([request["model"], request["messages"][-1]], sort_keys=True)
        told = json.dumps(request["messages"][0])
        choice = hashlib.sha256(newest.encode()).digest()[0]
        if "Counting" in told:
            text = COUNTS[choice % len(COUNTS)]
        elif "Running" in told:
            text = RUNS[choice % len(RUNS)]
        else:
            text = deterministic(request, number)
        self.asked[request["model"], newest] += 1
        return Reply(text, chunks=4, delay=0.004)


def start(folder: Path, models: list[str]) -> "subprocess.Popen[str]":
    players = [word for model in models for word in ("--model", model)]
    games = [word for game in GAMES for word in ("--game", game)]
    limits = [word for name, value in SETTINGS.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.lmgame.toy_command", "arena", *players, *games, *limits, "--out", str(folder)],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if not key.startswith("LMGAME_ARENA")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lines_in(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (folder / "games").glob("*.jsonl"))


def records(folder: Path) -> dict[str, Any]:
    """Each game's record; in simultaneous games both seats are asked at once, and answer in any order."""
    found: dict[str, Any] = {}
    for path in sorted((folder / "games").iterdir()):
        lines = stable_lines(path)
        for line in lines:
            line.pop("endpoints", None)
        if path.name.startswith("running"):
            rounds = [line for line in lines if line["type"] == "decision"]
            for line in rounds:
                del line["index"]
            rest = [line for line in lines if line["type"] != "decision"]
            lines = rest + [line for seat in (0, 1) for line in rounds if line["seat"] == seat]
        found[path.name] = lines
    return found


async def test_killed_twice_the_records_end_the_same_and_nothing_is_asked_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    known = {**registry.games(), **TOYS}
    monkeypatch.setattr(registry, "games", lambda: known)
    script = Model()
    async with StubServer(script, models=["left", "right"]) as server:
        models = [f"{server.base_url}#left", f"{server.base_url}#right", "random"]

        async def run(folder: Path, kill_at: int | None = None) -> Counter[tuple[str, str]]:
            """What was asked until it was over, or until so many lines were written and it was killed."""
            script.asked = Counter()
            process = start(folder, models)
            while kill_at and process.poll() is None and lines_in(folder) < kill_at:
                await asyncio.sleep(0.02)
            if kill_at:
                assert process.poll() is None, process.communicate()
                process.kill()
            out, err = await asyncio.to_thread(process.communicate, timeout=120)
            assert kill_at or process.returncode == 0, (out, err)
            return script.asked

        done = await lmgame.arena_async(models, GAMES, out=tmp_path / "whole", **SETTINGS)
        assert done.complete
        whole, lines = script.asked, lines_in(tmp_path / "whole")
        parts = [await run(tmp_path / "killed", lines // 4), await run(tmp_path / "killed", lines // 2)]
        parts.append(await run(tmp_path / "killed"))
    assert records(tmp_path / "killed") == records(tmp_path / "whole")
    # What came too late for the record is asked again: at most what was in flight at each kill, and each start asks
    # each model whether it answers.
    again = sum(parts, Counter()) - whole
    assert sum(again.values()) <= 2 * (3 * 2 + 2 * 2)
    assert all(sum(part.values()) > 0 for part in parts)
