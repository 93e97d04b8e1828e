"""The folder of a run: who may write in it, which run it holds, and how far that run is."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from filelock import FileLock
from pydantic import BaseModel, ValidationError

from lmgame_common import RecordError
from lmgame_leaderboards.disk import write_whole
from lmgame_leaderboards.folder_lock import check_empty, discard_folder, lock_folder, unlock_folder
from lmgame_leaderboards.migrations import check_version, steps_from
from lmgame_leaderboards.records import is_finished
from lmgame_leaderboards.schema import SCHEMA_VERSION, GameRequest, RunRecord, Versions, request_id

RUN_FILE, EPISODES = "run.json", "episodes"

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
    data, version = read_document(
        file, f"{path} is no run folder: it has no {RUN_FILE}. Give the folder that `lmgame play` named at its end."
    )
    for step in steps_from(version, str(file)):
        data = step.run(data)
    try:
        return RunRecord.model_validate({**data, "schema_version": SCHEMA_VERSION}), version
    except ValidationError as error:
        raise invalid(file, error) from error


def read_document(file: Path, missing: str) -> tuple[dict[str, Any], int]:
    """The JSON object that says what was begun in a folder, and the format version it was written in.

    Args:
        file: `run.json`, or its like.
        missing: What to say where there is none.

    Raises:
        RecordError: If it is missing, damaged, or from a newer lmgame.
    """
    try:
        content = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise RecordError(missing) from None
    except UnicodeDecodeError as error:
        raise damaged(file, str(error)) from error
    except OSError as error:
        raise RecordError(f"Can't read {file}: {error.strerror}.") from error
    try:
        data = json.loads(content)
        if not isinstance(data, dict):
            raise ValueError("it must be a JSON object")
    except (ValueError, RecursionError) as error:
        raise damaged(file, str(error)) from error
    versions = data.get("versions")
    writer = versions.get("lmgame") if isinstance(versions, dict) else None
    return data, check_version(data.get("schema_version"), str(file), writer)


def damaged(file: Path, why: str) -> RecordError:
    """The error to raise when a folder's own record can't be understood."""
    return RecordError(
        f"{file} is damaged ({why}). Its episodes are still there; to play the run again, use --fresh or another --out."
    )


def invalid(file: Path, error: ValidationError) -> RecordError:
    """The same, for the first fault that was found in it."""
    first = error.errors(include_url=False)[0]
    return damaged(file, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")


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
        lock = lock_folder(path)
        try:
            continued = (path / RUN_FILE).exists()
            if continued:
                record = _same_run(path, record)
            else:
                check_empty(path, RUN_FILE)
                write_whole(path / RUN_FILE, record.model_dump_json(indent=1).encode() + b"\n")
        except BaseException:
            lock.release()
            raise
        return cls(path, record, lock, continued=continued)

    def discard_if_unplayed(self) -> None:
        """Take a run back of which nothing was played, so that its folder is free for a corrected request."""
        discard_folder(self.path, self._lock, RUN_FILE, EPISODES)

    def close(self) -> None:
        """Let others use the folder. Closing twice does nothing."""
        unlock_folder(self.path, self._lock)

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


def _same_run(path: Path, asked: RunRecord) -> RunRecord:
    """The record of the run in this folder, if it may be continued as what is asked for now."""
    found, version = _load(path)
    check_format(path, version, found.versions)
    if request_id(found.request) != request_id(asked.request):
        differing = differences(found.request, asked.request)
        raise RecordError(f"{path} holds another run, which differs in {differing}. Use another --out.")
    reasons = changed_rules(found.request.games, asked.request.games)
    reasons += [
        f"the prompt of {key} changed"
        for key in sorted(found.prompt_hashes.keys() | asked.prompt_hashes.keys())
        if found.prompt_hashes.get(key) != asked.prompt_hashes.get(key)
    ]
    if found.versions.rom != asked.versions.rom:
        reasons.append("the cartridge image is another one")
    if found.versions.weights != asked.versions.weights:
        reasons.append("the model's weights are others")
    check_unchanged(path, found.versions, reasons)
    return found


def check_format(path: Path, version: int, began: Versions) -> None:
    """Raise RecordError if what was begun in a folder is in an older record format, which can only be read.

    Args:
        path: The folder.
        version: The format it was written in.
        began: What began it.
    """
    if version != SCHEMA_VERSION:
        raise RecordError(
            f"{path} was begun in record format {version}; this lmgame writes {SCHEMA_VERSION} and can only read it. "
            f"Continue it with lmgame {began.lmgame}, or use --fresh to play it anew in a new folder."
        )


def changed_rules(found: Sequence[GameRequest], asked: Sequence[GameRequest]) -> list[str]:
    """In words, the games whose rules have changed since; both name the same games in the same order."""
    return [
        f"the rules of {now.game} changed from version {then.version} to {now.version}"
        for then, now in zip(found, asked, strict=True)
        if then.version != now.version
    ]


def check_unchanged(path: Path, began: Versions, reasons: Sequence[str], what: str = "run") -> None:
    """Raise RecordError if there are reasons not to continue what was begun in a folder.

    Args:
        path: The folder.
        began: What began it.
        reasons: In words, what has changed since.
        what: What is in the folder, in one word.
    """
    if reasons:
        raise RecordError(
            f"{path} can't be continued: since it began with lmgame {began.lmgame}, {', '.join(reasons)}. "
            f"Results of the two don't belong together. Use --fresh to play the {what} anew in a new folder."
        )


def differences(found: BaseModel, asked: BaseModel) -> str:
    """The fields in which two requests differ, each with both values."""
    there, now = found.model_dump(mode="json"), asked.model_dump(mode="json")
    return ", ".join(
        f"{key} ({_short(there.get(key))} there, {_short(now.get(key))} asked for)"
        for key in now | there
        if there.get(key) != now.get(key)
    )


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
