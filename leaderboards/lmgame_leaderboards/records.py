"""Episode records: JSON lines, appended to and never rewritten.

A killed process leaves at most one torn line, the last one, which readers drop and the next writer cuts off. Every
line is handed to the operating system before the writer returns; the outcome also reaches the disk itself.
"""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from lmgame_common import RecordError
from lmgame_leaderboards.disk import sync_folder, unwritable
from lmgame_leaderboards.migrations import Migration, check_version, steps_from
from lmgame_leaderboards.schema import (
    SCHEMA_VERSION,
    DecisionLine,
    FaultLine,
    HeaderLine,
    OutcomeLine,
    RestartLine,
)

IDENTITY = ("episode", "game", "preset", "version", "options", "seed", "model", "clock", "observation", "seats")
"""Header fields that must be the same for a record to be continued."""

FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)

OUTCOME_ROOM = 8192
"""Bytes at a record's end among which its outcome must be; outcomes are short."""


@dataclass(slots=True)
class EpisodeLog:
    """An episode's record, as far as it goes."""

    path: Path
    header: dict[str, Any] = field(default_factory=dict)
    """Empty if the writer was killed before its first line was whole."""
    decisions: list[dict[str, Any]] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
    outcome: dict[str, Any] | None = None
    """None for an episode that was cut off."""
    void: list[dict[str, Any]] = field(default_factory=list)
    """Decisions that a restart has made void; they cost tokens, and nothing else is left of them."""


def read_episode(path: Path) -> EpisodeLog:
    """Read an episode's record. A torn last line is dropped.

    Raises:
        RecordError: If the file can't be opened, is no record, is damaged anywhere but in its last line, or was
            written by a newer lmgame.
    """
    return _read(path)[0]


def is_finished(path: Path) -> bool:
    """Whether a record ends with an outcome; looks at its end only, so it costs the same for any length.

    Raises:
        RecordError: If the file can't be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - OUTCOME_ROOM))
            tail = file.read()
    except OSError as error:
        raise RecordError(f"Can't read {path}: {error.strerror}.") from error
    try:
        line = json.loads(tail.removesuffix(b"\n").rpartition(b"\n")[2].decode())
    except (ValueError, RecursionError):
        return False
    return isinstance(line, dict) and line.get("type") == "outcome"


def _read(path: Path) -> tuple[EpisodeLog, bytes, int]:
    """The log, the file's content, and how many bytes of it are whole lines (the last may lack its newline)."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise RecordError(f"There is no episode record {path}.") from None
    except IsADirectoryError:
        raise RecordError(f"{path} is a directory; name one of the records in it, {path}/episodes/….jsonl.") from None
    except OSError as error:
        raise RecordError(f"Can't read {path}: {error.strerror}.") from error
    log = EpisodeLog(path)
    steps: list[Migration] = []
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    whole = 0
    for number, raw in enumerate(lines, 1):
        try:
            line = parsed(raw)
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                break
            raise _damaged(path, number, str(error)) from error
        if not isinstance(line.get("type"), str) and number == len(lines) > 1:
            break
        steps = take(log, line, number, steps)
        whole += len(raw) + 1
    return log, content, min(whole, len(content))


def parsed(raw: bytes) -> dict[str, Any]:
    """A line of a record. Raises ValueError or RecursionError if it is none."""
    line = json.loads(raw.decode())
    if not isinstance(line, dict):
        raise ValueError("a line must be a JSON object")
    return line


def take(log: EpisodeLog, line: dict[str, Any], number: int, steps: list[Migration]) -> list[Migration]:
    """Take a line into a log.

    Args:
        log: With all lines before it.
        line: From `parsed`.
        number: Its number in the file, from 1.
        steps: What this returned for the line before, of which the first one has none: how older formats are read.

    Raises:
        RecordError: If the first line is no header, a newer lmgame wrote the record, or the line is damaged.
    """
    if number == 1:
        if line.get("type") != "header":
            raise RecordError(f"{log.path} is no episode record: its first line must be a header.")
        version = check_version(line.get("schema_version"), str(log.path), line.get("lmgame"))
        steps = steps_from(version, str(log.path))
    for step in steps:
        line = step.line(line)
    _sort_in(log, line, number)
    return steps


