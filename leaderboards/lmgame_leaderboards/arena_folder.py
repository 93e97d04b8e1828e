"""The folder of an arena: who may write in it, what it holds, and where its games' records lie.

An arena grows: players and seeds may be added whenever it is asked for again, and only what is new is played. What may
not change, because its games would no longer be comparable, is its request.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lmgame_common import RecordError
from lmgame_leaderboards.disk import write_whole
from lmgame_leaderboards.folder_lock import check_empty, discard_folder, lock_folder, unlock_folder
from lmgame_leaderboards.migrations import steps_from
from lmgame_leaderboards.records import is_finished
from lmgame_leaderboards.run_folder import (
    changed_rules,
    check_format,
    check_unchanged,
    differences,
    invalid,
    read_document,
)
from lmgame_leaderboards.schema import SCHEMA_VERSION, GameRequest, PlayerRecord, Versions, canonical_json

ARENA_FILE, GAMES = "arena.json", "games"


class ArenaRequestRecord(BaseModel):
    """What may not change while an arena goes on: everything that could change an outcome, but for who plays.

    Fields added later must default to None, so that the ids of arenas made before stay as they are.
    """

    model_config = ConfigDict(extra="allow")

    games: list[GameRequest] = Field(min_length=1)
    seed: int = 0
    """The first seed; the others follow it."""
    sampling: dict[str, Any] = Field(default_factory=dict)
    """Temperature, top-p, most tokens an answer, reasoning effort, seconds an answer may take."""
    observation: str | None = None
    harness: list[str] = Field(default_factory=list)
    history: int = 0
    clock: str = "paused"
    max_decisions: int | None = None
    """None: each preset's own limit."""
    structured: bool | None = None

    @property
    def id(self) -> str:
        """The first 10 hex digits of the SHA-256 of its canonical JSON, without the games' versions."""
        asked = self.model_dump(mode="json")
        for game in asked["games"]:
            del game["version"]
        return hashlib.sha256(canonical_json(asked).encode()).hexdigest()[:10]


class ArenaRecord(BaseModel):
    """The content of `arena.json`. Written whole each time that a player is added."""

    model_config = ConfigDict(extra="allow")

    schema_version: int = SCHEMA_VERSION
    id: str
    request: ArenaRequestRecord
    players: list[PlayerRecord] = Field(default_factory=list)
    """All who have played here, in the order they came."""
    prompt_hashes: dict[str, str] = Field(default_factory=dict)
    """Hash of the prompt's fixed part, by `game/preset`."""
    versions: Versions
    created: str
    """UTC, ISO 8601."""
    command: str = ""
    """The command last given, which continues the arena."""

    @classmethod
    def begin(
        cls,
        request: ArenaRequestRecord,
        players: Iterable[PlayerRecord],
        versions: Versions,
        *,
        prompt_hashes: dict[str, str] | None = None,
        command: str = "",
    ) -> Self:
        """The record of an arena that begins now."""
        return cls(
            id=request.id,
            request=request,
            players=list(players),
            prompt_hashes=prompt_hashes or {},
            versions=versions,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            command=command,
        )


def arena_path(arena: str, parent: Path = Path("runs")) -> Path:
    """Where an arena with that id lives unless `--out` says otherwise."""
    return parent / f"arena-{arena}"


def game_path(arena: Path, game: str) -> Path:
    """The record of one game of an arena, by its id. Raises RecordError for an id that can't name a file."""
    if not game or any(sign in game for sign in "/\\:\0"):
        raise RecordError(f"{game!r} can't name a game's file; names of games and presets have no / \\ or :.")
    return arena / GAMES / f"{game}.jsonl"


def read_arena(path: Path) -> ArenaRecord:
    """Read the record of an arena. Takes no lock: an arena may be read while it goes on.

    Raises:
        RecordError: If there is no arena, its record is damaged, or a newer lmgame wrote it.
    """
    return _load(path)[0]


def _load(path: Path) -> tuple[ArenaRecord, int]:
    """The record, and the format version it was written in."""
    file = path / ARENA_FILE
    data, version = read_document(
        file, f"{path} is no arena's folder: it has no {ARENA_FILE}. Give the folder that `lmgame arena` named."
    )
    for step in steps_from(version, str(file)):
        data = step.arena(data)
    try:
        return ArenaRecord.model_validate({**data, "schema_version": SCHEMA_VERSION}), version
    except ValidationError as error:
        raise invalid(file, error) from error


class ArenaFolder:
    """An arena's folder, locked for this process until `close`, or until the process dies however it may."""

    def __init__(self, path: Path, record: ArenaRecord, lock: FileLock, *, continued: bool) -> None:
        self.path, self.record, self._lock = path, record, lock
        self.continued = continued
        """Whether the arena was begun before."""

    @classmethod
    def open(cls, path: Path, record: ArenaRecord) -> Self:
        """Begin an arena in a new or empty folder, or continue the same arena, with its new players, in its folder.

        Args:
            path: The folder; it and its parents are made if they don't exist.
            record: What is asked for now, from `ArenaRecord.begin`. An arena that goes on keeps all it has of its own
                but the command, and new players are added to its own.

        Raises:
            RecordError: If the path is a file or not writable, a live process uses the folder, it holds something
                else or another arena, or the arena began under other rules, prompts or another record format.
        """
        lock = lock_folder(path, "arena")
        try:
            continued = (path / ARENA_FILE).exists()
            if continued:
                record = _merged(_same_arena(path, record), record)
            else:
                check_empty(path, ARENA_FILE, "arena")
            write_whole(path / ARENA_FILE, record.model_dump_json(indent=1).encode() + b"\n")
        except BaseException:
            unlock_folder(path, lock)
            raise
        return cls(path, record, lock, continued=continued)

    def game_path(self, game: str) -> Path:
        """The record of one game, by its id. Raises RecordError for an id that can't name a file."""
        return game_path(self.path, game)

    def finished(self, game: str) -> bool:
        """Whether that game has been played to its end."""
        path = self.game_path(game)
        return path.exists() and is_finished(path)

    def discard_if_unplayed(self) -> None:
        """Take an arena back of which nothing was played, so that its folder is free for a corrected request."""
        discard_folder(self.path, self._lock, ARENA_FILE, GAMES)

    def close(self) -> None:
        """Let others use the folder. Closing twice does nothing."""
        unlock_folder(self.path, self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _merged(found: ArenaRecord, asked: ArenaRecord) -> ArenaRecord:
    """The arena in the folder with the players that are new."""
    known = {player.key for player in found.players}
    new = [player for player in asked.players if player.key not in known]
    return found.model_copy(
        update={
            "players": [*found.players, *new],
            "prompt_hashes": {**asked.prompt_hashes, **found.prompt_hashes},
            "command": asked.command or found.command,
        }
    )


def _same_arena(path: Path, asked: ArenaRecord) -> ArenaRecord:
    """The record of the arena in this folder, if it may be continued as what is asked for now."""
    found, version = _load(path)
    check_format(path, version, found.versions)
    if found.request.id != asked.request.id:
        differing = differences(found.request, asked.request)
        raise RecordError(f"{path} holds another arena, which differs in {differing}. Use another --out.")
    reasons = changed_rules(found.request.games, asked.request.games)
    reasons += [
        f"the prompt of {key} changed"
        for key in sorted(found.prompt_hashes.keys() & asked.prompt_hashes.keys())
        if found.prompt_hashes[key] != asked.prompt_hashes[key]
    ]
    if found.versions.rom != asked.versions.rom:
        reasons.append("the cartridge image is another one")
    check_unchanged(path, found.versions, reasons, "arena")
    return found
