"""Stills of an episode: how the game stood before each decision, and at the end.

Whoever has a record can play its moves again and needs no stills. Where moves take long, as in an emulator, that is a
long wait for whoever wants to see the end; so such games are drawn once, while they are played. FORMAT.md describes the
file, which lies beside the record and may be deleted at any time. Unlike replayed frames, stills prove nothing.
"""

import base64
import io
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

from pydantic import BaseModel, ConfigDict, Field

from lmgame_common import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LONGEST = 1 << 19
"""Bytes of a line beyond which it is none of ours; one of Super Mario Bros takes 2,300."""
LONGEST_TEXT = 20_000
"""Characters of a text view beyond which it is none of ours."""
MOST = 1 << 27
"""Bytes of a file beyond which it is none of ours: readers may hold all of it."""
LARGEST = 1 << 22
"""Pixels of a frame beyond which it is none of ours."""


def stills_path(record: Path) -> Path:
    """Where the stills of a record are."""
    return record.with_suffix(".stills")


def picture(frame: "NDArray[np.uint8]") -> bytes:
    """A frame, uint8 of shape (height, width, 3), as WebP without loss."""
    from PIL import Image  # slow to load, for those who only read records

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
        record: The episode's record. Stills that there are of it stay until `publish`.
    """

    def __init__(self, record: Path) -> None:
        self._path = stills_path(record)
        self._draft: Path | None = self._path.with_name(f"{self._path.name}.draft")
        """Where they go until they are published."""
        self._file: BinaryIO | None = None
        with suppress(OSError):
            # What lies there may be a link or a pipe, where the folder comes from somebody else.
            self._draft.unlink(missing_ok=True)
            self._file = self._draft.open("xb", buffering=0)

    def add(self, frame: "NDArray[np.uint8]", text: str, *, score: float, seconds: float) -> None:
        """Keep the next moment.

        Args:
            frame: uint8 of shape (height, width, 3).
            text: The text view.
            score: So far.
            seconds: Of the game's own time since its beginning.
        """
        if self._file is None:
            return
        try:
            packed = base64.b64encode(picture(frame)).decode()
            still = {"score": float(score), "seconds": round(seconds, 3), "text": text, "frame": packed}
            line = json.dumps(still, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
            whole = self._file.write(line) == len(line)
        except OSError:
            whole = False
        if not whole:  # a full disk; what came after a torn line could not be told apart from it
            self._let_go()

    def publish(self) -> None:
        """Let readers find what there is, and what comes, in place of what they found before."""
        if self._file is not None and self._draft is not None:
            with suppress(OSError):
                self._draft.replace(self._path)
                self._draft = None

    def close(self) -> None:
        """Let go of the file, which is deleted if it was never published. Closing twice does nothing."""
        self._let_go()
        if self._draft is not None:
            with suppress(OSError):
                self._draft.unlink(missing_ok=True)
            self._draft = None

    def _let_go(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    score: float
    seconds: Annotated[float, Field(ge=0)]
    text: Annotated[str, Field(max_length=LONGEST_TEXT)]
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
        """Where its lines begin, as far as it was looked through."""

    def of(self, decisions: Sequence[Mapping[str, Any]], moment: int) -> Still | None:
        """The game before that decision of a record, or after the last one; None where there is no still of it."""
        return self.at(moment, decisions[moment - 1]["score"] if moment else None)

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
        file.seek(self._starts[-1])
        while len(self._starts) < moment + 2:
            line = file.readline(LONGEST)
            if not line.endswith(b"\n"):
                return None
            self._starts.append(self._starts[-1] + len(line))
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
