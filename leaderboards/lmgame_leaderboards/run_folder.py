"""The folder of a run: who may write in it, which run it holds, and how far that run is."""

import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

from filelock import FileLock, Timeout
from pydantic import ValidationError

from lmgame_common import RecordError
from lmgame_leaderboards.disk import unwritable, write_whole
from lmgame_leaderboards.migrations import check_version, steps_from
from lmgame_leaderboards.records import is_finished
from lmgame_leaderboards.schema import SCHEMA_VERSION, RunRecord, request_id

RUN_FILE, EPISODES, LOCK, OWNER = "run.json", "episodes", ".lock", ".owner"

EpisodeState = Literal["missing", "cut off", "done"]


def run_path(run: str, parent: Path = Path("runs")) -> Path:
    """Where a run with that id lives unless `--out` says otherwise."""
    return parent / run


def fresh_folder(path: Path) -> Path:
    """`path` if nothing is there, else the first of `path-2`, `path-3`, … where nothing is."""
    number, candidate = 1, path
    while os.path.lexists(candidate):
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate


def read_run(path: Path) -> RunRecord:
    """Read the record of a run. Takes no lock: a run may be read while it goes on.

    Args:
        path: The run's folder.

    Raises:
        RecordError: If there is no run, its record is damaged, or a newer lmgame wrote it.
    """
    return _load(path)[0]


