"""One process at a time writes in a folder: the lock, who holds it, and what a folder may hold that is begun."""

import os
import re
import socket
from contextlib import suppress
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from lmgame_common import RecordError
from lmgame_leaderboards.disk import unwritable

LOCK, OWNER = ".lock", ".owner"


def lock_folder(path: Path, what: str = "run") -> FileLock:
    """Lock a folder for this process until `unlock_folder`, or until the process dies however it may.

    Args:
        path: The folder; it and its parents are made if they don't exist.
        what: What uses it, in one word, for messages.

    Raises:
        RecordError: If the path is a file or not writable, or a live process uses the folder.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise RecordError(f"{path} is a file; --out needs a folder, or a name that is not taken yet.") from None
    except OSError as error:
        raise unwritable(path, error) from error
    # Not to be told apart by thread: a run may be opened in one thread and closed in another.
    lock = FileLock(path / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RecordError(
            f"{path} is in use by {_owner(path)}. Wait for that {what} to end or stop it, or use another --out."
        ) from None
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        (path / OWNER).write_text(f"process {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
    except OSError as error:
        lock.release()
        raise unwritable(path, error) from error
    return lock


def in_use(path: Path) -> bool:
    """Whether a live process of this machine writes in a folder, or one of another machine may; for people to know,
    without touching the lock."""
    found = re.fullmatch(r"process (\d{1,10}) on (.+)\n?", _note(path))
    return found is not None and (found[2] != socket.gethostname() or psutil.pid_exists(int(found[1])))


def unlock_folder(path: Path, lock: FileLock) -> None:
    """Let others use the folder. Unlocking twice does nothing."""
    if lock.is_locked:
        with suppress(OSError):
            (path / OWNER).unlink(missing_ok=True)
        lock.release()


def check_empty(path: Path, file: str, what: str = "run") -> None:
    """Raise RecordError unless the locked folder, which lacks `file`, holds nothing but what a process that died while
    beginning there left behind. The lock's own files are taken away before."""
    own = {LOCK, OWNER, f"{file}.draft"}
    if others := sorted(entry.name for entry in path.iterdir() if entry.name not in own):
        with suppress(OSError):
            (path / OWNER).unlink()
            (path / LOCK).unlink()
        raise RecordError(
            f"{path} holds {others[0]!r} and is no {what} folder. Choose a new or empty folder with --out; nothing "
            "there was changed."
        )


def discard_folder(path: Path, lock: FileLock, file: str, records: str) -> None:
    """Take back what was begun in a folder if it has no records, so that it is free for a corrected request.

    Args:
        path: The folder.
        lock: Its lock, which is let go of.
        file: The file that says what was begun.
        records: The folder within, where records go.
    """
    with suppress(OSError):
        if any((path / records).glob("*")):
            return
        (path / file).unlink(missing_ok=True)
        unlock_folder(path, lock)
        for left_over in (records, LOCK):
            entry = path / left_over
            entry.rmdir() if entry.is_dir() else entry.unlink(missing_ok=True)
        path.rmdir()


def _owner(path: Path) -> str:
    """Who holds the lock, as they wrote it down; the lock itself, not this note, decides."""
    return _note(path).strip() or "another process"


def _note(path: Path) -> str:
    try:
        return (path / OWNER).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
