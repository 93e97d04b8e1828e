"""Frames of Tetris Versus: two boards side by side, each as in the frames of Tetris, under a line that says whose.

The frame is 576 × 416 pixels, both multiples of 32. A seat sees its own board on the left; spectators see seat 0 there.
What is beside a board is as in Tetris, but ATTACK (lines of attack made) for the score, and INCOMING: lines of garbage
that wait to come in, which a red bar left of the board shows as well, as high as they will be. The other player's next
pieces are not shown to a seat.
"""

from functools import cache

import numpy as np

from lmgame_games.tetris.picture import HEIGHT, picture_of
from lmgame_games.tetris.render import (
    ALERT,
    BACKGROUND,
    BOARD_Y,
    CELL,
    FRAME_HEIGHT,
    FRAME_WIDTH,
    GARBAGE_CODE,
    PANEL_X,
    TEXT,
    Colour,
    Number,
    Renderer,
    write,
)
from lmgame_games.tetris.view import GARBAGE_KIND
from lmgame_games.tetris_versus.engine import VersusEngine

HEAD = 32
"""Pixels above the boards."""
WIDTH_OF_BOTH, HEIGHT_OF_BOTH = 2 * FRAME_WIDTH, HEAD + FRAME_HEIGHT
_BAR = slice(1, 9)
_GARBAGE = bytes(GARBAGE_CODE if kind == GARBAGE_KIND else kind for kind in range(256))
_COLOURS: dict[str, Colour] = {"WON": (120, 220, 140), "LOST": ALERT}


class SideRenderer(Renderer):
    """Draws one side."""

    LABELS = (
        ("INCOMING", 0, 222),
        ("LINES", 0, 264),
        ("LEVEL", 50, 264),
        ("PIECES", 0, 306),
        ("ANGLE", 50, 306),
        ("ATTACK", 0, 348),
    )

    def __init__(self, shown: int) -> None:
        super().__init__()
        self._shown = shown
        if shown:
            self.LABELS = (("NEXT", 0, 52), *self.LABELS)

    def draw_onto(self, target: np.ndarray, engine: VersusEngine) -> None:
        """Draw a side on `target`, uint8 (384, 288, 3)."""
        picture = picture_of(engine, shown=self._shown, guideline=True)
        picture.cells = picture.cells.translate(_GARBAGE)
        self._update(picture)
        self._attack.show(engine.attack)
        pending = engine.pending
        if pending != self._pending:
            self._pending = pending
            self._incoming.show(pending)
            self._bar[...] = _bar(min(pending, HEIGHT))
        target[...] = self._canvas

    def _start(self, has_hold: bool) -> None:
        super()._start(has_hold)
        self._pending = -1
        self._bar = self._canvas[BOARD_Y : BOARD_Y + HEIGHT * CELL, _BAR]
        self._incoming = Number(self._canvas, PANEL_X, 234, 4)
        self._attack = Number(self._canvas, PANEL_X, 360, 4)


class VersusRenderer:
    """Draws both sides for one who looks. What it drew before makes a frame faster and never different.

    Args:
        shown: Next pieces shown on the left and on the right.
        names: What stands above each side.
    """

    def __init__(self, shown: tuple[int, int], names: tuple[str, str]) -> None:
        self._sides = tuple(SideRenderer(count) for count in shown)
        self._names = names

    def draw(self, engines: tuple[VersusEngine, VersusEngine], words: tuple[str, str]) -> np.ndarray:
        """The frame, a fresh uint8 array of shape (416, 576, 3).

        Args:
            engines: The left side and the right one.
            words: How the game ended for each: `WON`, `LOST`, `DRAW`; empty while it goes on.
        """
        frame = np.empty((HEIGHT_OF_BOTH, WIDTH_OF_BOTH, 3), np.uint8)
        for number, (side, engine) in enumerate(zip(self._sides, engines, strict=True)):
            left = slice(number * FRAME_WIDTH, (number + 1) * FRAME_WIDTH)
            frame[:HEAD, left] = _head(self._names[number], words[number])
            side.draw_onto(frame[HEAD:, left], engine)
        return frame


@cache
def _head(name: str, word: str) -> np.ndarray:
    """What stands above a side, uint8 (32, 288, 3)."""
    head = np.empty((HEAD, FRAME_WIDTH, 3), np.uint8)
    head[:] = BACKGROUND
    write(head, name, 32, 8, TEXT, 2)
    write(head, word, 32 + 14 * (len(name) + 1), 8, _COLOURS.get(word, TEXT), 2)
    return head


@cache
def _bar(lines: int) -> np.ndarray:
    """The bar of pending garbage, uint8 (320, 8, 3): a red piece a line, from below."""
    bar = np.empty((HEIGHT * CELL, _BAR.stop - _BAR.start, 3), np.uint8)
    bar[:] = BACKGROUND
    for line in range(HEIGHT - lines, HEIGHT):
        bar[line * CELL + 1 : (line + 1) * CELL] = ALERT
    return bar
