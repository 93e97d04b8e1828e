"""Keeps one engine: a process between the backend and the engine that leaves nothing running, whoever of them dies.

Run by its path, with the standard library alone: `python -I keeper.py PARENT GRACE COMMAND…`. Linux only. It

- is told by the kernel when its parent dies, even by SIGKILL, and takes that for a request to stop;
- is the one that orphans beneath it are handed to, so that processes that left the engine's session are found, too;
- asks the engine to end on SIGTERM and waits; on SIGUSR1, or GRACE seconds after its parent died, it kills the rest;
- kills what an engine that ended by itself left behind;
- exits with the engine's exit code, or 128 and the number of the signal that ended it.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
"""Of prctl(2)."""
UNSTARTABLE = 127
"""Exit code where the command can't be run, as shells have it."""
TIDY_SECONDS = 2.0
"""For what an engine left behind, to end by itself: some of it removes shared memory."""
KILL_SECONDS = 10.0
"""Until killed processes must be gone; longer takes only what hangs in the kernel."""
NOW = signal.SIGUSR1
"""Ends the engine without asking."""
_ASKS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_SIGNALS = {*_ASKS, NOW, signal.SIGCHLD}


def main(parent: int, grace: float, command: list[str]) -> int:
    """Run a command until it ends or is to end, and end all that it started.

    Args:
        parent: The process whose end ends the engine.
        grace: Seconds from SIGTERM to SIGKILL where the parent is dead. One that lives says itself when it is time.
        command: The engine's.

    Returns:
        The exit code.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    engine = _start(command)
    deadline, status = float("inf"), None
    if os.getppid() != parent:  # it died before the kernel could be asked to tell
        os.kill(os.getpid(), signal.SIGTERM)
    while status is None and time.monotonic() < deadline:
        wait = min(60.0, max(0.0, deadline - time.monotonic()))
        got = signal.sigtimedwait(_SIGNALS, wait)
        if got is not None and got.si_signo == NOW:
            deadline = 0.0
        elif got is not None and got.si_signo in _ASKS:
            _signal([engine], signal.SIGTERM)
            if os.getppid() != parent:
                deadline = min(deadline, time.monotonic() + grace)
        status = _reap(engine, status)
    status = _end_all(engine, status)
    if status is None:
        return 128 + signal.SIGKILL
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _start(command: list[str]) -> int:
    keeper = os.getpid()
    engine = os.fork()
    if engine:
        return engine
    try:
        os.setsid()
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:
            os._exit(UNSTARTABLE)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]} can't be started: {error.strerror}\n".encode("utf-8", "replace"))
    finally:
        os._exit(UNSTARTABLE)


def _reap(engine: int, status: int | None) -> int | None:
    """Take note of processes that ended; returns the engine's status once it is among them."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == engine:
                status = ended[1]
    return status


def _end_all(engine: int, status: int | None) -> int | None:
    """End everything beneath this process. Returns the engine's status, None if even SIGKILL couldn't end it."""
    started = time.monotonic()
    if status is not None:
        _signal(_descendants(), signal.SIGTERM)
        status, _ = _until_gone(engine, status, started + TIDY_SECONDS)
    # Python's resource trackers go last, when all who used the shared memory that they remove are gone.
    last = {pid for pid in _descendants() if b"resource_tracker" in _read(pid, "cmdline")}
    until = time.monotonic() + KILL_SECONDS
    while (left := set(_descendants()) - last) and time.monotonic() < until:
        _signal(left, signal.SIGKILL)
        time.sleep(0.01)
        status = _reap(engine, status)
    status, left = _until_gone(engine, status, time.monotonic() + TIDY_SECONDS)
    while left and time.monotonic() < until:
        _signal(left, signal.SIGKILL)
        time.sleep(0.01)
        status = _reap(engine, status)
        left = _descendants()
    return _reap(engine, status)


def _until_gone(engine: int, status: int | None, until: float) -> tuple[int | None, list[int]]:
    while (left := _descendants()) and time.monotonic() < until:
        time.sleep(0.02)
        status = _reap(engine, status)
    return status, left


def _descendants() -> list[int]:
    """All living processes beneath this one."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            # After the name, which is in parentheses and may hold any character: state, parent, ...
            fields = _read(int(entry.name), "stat").rpartition(b")")[2].split()
            if fields and fields[0] not in (b"Z", b"X"):
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [os.getpid()]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl failed")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