def _load(path: Path) -> tuple[RunRecord, int]:
    """The record, and the format version it was written in."""
    file = path / RUN_FILE
    try:
        content = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise RecordError(
            f"{path} is no run folder: it has no {RUN_FILE}. Give the folder that `lmgame play` named at its end."
        ) from None
    except UnicodeDecodeError as error:
        raise _damaged(file, str(error)) from error
    except OSError as error:
        raise RecordError(f"Can't read {file}: {error.strerror}.") from error
    try:
        data = json.loads(content)
        if not isinstance(data, dict):
            raise ValueError("it must be a JSON object")
    except (ValueError, RecursionError) as error:
        raise _damaged(file, str(error)) from error
    versions = data.get("versions")
    writer = versions.get("lmgame") if isinstance(versions, dict) else None
    version = check_version(data.get("schema_version"), str(file), writer)
    for step in steps_from(version, str(file)):
        data = step.run(data)
    try:
        return RunRecord.model_validate({**data, "schema_version": SCHEMA_VERSION}), version
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _damaged(file, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error


def _damaged(file: Path, why: str) -> RecordError:
    return RecordError(
        f"{file} is damaged ({why}). Its episodes are still there; to play the run again, use --fresh or another --out."
    )


class RunFolder:
    """A run's folder, locked for this process until `close`, or until the process dies however it may."""

    def __init__(self, path: Path, record: RunRecord, lock: FileLock, *, continued: bool) -> None:
        self.path, self.record, self._lock = path, record, lock
        self.continued = continued
        """Whether the run was begun before."""

    @classmethod
    def open(cls, path: Path, record: RunRecord) -> Self:
        """Begin a run in a new or empty folder, or continue the same run in its folder.

        Args:
            path: The folder; it and its parents are made if they don't exist.
            record: What is asked for now, from `RunRecord.begin`. A run that goes on keeps the record it began with.

        Raises:
            RecordError: If the path is a file or not writable, a live process uses the folder, it holds something
                else or another run, or the run began under other rules, prompts or another record format.
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
                f"{path} is in use by {_owner(path)}. Wait for that run to end or stop it, or use another --out."
            ) from None
        except OSError as error:
            raise unwritable(path, error) from error
        try:
            _write_owner(path)
            continued = (path / RUN_FILE).exists()
            if continued:
                record = _same_run(path, record)
            else:
                _check_empty(path)
                write_whole(path / RUN_FILE, record.model_dump_json(indent=1).encode() + b"\n")
        except BaseException:
            lock.release()
            raise
        return cls(path, record, lock, continued=continued)

    def discard_if_unplayed(self) -> None:
        """Take a run back of which nothing was played, so that its folder is free for a corrected request."""
        with suppress(OSError):
            if any((self.path / EPISODES).glob("*")):
                return
            (self.path / RUN_FILE).unlink(missing_ok=True)
            self.close()
            for left_over in (EPISODES, LOCK):
                path = self.path / left_over
                path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
            self.path.rmdir()

    def close(self) -> None:
        """Let others use the folder. Closing twice does nothing."""
        if self._lock.is_locked:
            with suppress(OSError):
                (self.path / OWNER).unlink(missing_ok=True)
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def episode_path(self, episode: str) -> Path:
        """The file of an episode's record. Raises RecordError for an id that can't name a file."""
        return episode_path(self.path, episode)

    def state(self, episode: str) -> EpisodeState:
        """How far an episode is, from the end of its record alone."""
        path = self.episode_path(episode)
        if not path.exists():
            return "missing"
        return "done" if is_finished(path) else "cut off"

    def states(self) -> dict[str, EpisodeState]:
        """How far each episode asked for is, in the order asked."""
        return {episode: self.state(episode) for episode in self.record.episodes()}

    @property
    def finished(self) -> bool:
        """Whether every episode asked for is done."""
        return all(self.state(episode) == "done" for episode in self.record.episodes())


def episode_path(run: Path, episode: str) -> Path:
    """The file of an episode's record in a run's folder. Raises RecordError for an id that can't name a file."""
    if not episode or any(sign in episode for sign in "/\\:\0"):
        raise RecordError(f"{episode!r} can't name an episode's file; names of games and presets have no / \\ or :.")
    return run / EPISODES / f"{episode}.jsonl"


def _owner(path: Path) -> str:
    """Who holds the lock, as they wrote it down; the lock itself, not this note, decides."""
    try:
        owner = (path / OWNER).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        owner = ""
    return owner or "another process"


def _write_owner(path: Path) -> None:
    try:
        (path / OWNER).write_text(f"process {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error) from error


def _check_empty(path: Path) -> None:
    """A folder without `run.json` may hold only what a process that died while beginning a run left behind."""
    own = {LOCK, OWNER, f"{RUN_FILE}.draft"}
    if others := sorted(entry.name for entry in path.iterdir() if entry.name not in own):
        with suppress(OSError):
            (path / OWNER).unlink()
            (path / LOCK).unlink()
        raise RecordError(
            f"{path} holds {others[0]!r} and is no run folder. Choose a new or empty folder with --out; nothing there "
            "was changed."
        )


def _same_run(path: Path, asked: RunRecord) -> RunRecord:
    """The record of the run in this folder, if it may be continued as what is asked for now."""
    found, version = _load(path)
    if version != SCHEMA_VERSION:
        raise RecordError(
            f"{path} was begun in record format {version}; this lmgame writes {SCHEMA_VERSION} and can only read it. "
            f"Continue it with lmgame {found.versions.lmgame}, or use --fresh to play it anew in a new folder."
        )
    if request_id(found.request) != request_id(asked.request):
        raise RecordError(
            f"{path} holds another run, which differs in {_differences(found, asked)}. Use another --out."
        )
    reasons = [
        f"the rules of {now.game} changed from version {then.version} to {now.version}"
        for then, now in zip(found.request.games, asked.request.games, strict=True)
        if then.version != now.version
    ]
    reasons += [
        f"the prompt of {key} changed"
        for key in sorted(found.prompt_hashes.keys() | asked.prompt_hashes.keys())
        if found.prompt_hashes.get(key) != asked.prompt_hashes.get(key)
    ]
    if found.versions.rom != asked.versions.rom:
        reasons.append("the cartridge image is another one")
    if found.versions.weights != asked.versions.weights:
        reasons.append("the model's weights are others")
    if reasons:
        raise RecordError(
            f"{path} can't be continued: since it began with lmgame {found.versions.lmgame}, {', '.join(reasons)}. "
            "Results of the two don't belong together. Use --fresh to play the run anew in a new folder."
        )
    return found


def _differences(found: RunRecord, asked: RunRecord) -> str:
    """The fields in which two requests differ, each with both values."""
    there, now = found.request.model_dump(mode="json"), asked.request.model_dump(mode="json")
    return ", ".join(
        f"{key} ({_short(there.get(key))} there, {_short(now.get(key))} asked for)"
        for key in now | there
        if there.get(key) != now.get(key)
    )


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
