"""`lmgame view` says what is wrong before it says where it can be visited."""

import os
import socket
import subprocess
import sys
from pathlib import Path


def run(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "lmgame", "view", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_store_that_can_not_be(tmp_path: Path):
    done = run(tmp_path, "--port", "0", LMGAME_DB="mysql://me:secret@host/db")
    assert done.returncode == 2 and "http://" not in done.stderr and "secret" not in done.stderr
    assert done.stderr.startswith("lmgame: The results store can't be a database of kind 'mysql'")


def test_a_port_that_is_taken(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run(tmp_path, "--port", str(taken.getsockname()[1]), LMGAME_DB=str(tmp_path / "db.sqlite"))
    assert done.returncode == 2 and "http://" not in done.stderr and "Choose another --port" in done.stderr


def test_without_a_cap_on_frames(tmp_path: Path):
    done = run(tmp_path, "--export", "out", "--max-size", "inf", LMGAME_DB=str(tmp_path / "db.sqlite"))
    assert done.returncode == 0 and (tmp_path / "out" / "index.html").is_file(), done.stderr
