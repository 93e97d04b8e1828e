"""Whether somebody writes in a folder, as people are told."""

import os
import socket
from pathlib import Path

import psutil
import pytest

from lmgame_leaderboards import folder_lock
from lmgame_leaderboards.folder_lock import OWNER, in_use, lock_folder, unlock_folder


def test_from_its_lock_to_its_end(tmp_path: Path):
    assert not in_use(tmp_path / "none") and not in_use(tmp_path)
    lock = lock_folder(tmp_path)
    assert in_use(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert in_use(tmp_path) and sorted(tmp_path.iterdir()) == before, "looking changes nothing"
    unlock_folder(tmp_path, lock)
    assert not in_use(tmp_path)


@pytest.mark.parametrize(
    ("note", "used"),
    [
        (f"process {os.getpid()} on {socket.gethostname()}\n", True),
        (f"process {os.getpid()} on {socket.gethostname()}", True),
        (f"process 4194304 on {socket.gethostname()}\n", False),  # which no process is called
        ("process 1 on another machine\n", True),
        ("", False),
        ("process x on y\n", False),
        ("process 1\n", False),
        (f"process {'9' * 30} on {socket.gethostname()}\n", False),
    ],
    ids=range(8),  # processes that run tests must call them the same
)
def test_who_wrote_it_down(note: str, used: bool, tmp_path: Path):
    (tmp_path / OWNER).write_text(note)
    assert not psutil.pid_exists(4194304)
    assert in_use(tmp_path) == used


def test_a_note_that_can_not_be_read(tmp_path: Path):
    (tmp_path / OWNER).write_bytes(b"\xff\xfe")
    assert not in_use(tmp_path)
    (tmp_path / OWNER).unlink()
    (tmp_path / OWNER).mkdir()
    assert not in_use(tmp_path)
    assert folder_lock.OWNER == ".owner"
