"""Reading records that an older lmgame wrote.

The rule: whoever raises `SCHEMA_VERSION` from N to N+1 adds `MIGRATIONS[N]`, whose functions take what version N
wrote and return what version N+1 would have written. Readers go up step by step. Files are never rewritten.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lmgame_common import RecordError
from lmgame_leaderboards.schema import SCHEMA_VERSION


def _unchanged(record: dict[str, Any]) -> dict[str, Any]:
    return record


@dataclass(frozen=True, slots=True)
class Migration:
    """One step up. Each function may change the dict it gets and returns the one to go on with."""

    run: Callable[[dict[str, Any]], dict[str, Any]] = _unchanged
    """For the content of `run.json`."""
    arena: Callable[[dict[str, Any]], dict[str, Any]] = _unchanged
    """For the content of `arena.json`."""
    line: Callable[[dict[str, Any]], dict[str, Any]] = _unchanged
    """For each line of a game's record, the header included."""


MIGRATIONS: dict[int, Migration] = {}
"""By the version that is read; version 1 is the first, so there is nothing to migrate yet."""


def check_version(version: object, where: str, writer: str | None, newest: int = SCHEMA_VERSION) -> int:
    """The version a record says it has, if this lmgame can read it.

    Args:
        version: What stands in the record's `schema_version`.
        where: The file, for messages.
        writer: The version of lmgame that wrote it, where known.
        newest: The newest version that this lmgame reads.

    Raises:
        RecordError: For a version newer than `newest`, and for what is no version at all.
    """
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise RecordError(f"{where}: schema_version should be a number such as {newest}, and is {version!r}.")
    if version > newest:
        install = f"'lmgame>={writer}'" if writer else "--upgrade lmgame"
        raise RecordError(
            f"{where} was written by {f'lmgame {writer}' if writer else 'a newer lmgame'} in record format {version}; "
            f"this lmgame reads formats up to {newest}. Run: uv pip install {install}"
        )
    return version


def steps_from(version: int, where: str) -> list[Migration]:
    """The steps from `version` up to `SCHEMA_VERSION`, in order.

    Raises:
        RecordError: If one is missing, which only a record from a version that never was can bring about.
    """
    missing = [number for number in range(version, SCHEMA_VERSION) if number not in MIGRATIONS]
    if missing:
        raise RecordError(f"{where} has record format {version}, which this lmgame can't read: it is none of ours.")
    return [MIGRATIONS[number] for number in range(version, SCHEMA_VERSION)]
