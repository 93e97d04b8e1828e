"""What backends of this user run, as files that outlive them: for their status, their keys, and their leftovers."""

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import platformdirs
import psutil
from filelock import FileLock, Timeout
from pydantic import BaseModel, Field, ValidationError

from lmgame_common import UnknownNameError, UsageError, is_loopback, printable

STATE_VARIABLE = "LMGAME_STATE"
"""The environment variable that names the folder of all state."""
_FILE = "state.json"
_LOG = "backend.log"
_LOCK = "lock"
_REAP_SECONDS = 5
_KILL_SECONDS = 10
_KEPT_SECONDS = 7 * 86_400
"""How long the logs of a backend that ended are kept."""


class EngineStatus(BaseModel):
    """An engine of a backend."""

    name: str
    role: str
    state: str
    """One of `EngineState`, or `given up`."""
    pid: int | None = None
    port: int
    gpus: list[int] = []
    restarts: int = 0
    """How often it was started anew, for whatever reason."""
    log: str = ""


class Alarm(BaseModel):
    """Something that a person should look at, as long as it lasts."""

    engine: str
    kind: str
    """Such as `local_prefill`."""
    text: str
    since: datetime


class BackendState(BaseModel):
    """A backend as its file tells of it. The file is a hint for people and a note for cleaning up: who reads it checks
    that the process is still the one that wrote it (`alive`)."""

    name: str
    pid: int
    create_time: float
    """When the process was started, as psutil tells it: another process may have its number by now."""
    marker: str
    """What its engines carry in their environment as LMGAME_BACKEND."""
    url: str
    """The gateway's, without a path; empty until it is known."""
    api_key: str | None = Field(default=None, repr=False)
    """What clients must send."""
    model: str
    """What clients call it."""
    profile: dict[str, Any] = {}
    about: dict[str, Any] = {}
    """What records of runs say of the backend."""
    started: datetime
    status: Literal["starting", "ready", "draining", "failed"] = "starting"
    why: str = ""
    """Why it failed."""
    engines: list[EngineStatus] = []
    alarms: list[Alarm] = []

    @property
    def folder(self) -> Path:
        """Where its logs are."""
        return folder_of(self.name)

    @property
    def alive(self) -> bool:
        """Whether its process still runs."""
        return self.process() is not None

    def process(self) -> psutil.Process | None:
        """Its process, if that still runs."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.create_time) < 1 and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None


class StateFile:
    """The state of a backend that this process runs, under a name that nobody else has meanwhile."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.marker = secrets.token_hex(8)
        """What this backend's processes are known by."""

    def write(self, state: BackendState) -> None:
        """Put a state in the place of the last one. Who reads the file sees one or the other, whole."""
        path, fresh = self.folder / _FILE, self.folder / f"{_FILE}.new"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(state.model_dump_json(indent=2))
        fresh.replace(path)

    def remove(self) -> None:
        """Leave no trace but logs."""
        (self.folder / _FILE).unlink(missing_ok=True)

    @property
    def log_path(self) -> Path:
        """The backend's own log."""
        return self.folder / _LOG

    def log(self, text: str) -> None:
        """Add a line to the backend's own log, if the disk has room for it."""
        line = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {printable(text)}\n"
        with (
            suppress(OSError),
            os.fdopen(
                os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", errors="replace"
            ) as file,
        ):
            file.write(line)


def folder_of(name: str) -> Path:
    """Where a backend's state and logs are.

    Raises:
        UsageError: If the name is none for a folder.
    """
    if not name or name.startswith(".") or not all(sign.isalnum() or sign in "-_." for sign in name) or len(name) > 64:
        raise UsageError(
            f"{name!r} can't be a backend's name; expected up to 64 letters, digits, dots, dashes and underscores."
        )
    return _root() / name


