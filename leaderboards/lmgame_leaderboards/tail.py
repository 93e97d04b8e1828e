"""A record that may still grow, read as far as it goes, each byte once."""

import os
from pathlib import Path

from lmgame_common import RecordError
from lmgame_leaderboards.migrations import Migration
from lmgame_leaderboards.records import EpisodeLog, parsed, take

HEADROOM = 1 << 22
"""Bytes read at a time."""


class RecordTail:
    """Follows one episode's record.

    Args:
        path: The record.
    """

    def __init__(self, path: Path) -> None:
        self._begin(path)

    def _begin(self, path: Path) -> None:
        self.log = EpisodeLog(path)
        """The record so far. Grows in place; `decisions` is a new list once a restart has made the old ones void, and
        all of it is new once another file has taken its place."""
        self.size, self._lines = 0, 0
        """Bytes taken in."""
        self._file: tuple[int, int] | None = None
        """Which file it was."""
        self._steps: list[Migration] = []

    def read(self) -> bool:
        """Take in what has been written since the last time, in whole lines; whether there was anything.

        Raises:
            RecordError: If the file can't be read, is no record, or is damaged.
        """
        try:
            with self.log.path.open("rb") as file:
                about = os.fstat(file.fileno())
                if self._file not in (None, (about.st_dev, about.st_ino)) or about.st_size < self.size:
                    self._begin(self.log.path)
                self._file, began = (about.st_dev, about.st_ino), self.size
                file.seek(self.size)
                rest = b""
                while chunk := file.read(HEADROOM):
                    *whole, rest = (rest + chunk).split(b"\n")
                    for line in whole:
                        self._take(line)
        except OSError as error:
            raise RecordError(f"Can't read {self.log.path}: {error.strerror}.") from error
        return self.size > began

    def _take(self, raw: bytes) -> None:
        path, number = self.log.path, self._lines + 1
        try:
            line = parsed(raw)
        except (ValueError, RecursionError) as error:
            raise RecordError(f"{path}, line {number} is damaged ({error}).") from error
        self._steps = take(self.log, line, number, self._steps)
        self.size, self._lines = self.size + len(raw) + 1, number
