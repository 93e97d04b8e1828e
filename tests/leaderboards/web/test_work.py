"""The process that makes ledgers."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

WATCHED = """
import os, subprocess, sys
with open(sys.argv[1]) as order:
    child = subprocess.Popen([sys.executable, "-m", "lmgame_leaderboards.web.work", str(os.getpid())], stdin=order)
print(child.pid, flush=True)
child.wait()
"""


def test_it_ends_when_nobody_waits_any_more(tmp_path: Path):
    order = tmp_path / "order"
    os.mkfifo(order)
    with (
        subprocess.Popen([sys.executable, "-c", WATCHED, str(order)], stdout=subprocess.PIPE) as parent,
        order.open("w"),  # as long as this test goes on, so that the order neither comes nor ends
    ):
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        for _ in range(300):
            if not Path(f"/proc/{pid}").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return
            time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        raise AssertionError("it goes on")


def test_an_order_that_can_not_be_worked_off_says_why(tmp_path: Path):
    (tmp_path / "store.sqlite").write_text("no database")
    order = {"db": str(tmp_path / "store.sqlite"), "clock": "paused", "cards": [], "rounds": 10}
    done = subprocess.run(
        [sys.executable, "-m", "lmgame_leaderboards.web.work", str(os.getpid())],
        input=json.dumps(order),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "store.sqlite" in done.stderr
    assert "Traceback" not in done.stderr