@contextmanager
def claim(name: str, tell: Callable[[str], None]) -> Iterator[StateFile]:
    """Have a name for oneself while the context lasts; what a dead backend of that name left running is ended first.

    Raises:
        UsageError: If a backend of that name runs, the name is none, or its folder can't be written to.
    """
    folder = folder_of(name)
    lock = FileLock(folder / _LOCK, mode=0o600)
    try:
        _root().mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        os.utime(folder)  # its age decides whether it is tidied away
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            f"A backend named {name} runs already. Stop it (lmgame serve stop {name}) or give this one another --name."
        ) from None
    except OSError as error:
        raise UsageError(
            f"The folder for this backend's state and logs can't be written to ({error}). "
            f"Name another one: export {STATE_VARIABLE}=FOLDER"
        ) from None
    try:
        _tidy(name, tell)
        yield StateFile(name, folder)
    finally:
        lock.release()


def backends() -> list[BackendState]:
    """All backends that this user has a state file of, by name: those that run and those that failed or were killed.

    Files that can't be read count as none.
    """
    found = (_read(path) for path in sorted(_root().glob(f"*/{_FILE}")))
    return [state for state in found if state is not None]


def find(name: str | None = None) -> BackendState:
    """A backend by its name; without one, the only one that runs.

    Raises:
        UnknownNameError: If there is none of that name.
        UsageError: If no name is given and not exactly one runs.
    """
    known = backends()
    if name is not None:
        for state in known:
            if state.name == name:
                return state
        raise UnknownNameError("backend", name, [state.name for state in known])
    running = [state for state in known if state.alive]
    if len(running) == 1:
        return running[0]
    if not running:
        raise UsageError("No backend runs. Start one: lmgame serve --model MODEL")
    raise UsageError(f"{len(running)} backends run; name one: {', '.join(state.name for state in running)}.")


def key_for(base_url: str) -> str | None:
    """The key that a running backend of this user on this machine wants at a URL; None if none answers there."""
    asked = _place(base_url)
    return next((state.api_key for state in backends() if asked and asked == _place(state.url) and state.alive), None)


def stop(state: BackendState, seconds: float, *, now: bool = False) -> bool:
    """Stop a backend, and end what is left of it. Blocks until nothing of it runs.

    Args:
        state: Which.
        seconds: How long it may take to finish what it has, before it is killed.
        now: It is not to finish it.

    Returns:
        False if it didn't run.
    """
    process = state.process()
    if process is not None:
        # The lock proves nothing here, so the process is asked, and killed only as what it was when it was looked at.
        with suppress(psutil.Error):
            process.terminate()
            if now:
                time.sleep(0.2)  # two signals at the same time would be one
                process.terminate()
        with suppress(psutil.Error):
            try:
                process.wait(seconds)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(_KILL_SECONDS)
    _reap(state)
    kept = _read(state.folder / _FILE)
    if kept is not None and kept.marker == state.marker:
        (state.folder / _FILE).unlink(missing_ok=True)
    return process is not None


def _tidy(name: str, tell: Callable[[str], None]) -> None:
    """End what dead backends left running, and forget them; of those long gone, their logs, too."""
    for state in backends():
        if state.alive:
            continue
        if left := _reap(state):
            tell(f"ended {left} processes that the backend {state.name}, which died, had left running")
        if state.status != "failed" or state.name == name:
            (state.folder / _FILE).unlink(missing_ok=True)
    long_ago = time.time() - _KEPT_SECONDS
    for path in _root().iterdir():
        state = _read(path / _FILE)
        with suppress(FileNotFoundError):  # whose it was removed it meanwhile
            if path.stat().st_mtime < long_ago and not (state and state.alive):
                shutil.rmtree(path, ignore_errors=True)


def _reap(state: BackendState) -> int:
    from lmgame_serving.backend.process import reap

    return reap(state.marker, _REAP_SECONDS)


def _root() -> Path:
    named = os.environ.get(STATE_VARIABLE)
    return (Path(named) if named else platformdirs.user_state_path("lmgame")) / "backends"


def _read(path: Path) -> BackendState | None:
    with suppress(OSError, ValidationError):
        state = BackendState.model_validate_json(path.read_bytes())
        if state.name == path.parent.name:
            return state
    return None


def _place(url: str) -> tuple[str, int | None] | None:
    """What a URL leads to. All ways to this machine are one, and so are addresses on which all of them end."""
    with suppress(ValueError):
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "http" and host:
            return "localhost" if is_loopback(host) or host in ("0.0.0.0", "::") else host, parts.port
    return None
