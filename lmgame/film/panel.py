"""What stands below the boards in the film of a match: who plays, the score, the last answer, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lmgame_common import printable

HEIGHT = 100
"""Pixels of a panel."""
TITLE_HEIGHT = 32
NARROWEST = 288
"""Least width of a panel in pixels; narrower boards stand in the middle of it."""

Colour = tuple[int, int, int]
BACKGROUND: Colour = (14, 14, 20)
PANEL: Colour = (26, 27, 36)
TEXT: Colour = (235, 235, 235)
QUIET: Colour = (165, 175, 190)
ALERT: Colour = (255, 120, 105)
WON: Colour = (120, 220, 140)
_MARGIN = 10


@dataclass(frozen=True, slots=True)
class Caption:
    """What a panel says at one moment."""

    name: str
    score: float = 0.0
    moves: tuple[str, ...] = ()
    """Those of the last answer."""
    latency: float | None = None
    """Seconds the last answer took."""
    verdict: str = "ok"
    decisions: int = 0
    ending: str = ""
    """How the game ended for this player, once it has."""
    won: bool = False


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


@lru_cache(64)
def panel(caption: Caption, width: int) -> np.ndarray:
    """The panel as pixels, uint8 (`HEIGHT`, width, 3), read-only. Names and moves are printable text, cut to fit."""
    image = Image.new("RGB", (width, HEIGHT), PANEL)
    draw = ImageDraw.Draw(image)
    score = f"{caption.score:,.10g}"
    room = width - 2 * _MARGIN
    _line(draw, 8, caption.name, 17, TEXT, room - _width(score, 17) - _MARGIN)
    draw.text((width - _MARGIN - _width(score, 17), 8), score, TEXT, _font(17))
    moves = " ".join(caption.moves) or "–"
    _line(draw, 34, moves, 13, TEXT, room)
    latency = "" if caption.latency is None else f" in {caption.latency:.2f} s"
    answered = f"answer {caption.decisions}{latency}" if caption.decisions else "no answer yet"
    _line(draw, 54, answered, 13, QUIET, room)
    if caption.verdict != "ok":
        at = _MARGIN + _width(f"{answered}  ", 13)
        _line(draw, 54, caption.verdict, 13, ALERT, width - at - _MARGIN, at)
    if caption.ending:
        _line(draw, 74, caption.ending, 15, WON if caption.won else QUIET, room)
    return np.asarray(image)


def heading(header: Mapping[str, Any], speed: float) -> str:
    """What stands above the film of a match: what is played, and how much faster than it was."""
    told = f"{header['game']} · {header['preset']} · seed {header['seed']}"
    return told if speed == 1 else f"{told} · {speed:.3g} × speed"


def title(text: str, width: int) -> np.ndarray:
    """A line above the boards, uint8 (`TITLE_HEIGHT`, width, 3)."""
    image = Image.new("RGB", (width, TITLE_HEIGHT), BACKGROUND)
    _line(ImageDraw.Draw(image), 8, text, 14, QUIET, width - 2 * _MARGIN)
    return np.asarray(image).copy()


def _line(draw: ImageDraw.ImageDraw, y: int, text: str, size: int, colour: Colour, room: int, x: int = _MARGIN) -> None:
    draw.text((x, y), _fitting(" ".join(printable(text[:500]).split()), size, room), colour, _font(size))


def _fitting(text: str, size: int, room: int) -> str:
    """The text, or as much of its beginning as there is room for, with an ellipsis."""
    if _width(text, size) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _width(f"{text[:middle]}…", size) <= room else (low, middle - 1)
    return f"{text[:low]}…"


def _width(text: str, size: int) -> int:
    return int(_font(size).getlength(text)) + 1
