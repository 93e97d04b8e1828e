"""Killed at any moment, a run goes on where it was and ends as if nothing had happened."""

import asyncio
import random
import signal
import subprocess
from pathlib import Path

from lmgame import play_async
from lmgame_serving.testing import Reply, StubServer

from .conftest import Command, deterministic, stable_run

KILLS = 20
EPISODES = 3


def lines_in(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (folder / "episodes").glob("*.jsonl"))


async def test_killed_at_random_points_the_records_end_the_same(command: Command, tmp_path: Path):
    chance = random.Random(0)
    async with StubServer(lambda request, n: Reply(deterministic(request, n), chunks=4, delay=0.004)) as server:
        model = f"{server.base_url}#stub"
        settings = {"game": "tetris", "episodes": EPISODES, "history": 4, "max_decisions": 150}
        whole = await play_async(model, out=tmp_path / "whole", **settings)
        assert whole.complete
        asked_whole = server.count
        decisions = sum(row.decisions for row in whole.episodes)
        step = decisions // (KILLS + 4)
        folder = tmp_path / "killed"
        arguments = (
            *("play", "--model", model, "--episodes", str(EPISODES), "--history", "4", "--max-decisions", "150"),
            *("--out", str(folder)),
        )
        kills = 0
        while kills < KILLS:
            process = command(*arguments)
            enough = lines_in(folder) + chance.randint(1, step)
            while process.poll() is None and lines_in(folder) < enough:
                await asyncio.sleep(0.002)
            assert process.poll() is None, f"over after {kills} kills: {process.communicate()}"
            await asyncio.sleep(chance.random() * 0.01)
            process.kill()
            process.communicate()
            kills += 1
        asked_before = server.count
        last = command(*arguments)
        _, err = await asyncio.to_thread(last.communicate, timeout=120)
        assert last.returncode == 0, err
        assert stable_run(folder) == stable_run(tmp_path / "whole")
        # Asked again is only what was in flight when a kill came, and the preflight of each start.
        preflights = asked_whole - decisions
        in_flight = EPISODES
        assert server.count - asked_whole <= decisions + (KILLS + 1) * preflights + KILLS * in_flight
        assert server.count > asked_before

        again = await play_async(model, out=folder, **settings)
        assert again.complete
        assert [row.score for row in again.episodes] == [row.score for row in whole.episodes]


async def test_interrupted_it_says_how_to_go_on(command: Command, tmp_path: Path):
    # Slow enough that it can't be through before the signal gets there, however busy the machine is.
    async with StubServer(lambda request, n: Reply(deterministic(request, n), delay=0.1)) as server:
        process = command("play", "--model", f"{server.base_url}#stub", "--episodes", "2", "--out", "here")
        while lines_in(tmp_path / "here") < 6:
            assert process.poll() is None
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 130
        assert f"lmgame play --model '{server.base_url}#stub' --episodes 2 --out here" in err
        assert "Traceback" not in err
        kept = lines_in(tmp_path / "here")
        again = await play_async(f"{server.base_url}#stub", episodes=2, out=tmp_path / "here")
        assert again.complete
        assert lines_in(tmp_path / "here") > kept


async def test_a_folder_in_use_is_refused(command: Command, tmp_path: Path):
    async with StubServer(Reply('{"moves": ["left"]}', delay=0.05)) as server:
        arguments = ("play", "--model", f"{server.base_url}#stub", "--out", "here")
        first = command(*arguments)
        while lines_in(tmp_path / "here") < 2:
            assert first.poll() is None
            await asyncio.sleep(0.01)
        second = command(*arguments)
        _, err = await asyncio.to_thread(second.communicate, timeout=60)
        assert second.returncode == 2
        assert "in use" in err and str(first.pid) in err
        first.kill()
        first.communicate()
        third = command(*arguments, "--max-tokens-total", "1")
        _, err = await asyncio.to_thread(third.communicate, timeout=60)
        assert third.returncode == 0, err
        assert "budget" in err


def test_finished_runs_say_so(lmgame, tmp_path: Path):
    arguments = ("play", "--model", "random", "--episodes", "2", "--out", "here")
    assert lmgame(*arguments).returncode == 0
    before = stable_run(tmp_path / "here")
    again: subprocess.CompletedProcess[str] = lmgame(*arguments)
    assert again.returncode == 0
    assert "finished" in again.stderr
    fresh = lmgame(*arguments, "--fresh")
    assert fresh.returncode == 0
    assert "here-2" in fresh.stdout
    assert stable_run(tmp_path / "here-2") == before == stable_run(tmp_path / "here")
