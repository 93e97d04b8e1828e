"""The files that tell of backends: who may read them, what they are good for, and what becomes of them."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from lmgame_common import UnknownNameError, UsageError
from lmgame_serving.backend import state
from lmgame_serving.backend.process import orphans
from lmgame_serving.backend.state import BackendState, StateFile, backends, claim, find, key_for


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LMGAME_STATE", str(tmp_path))
    return tmp_path / "backends"


@pytest.fixture
def sleeper() -> Iterator[psutil.Process]:
    """A process that could be a backend."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield psutil.Process(process.pid)
        process.kill()


def made(file: StateFile, process: psutil.Process | None = None, **more: object) -> BackendState:
    process = process or psutil.Process()
    values = {
        "name": file.name,
        "pid": process.pid,
        "create_time": process.create_time(),
        "marker": file.marker,
        "url": "http://127.0.0.1:8000",
        "api_key": "sk-secret",
        "model": "m",
        "started": datetime.now(UTC),
    }
    return BackendState.model_validate(values | more)


def silent(text: str) -> None:
    """Nothing should have been told."""
    raise AssertionError(text)


def test_a_state_is_found_again_and_only_its_owner_can_read_it(folder: Path):
    with claim("one", silent) as file:
        written = made(file)
        file.write(written)
        file.log("up")
        assert backends() == [written]
        assert find() == find("one") == written
        assert written.alive
        for path in (file.folder / "state.json", file.log_path):
            assert path.stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == file.folder.stat().st_mode & 0o777 == 0o700
        assert "sk-secret" not in repr(written)
        file.remove()
    assert backends() == []
    assert file.log_path.read_text().endswith("up\n")


def test_a_folder_that_can_not_be_written_to_is_said_to_be_one(folder: Path):
    folder.write_text("a file, where a folder should be")
    with pytest.raises(UsageError, match="export LMGAME_STATE="), claim("one", silent):
        pass


def test_a_disk_that_is_full_costs_lines_of_the_log_and_no_more(folder: Path):
    with claim("one", silent) as file:
        file.log_path.symlink_to("/dev/full")
        file.log("up")


def test_a_name_belongs_to_one_backend_at_a_time():
    with claim("one", silent):
        with (
            claim("two", silent),
            pytest.raises(UsageError, match="A backend named one runs already"),
            claim("one", silent),
        ):
            pass
        with pytest.raises(UsageError, match="runs already"), claim("one", silent):
            pass
    with claim("one", silent):
        pass


@pytest.mark.parametrize("name", ["", ".hidden", "../up", "a/b", "a" * 65, "a b"])
def test_names_are_names_of_folders(name: str):
    with pytest.raises(UsageError, match="can't be a backend's name"), claim(name, silent):
        pass


def test_what_a_dead_backend_left_running_is_ended_and_told_of(sleeper: psutil.Process):
    with claim("one", silent) as file:
        file.write(made(file, sleeper))
        marker = file.marker
    with subprocess.Popen(["sleep", "60"], env=os.environ | {"LMGAME_BACKEND": marker}):
        assert len(orphans(marker)) == 1
        sleeper.kill()
        sleeper.wait(5)
        told: list[str] = []
        with claim("another", told.append):
            assert orphans(marker) == []
    assert told == ["ended 1 processes that the backend one, which died, had left running"]
    assert backends() == []


def test_a_failed_backend_is_remembered_until_its_name_is_used_again():
    with claim("one", silent) as file:
        file.write(made(file, status="failed", why="no memory", pid=2**22 - 1))
    with claim("another", silent):
        assert [each.why for each in backends()] == ["no memory"]
    with claim("one", silent):
        assert backends() == []


def test_logs_of_long_ago_are_removed(folder: Path):
    for name in ("old", "new"):
        with claim(name, silent) as file:
            file.log("hello")
    os.utime(folder / "old", times=(0, 0))
    with claim("another", silent):
        assert sorted(path.name for path in folder.iterdir()) == ["another", "new"]


def test_files_that_make_no_sense_are_no_backends(folder: Path):
    with claim("one", silent) as file:
        for content in ("", "{}", json.dumps({"name": "one", "pid": "many"}), made(file, name="two").model_dump_json()):
            (file.folder / "state.json").write_text(content)
            assert backends() == []


def test_without_a_name_the_one_that_runs_is_meant(sleeper: psutil.Process):
    with pytest.raises(UsageError, match="No backend runs"):
        find()
    with claim("one", silent) as one, claim("two", silent) as two:
        one.write(made(one))
        two.write(made(two, sleeper))
        with pytest.raises(UsageError, match="2 backends run; name one: one, two"):
            find()
        with pytest.raises(UnknownNameError, match="Did you mean 'one'"):
            find("onee")
        sleeper.kill()
        sleeper.wait(5)
        assert find().name == "one"


def test_keys_are_for_running_backends_at_that_place_alone(sleeper: psutil.Process):
    with claim("one", silent) as file:
        file.write(made(file, sleeper))
        for url in ("http://127.0.0.1:8000/v1", "http://localhost:8000/v1/", "http://[::1]:8000"):
            assert key_for(url) == "sk-secret"
        for url in (
            "http://127.0.0.1:8001/v1",
            "https://127.0.0.1:8000/v1",
            "http://example.com:8000/v1",
            "http://127.0.0.1/v1",
            "http://127.0.0.1:port",
            "",
        ):
            assert key_for(url) is None
        sleeper.kill()
        sleeper.wait(5)
        assert key_for("http://127.0.0.1:8000/v1") is None


def test_another_process_with_the_same_number_is_not_the_backend(sleeper: psutil.Process):
    with claim("one", silent) as file:
        file.write(made(file, sleeper, create_time=sleeper.create_time() - 100))
        assert not find("one").alive
        assert not state.stop(find("one"), 1)
    assert sleeper.is_running()
    assert backends() == []


STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""


async def test_stopping_takes_a_process_with_all_that_is_its_own():
    with claim("one", silent) as file:
        environment = os.environ | {"LMGAME_BACKEND": file.marker}
        stubborn = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE)
        engine = subprocess.Popen(["sleep", "60"], env=environment, start_new_session=True)
        try:
            assert stubborn.stdout is not None
            assert stubborn.stdout.readline() == b"up\n"
            file.write(made(file, psutil.Process(stubborn.pid)))
            began = time.monotonic()
            async with asyncio.timeout(20):
                assert await asyncio.to_thread(state.stop, find("one"), 0.2)
            assert time.monotonic() - began >= 0.2
            assert stubborn.poll() is not None
            assert engine.poll() is not None
            assert backends() == []
        finally:
            for process in (stubborn, engine):
                process.kill()
                process.wait()
