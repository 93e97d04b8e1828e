"""Where records lie: the folders of runs and arenas that are shown, by ids of ours.

Pages name folders and records by these ids alone. What a request asks for is looked up among what is there; nothing of
it ever becomes part of a path.
"""

import hashlib
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lmgame_leaderboards.arena_folder import ARENA_FILE, GAMES
from lmgame_leaderboards.intake import result_folders
from lmgame_leaderboards.run_folder import EPISODES, RUN_FILE

SCAN_EVERY = 3.0
"""Seconds for which a list of folders holds."""
RESERVED = re.compile(r"index(-[0-9]+)?|data|events")
"""Names of our own pages beside those of records."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A run's or an arena's folder."""

    id: str
    """Its name with a hash of its place, so that folders of one name are told apart."""
    path: Path
    arena: bool

    @property
    def records_path(self) -> Path:
        """The folder within that holds the records."""
        return self.path / (GAMES if self.arena else EPISODES)

    def records(self) -> dict[str, Path]:
        """All records in it, by id, sorted by name."""
        paths = sorted(self.records_path.glob("*.jsonl"), key=lambda path: _natural(path.stem))
        return {record_id(path): path for path in paths}


def record_id(path: Path) -> str:
    """What a record is called in addresses: its name, or a hash of a name that isn't plain."""
    return _plain(path.stem)


def _plain(name: str) -> str:
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,120}", name) and ".." not in name
    if plain and not RESERVED.fullmatch(name):
        return name
    return f"x{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:16]}"


def _natural(name: str) -> list[tuple[int, str]]:
    """So that 10 comes after 9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


class Shelf:
    """All folders that are shown: those under some roots, and those that the store's games came from.

    Args:
        roots: Folders to look in, at any depth.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = [root.absolute() for root in roots]
        self._found: dict[str, Folder] = {}
        self._known: dict[Path, Folder | None] = {}
        self._scanned = float("-inf")

    def folders(self) -> list[Folder]:
        """All folders, the one that was changed last first."""
        self._scan()
        return sorted(self._found.values(), key=lambda folder: (-changed(folder), folder.id))

    def folder(self, id_: str) -> Folder | None:
        """The folder of that id, if there is one."""
        if id_ not in self._found:
            self._scan()
        return self._found.get(id_)

    def record(self, folder: str, record: str) -> tuple[Folder, Path] | None:
        """A record by the ids of its folder and its own, if there is one."""
        found = self.folder(folder)
        path = found and found.records().get(record)
        return (found, path) if found and path else None

    def place(self, source: str) -> tuple[Folder, str] | None:
        """Folder and id of the record that lay there when it was taken in; None where there is no such folder."""
        path = Path(source)
        folder = path.parent.parent
        if path.parent.name not in (EPISODES, GAMES):
            return None
        if folder not in self._known:
            self._known[folder] = self._add(folder)
        found = self._known[folder]
        return (found, record_id(path)) if found else None

    def take(self, sources: Iterable[str]) -> None:
        """Look for the folders that the store's games came from."""
        one_each = {source[: max(source.rfind("/"), source.rfind("\\"))]: source for source in sources}
        for source in one_each.values():
            self.place(source)

    def _scan(self) -> None:
        if time.monotonic() - self._scanned < SCAN_EVERY:
            return
        self._scanned = time.monotonic()
        for root in self.roots:
            for path in result_folders(root):
                self._add(path)
        for id_, folder in list(self._found.items()):
            if not folder.path.is_dir():
                self._found.pop(id_, None)
                self._known.pop(folder.path, None)

    def _add(self, path: Path) -> Folder | None:
        try:
            arena = (path / ARENA_FILE).is_file()
            if not arena and not (path / RUN_FILE).is_file():
                return None
        except (OSError, ValueError):
            return None
        place = hashlib.sha256(str(path.resolve()).encode(errors="surrogateescape")).hexdigest()[:6]
        folder = Folder(f"{_plain(path.name)}-{place}", path, arena)
        return self._found.setdefault(folder.id, folder)


def changed(folder: Folder) -> float:
    """When something last began there, Unix time: 0 where that can't be told."""
    try:
        return max(folder.path.stat().st_mtime, folder.records_path.stat().st_mtime)
    except OSError:
        return 0.0