def _sort_in(log: EpisodeLog, line: dict[str, Any], number: int) -> None:
    """Put one line where it belongs. Kinds that we don't know are skipped: a later lmgame may have added them."""
    kind = line.get("type")
    if not isinstance(kind, str):
        raise _damaged(log.path, number, "it has no type")
    adapter = _adapters().get(kind)
    if adapter is None:
        return
    try:
        adapter.validate_python(line, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _damaged(log.path, number, f"{where}: {first['msg']}") from error
    if kind == "header":
        if log.header:
            raise _damaged(log.path, number, "a second header")
        log.header = line
    elif log.outcome is not None:
        raise _damaged(log.path, number, "the episode was over before it")
    elif kind == "decision":
        if line["index"] != len(log.decisions):
            raise _damaged(log.path, number, f"decision {line['index']} where {len(log.decisions)} was due")
        log.decisions.append(line)
    elif kind == "fault":
        log.faults.append(line)
    elif kind == "restart":
        log.void += log.decisions
        log.decisions = []
    else:
        log.outcome = line


@cache
def _adapters() -> dict[str, TypeAdapter[Any]]:
    return {
        "header": TypeAdapter(HeaderLine),
        "decision": TypeAdapter(DecisionLine),
        "fault": TypeAdapter(FaultLine),
        "restart": TypeAdapter(RestartLine),
        "outcome": TypeAdapter(OutcomeLine),
    }


def _damaged(path: Path, number: int, why: str) -> RecordError:
    return RecordError(
        f"{path}, line {number} is damaged ({why}). Keep what stands before it by deleting that line and all after it, "
        "or move the file away; then run the same command again, which plays the rest anew."
    )


def _scalar(value: Any) -> Any:
    """JSON for numpy's scalars, which games of other people may well have as scores."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_scalar)


@cache
def _own_version() -> str | None:
    try:
        return version("lmgame")
    except PackageNotFoundError:
        return None


class EpisodeWriter:
    """Appends to one episode's record. Not for use by several threads at once."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor
        self._size = 0

    @classmethod
    def open(cls, path: Path, header: Mapping[str, Any]) -> Self:
        """Begin an episode's record, or continue one that was cut off: its torn last line, if any, is cut off.

        Args:
            path: The `.jsonl` file; its folder is made if it doesn't exist.
            header: The fields of a `HeaderLine`; `type`, `schema_version` and `lmgame` are added.

        Raises:
            RecordError: If the file can't be written, is damaged, is of another format version, is finished, or was
                begun under another header.
        """
        first = {"type": "header", "schema_version": SCHEMA_VERSION, "lmgame": _own_version(), **header}
        line = _encode(path, first)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, FLAGS, 0o666)
        except OSError as error:
            raise unwritable(path, error) from error
        writer = cls(path, descriptor)
        try:
            log, content, whole = _read(path)
            if log.header:
                _check_continuable(log, json.loads(line))
            writer._size = whole
            if whole < len(content):
                os.ftruncate(descriptor, whole)
            if whole and content[whole - 1 : whole] != b"\n":
                writer._append(b"\n")
            if not log.header:
                writer._append(line)
        except OSError as error:
            writer.close()
            raise unwritable(path, error) from error
        except BaseException:
            writer.close()
            raise
        return writer

    def decision(self, **fields: Any) -> None:
        """Append a `DecisionLine`; `time` is added where it is not given. Raises RecordError if it can't be."""
        self._write("decision", fields)

    def fault(self, **fields: Any) -> None:
        """Append a `FaultLine`; `time` is added where it is not given. Raises RecordError if it can't be."""
        self._write("fault", fields)

    def restart(self, **fields: Any) -> None:
        """Append a `RestartLine`, which makes all decisions so far void. Raises RecordError if it can't be."""
        self._write("restart", fields)

    def outcome(self, **fields: Any) -> None:
        """Append the `OutcomeLine` and see the whole record onto the disk. Raises RecordError if it can't be."""
        self._write("outcome", fields)
        try:
            os.fsync(self._open_descriptor())
            sync_folder(self.path.parent)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def close(self) -> None:
        """Let go of the file; what was appended stays. Closing twice does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise RecordError(f"{self.path} is closed; open it again to go on writing.")
        return self._descriptor

    def _write(self, kind: str, fields: dict[str, Any]) -> None:
        if "time" not in fields:
            fields["time"] = time.time()
        self._append(_encode(self.path, {"type": kind, **fields}))

    def _append(self, line: bytes) -> None:
        """Append all of it or nothing: what a full disk took half of is cut off again, so the next try starts clean."""
        descriptor = self._open_descriptor()
        try:
            written = os.write(descriptor, line)
            while written < len(line):
                written += os.write(descriptor, line[written:])
        except OSError as error:
            with suppress(OSError):  # If that fails too, the torn line stays, and readers drop it.
                os.ftruncate(descriptor, self._size)
            raise unwritable(self.path, error) from error
        self._size += written


def _encode(path: Path, line: Mapping[str, Any]) -> bytes:
    try:
        # Halves of surrogate pairs, which some servers send, have no form in UTF-8 and become question marks.
        return (_ENCODER.encode(line) + "\n").encode("utf-8", "replace")
    except (TypeError, ValueError, RecursionError) as error:
        raise RecordError(f"{path}: a {line['type']} can't be recorded: {error}.") from error


def _check_continuable(log: EpisodeLog, header: Mapping[str, Any]) -> None:
    if log.outcome is not None:
        raise RecordError(f"{log.path}: this episode is finished. Use --fresh to play it again in a new folder.")
    if (found := log.header["schema_version"]) != SCHEMA_VERSION:
        raise RecordError(
            f"{log.path} was begun in record format {found}; this lmgame writes {SCHEMA_VERSION} and can only read it. "
            "Continue it with the lmgame that began it, or use --fresh to play it anew in a new folder."
        )
    for key in IDENTITY:
        if _told(log.header, key) != _told(header, key):
            raise RecordError(
                f"{log.path} was begun with {key} {log.header.get(key)!r}, and is now asked for with "
                f"{header.get(key)!r}. Use --fresh, or another --out, to keep the two apart."
            )


def _told(header: Mapping[str, Any], key: str) -> Any:
    """A field of the header, without what may change when a record is continued: a server may move."""
    if key != "seats" or header.get(key) is None:
        return header.get(key)
    return [{**seat, "player": {**seat["player"], "base_url": None}} for seat in header[key]]
