"""Stills of an episode: how the game stood before each decision, and at the end.

Whoever has a record can play its moves again and needs no stills. Where moves take long, as in an emulator, that is a
long wait for whoever wants to see the end; so such games are drawn once, while they are played. FORMAT.md describes the
file, which lies beside the record and may be deleted at any time.
"""

import base64
import io
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from lmgame_common import printable

LONGEST = 1 << 20
"""Bytes of a line beyond which it is none of ours; one of Super Mario Bros takes 2,300."""
MOST = 1 << 27
"""Bytes of a file beyond which it is none of ours: readers may hold all of it."""
LARGEST = 1 << 22
"""Pixels of a frame beyond which it is none of ours."""


def stills_path(record: Path) -> Path:
    """Where the stills of a record are."""
    return record.with_suffix(".stills")


def picture(frame: NDArray[np.uint8]) -> bytes:
    """A frame, uint8 of shape (height, width, 3), as WebP without loss."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "WEBP", lossless=True, method=1, quality=0)
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Still:
    """A game at one moment."""

    webp: bytes
    """The frame, as `picture` packs it."""
    text: str
    """The text view, as `printable`."""
    seconds: float
    """Of the game's own time since its beginning."""


class StillsWriter:
    """Keeps the stills of one episode, from its beginning. What can't be written is left out: a record is whole
    without them. Not for use by several threads at once.

    Args:
        record: The episode's record. Stills that there are of it are begun anew.
    """

    def __init__(self, record: Path) -> None:
        self._file: BinaryIO | None = None
        with suppress(OSError):
            self._file = stills_path(record).open("wb", buffering=0)

    def add(self, frame: NDArray[np.uint8], text: str, *, score: float, seconds: float) -> None:
        """Keep the next moment.

        Args:
            frame: uint8 of shape (height, width, 3).
            text: The text view.
            score: So far.
            seconds: Of the game's own time since its beginning.
        """
        if self._file is None:
            return
        still = {
            "score": float(score),
            "seconds": round(seconds, 3),
            "text": text,
            "frame": base64.b64encode(picture(frame)).decode(),
        }
        line = json.dumps(still, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
        try:
            written = self._file.write(line)
        except OSError:
            written = 0
        if written < len(line):  # a full disk; what would come after a torn line could not be told apart from it
            self.close()

    def close(self) -> None:
        """Let go of the file. Closing twice does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    score: float
    seconds: Annotated[float, Field(ge=0)]
    text: str
    frame: str


class Stills:
    """The stills of a record, as far as they go. Not for use by several threads at once.

    Args:
        record: The record; it may still grow, and need not have any.
    """

    def __init__(self, record: Path) -> None:
        self._path = stills_path(record)
        self._file: tuple[int, ...] = ()
        """Which file it was that was looked through, and how large and old."""
        self._starts = [0]
        """Where each of its lines begins; the last one is where the next one would."""

    def at(self, moment: int, score: float | None) -> Still | None:
        """The game at one moment; None where there is no still of it.

        Args:
            moment: Decisions before it.
            score: What the record has as the score then. A still with another one is of another episode. None before
                the first decision, where records have none.
        """
        try:
            if not self._path.is_file():  # nor a pipe, which nobody may ever write to
                return None
            with self._path.open("rb") as file:
                line = self._line(file, moment)
            return None if line is None else _still(line, score)
        except (OSError, ValueError, RecursionError):
            return None

    def _line(self, file: BinaryIO, moment: int) -> bytes | None:
        about = os.fstat(file.fileno())
        if about.st_size > MOST:
            return None
        found = about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns
        if found != self._file:
            self._file, self._starts = found, [0]
            while (line := file.readline(LONGEST)).endswith(b"\n"):
                self._starts.append(self._starts[-1] + len(line))
        if moment + 1 >= len(self._starts):
            return None
        file.seek(self._starts[moment])
        return file.read(self._starts[moment + 1] - self._starts[moment])


def _still(raw: bytes, score: float | None) -> Still | None:
    """A line's still; None if it is of another score. Raises ValueError or RecursionError if it is no still."""
    line = _Line.model_validate_json(raw)
    webp = base64.b64decode(line.frame, validate=True)
    width, height = _size(webp)
    if width * height > LARGEST:
        raise ValueError("a frame larger than any game's")
    return Still(webp, printable(line.text), line.seconds) if score is None or line.score == score else None


def _size(webp: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the header of a file in WebP's simple lossless format (RFC 9649, 2.6 and 3.4);
    nothing is unpacked. Raises ValueError if it is none."""
    whole = webp[:4] == b"RIFF" and len(webp) == 8 + int.from_bytes(webp[4:8], "little") > 25
    if not whole or webp[8:16] != b"WEBPVP8L" or webp[20] != 0x2F:
        raise ValueError("no lossless WebP")
    bits = int.from_bytes(webp[21:25], "little")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
