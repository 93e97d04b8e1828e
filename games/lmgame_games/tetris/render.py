"""Frames of Tetris: a kept canvas, pre-drawn sprites, and only what changed since the last frame.

The frame is 288 × 384 pixels, whatever the preset. Vision models pay for pixels, so it is as small as stays readable:
cells of 16 pixels keep the grid visible after the down-sampling that vision encoders do, the board's corner lies on
a multiple of 32 and both sides are multiples of 32, so that neither 16- nor 32-pixel patches straddle cells or are
padded. Both sides stay within 384, the size up to which some providers charge one flat image.

Everything a player needs is on it: row numbers (0 is the highest visible row) and column numbers, the piece in play
(white border), its landing place (outline), locked cells (dark border), all these also where they stand out of the
board's top; hold (grey while it is spent), the next pieces, score, lines, level, locked pieces and how far the piece
has turned, in degrees clockwise. Once the game is over, GAME OVER takes the place of what stands out.
"""

from collections.abc import Iterable
from functools import cache

import numpy as np
from PIL import ImageFont

from lmgame_games.tetris.picture import HEIGHT, HIDDEN_ROWS_SHOWN, WIDTH, Picture

FRAME_WIDTH, FRAME_HEIGHT = 288, 384
CELL = 16
"""Side of a board cell in pixels."""
BOARD_X, BOARD_Y = 32, HIDDEN_ROWS_SHOWN * CELL
"""Pixel of the board's top left corner (of row 0, column 0)."""

_SMALL = 12
"""Side of a cell in the hold box and the queue."""
PANEL_X = 200
"""Pixel at which what is beside the board begins."""
_NEXT_Y, _NEXT_STEP, _QUEUE = 66, 30, 5

Colour = tuple[int, int, int]
BACKGROUND: Colour = (14, 14, 20)
GRID: Colour = (52, 52, 62)
FRAME: Colour = (150, 150, 160)
TEXT: Colour = (235, 235, 235)
LABEL: Colour = (165, 175, 190)
ALERT: Colour = (255, 90, 80)
SPENT: Colour = (95, 95, 100)
PIECES: tuple[Colour, ...] = (
    BACKGROUND,
    (0, 220, 230),  # I cyan
    (240, 215, 0),  # O yellow
    (175, 60, 230),  # T purple
    (40, 205, 60),  # S green
    (230, 45, 45),  # Z red
    (55, 95, 255),  # J blue
    (255, 150, 20),  # L orange
)
"""Colours by kind of piece, as the Tetris guideline gives them."""
GARBAGE: Colour = (172, 172, 178)

type Label = tuple[str, int, int]
"""Words, and their place right of `PANEL_X`."""

# Codes of a cell: which sprite lies there. A kind of piece plus one of the first two, or 0 for empty.
_ACTIVE, _GHOST, _OUTSIDE = 7, 14, 22
GARBAGE_CODE = 23
"""What stands in `Picture.cells` for a cell of garbage."""
_ABOVE = HIDDEN_ROWS_SHOWN * WIDTH
_NOTHING_ABOVE = bytes([_OUTSIDE]) * _ABOVE

# The shape in which a kind is shown in the hold box and the queue: its (row, column) cells as it spawns.
_SHAPES: tuple[tuple[tuple[int, int], ...], ...] = (
    (),
    ((0, 0), (0, 1), (0, 2), (0, 3)),
    ((0, 0), (0, 1), (1, 0), (1, 1)),
    ((0, 1), (1, 0), (1, 1), (1, 2)),
    ((0, 1), (0, 2), (1, 0), (1, 1)),
    ((0, 0), (0, 1), (1, 1), (1, 2)),
    ((0, 0), (1, 0), (1, 1), (1, 2)),
    ((0, 2), (1, 0), (1, 1), (1, 2)),
)


def _scaled(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, round(part * factor)) for part in colour)
    return red, green, blue


def _block(fill: Colour, border: Colour, edge: Colour, size: int) -> np.ndarray:
    """A square of `fill` with a two-pixel `border` inside a one-pixel `edge`; uint8 (size, size, 3)."""
    sprite = np.empty((size, size, 3), np.uint8)
    sprite[:] = edge
    sprite[1:, 1:] = border
    sprite[3:-2, 3:-2] = fill
    return sprite


@cache
def _cell_sprites() -> tuple[np.ndarray, ...]:
    """A sprite for every code of a board cell."""
    plain = np.empty((CELL, CELL, 3), np.uint8)
    plain[:] = GRID
    plain[1:, 1:] = BACKGROUND
    locked = [_block(_scaled(c, 0.75), _scaled(c, 0.42), GRID, CELL) for c in PIECES[1:]]
    active = [_block(c, (255, 255, 255), GRID, CELL) for c in PIECES[1:]]
    ghost = [_block(_scaled(c, 0.12), c, GRID, CELL) for c in PIECES[1:]]
    outside = np.empty((CELL, CELL, 3), np.uint8)
    outside[:] = BACKGROUND
    garbage = _block(_scaled(GARBAGE, 0.75), _scaled(GARBAGE, 0.42), GRID, CELL)
    garbage[6:10, 6:10] = _scaled(GARBAGE, 0.42)
    return (plain, *locked, *active, *ghost, outside, garbage)


@cache
def _box_sprites(spent: bool) -> tuple[np.ndarray, ...]:
    """A picture of each kind for the hold box and the queue, uint8 (24, 48, 3); index 0 is an empty box."""
    boxes = []
    for kind, shape in enumerate(_SHAPES):
        box = np.empty((2 * _SMALL, 4 * _SMALL, 3), np.uint8)
        box[:] = BACKGROUND
        colour = SPENT if spent else PIECES[kind]
        for row, column in shape:
            y, x = row * _SMALL, column * _SMALL
            box[y : y + _SMALL, x : x + _SMALL] = _block(colour, _scaled(colour, 0.6), BACKGROUND, _SMALL)
        boxes.append(box)
    return tuple(boxes)


@cache
def _glyph(character: str, colour: Colour, scale: int) -> np.ndarray:
    """A character of the bitmap font that Pillow carries in itself (so it is the same on every machine)."""
    mask = ImageFont.load_default_imagefont().getmask(character, mode="1")
    width, height = mask.size
    inked = np.array(mask, dtype=bool).reshape(height, width).repeat(scale, axis=0).repeat(scale, axis=1)
    glyph = np.empty((*inked.shape, 3), np.uint8)
    glyph[:] = BACKGROUND
    glyph[inked] = colour
    return glyph


def write(canvas: np.ndarray, text: str, x: int, y: int, colour: Colour, scale: int = 1) -> None:
    """Put a line of text on a canvas, 7 × `scale` pixels a character, its top left corner at (x, y)."""
    for character in text:
        glyph = _glyph(character, colour, scale)
        canvas[y : y + glyph.shape[0], x : x + glyph.shape[1]] = glyph
        x += 7 * scale


@cache
def _blank(labels: tuple[Label, ...]) -> np.ndarray:
    """The canvas with everything that never changes: numbers of rows and columns, the board's frame, labels."""
    canvas = np.empty((FRAME_HEIGHT, FRAME_WIDTH, 3), np.uint8)
    canvas[:] = BACKGROUND
    right, bottom = BOARD_X + WIDTH * CELL, BOARD_Y + HEIGHT * CELL
    canvas[BOARD_Y : bottom + 2, BOARD_X - 2 : right + 2] = FRAME
    canvas[BOARD_Y:bottom, BOARD_X:right] = np.tile(_cell_sprites()[0], (HEIGHT, WIDTH, 1))
    for row in range(HEIGHT):
        write(canvas, f"{row:>2}", 11, BOARD_Y + row * CELL + 3, TEXT)
    for column in range(WIDTH):
        write(canvas, str(column), BOARD_X + column * CELL + 5, bottom + 5, TEXT)
    for label, x, y in labels:
        write(canvas, label, PANEL_X + x, y, LABEL)
    return canvas


@cache
def _banner(game_over: bool) -> np.ndarray:
    """What lies behind the rows above the board, uint8 (32, 160, 3)."""
    banner = np.empty((HIDDEN_ROWS_SHOWN * CELL, WIDTH * CELL, 3), np.uint8)
    banner[:] = BACKGROUND
    if game_over:
        write(banner, "GAME OVER", 18, 5, ALERT, 2)
    return banner


class Number:
    """A number on the canvas, left-aligned; only digits that changed are drawn.

    None shows as a dash, a number with more digits than there is room for as all nines.
    """

    def __init__(self, canvas: np.ndarray, x: int, y: int, digits: int) -> None:
        self._places = [canvas[y : y + 22, x + 12 * i : x + 12 * i + 12] for i in range(digits)]
        self._glyphs = {character: _glyph(character, TEXT, 2) for character in "0123456789- "}
        self._digits = digits
        self._value: int | None = -1
        self._text = " " * digits

    def show(self, value: int | None) -> None:
        if value == self._value:
            return
        text = "-" if value is None else str(min(value, 10**self._digits - 1))
        text = text.ljust(self._digits)
        for place, new, old in zip(self._places, text, self._text, strict=True):
            if new != old:
                place[...] = self._glyphs[new]
        self._value, self._text = value, text


class Renderer:
    """Draws pictures. What it drew before makes a frame faster and never different."""

    LABELS: tuple[Label, ...] = (
        ("NEXT", 0, 52),
        ("SCORE", 0, 222),
        ("LINES", 0, 264),
        ("LEVEL", 50, 264),
        ("PIECES", 0, 306),
        ("ANGLE", 50, 306),
    )
    """What is written beside the board, whatever the state."""

    def __init__(self) -> None:
        self._has_hold: bool | None = None

    def draw(self, picture: Picture) -> np.ndarray:
        """The frame of one moment, a fresh uint8 array of shape (384, 288, 3)."""
        self._update(picture)
        self._score.show(picture.score)
        return self._canvas.copy()

    def _update(self, picture: Picture) -> None:
        """Bring the canvas to a picture, all but its score."""
        if picture.has_hold is not self._has_hold:
            self._start(picture.has_hold)
        if picture.game_over is not self._game_over:
            self._game_over = picture.game_over
            self._banner[...] = _banner(picture.game_over)
            self._codes[:_ABOVE] = _NOTHING_ABOVE
        self._draw_cells(picture)
        if picture.queue != self._queue:
            self._draw_queue(picture.queue)
        if (hold := (picture.hold, picture.hold_used)) != self._hold and picture.has_hold:
            self._hold = hold
            self._hold_box[...] = _box_sprites(picture.hold_used)[picture.hold]
        self._lines.show(picture.lines)
        self._level.show(picture.level or None)
        self._pieces.show(picture.pieces)
        self._angle.show(90 * picture.rotation)

    def _start(self, has_hold: bool) -> None:
        """Begin a new canvas, and remember what lies where on it."""
        self._has_hold = has_hold
        self._canvas = canvas = _blank((*self.LABELS, *([("HOLD", 0, 4)] if has_hold else []))).copy()
        rows, columns = range(-HIDDEN_ROWS_SHOWN, HEIGHT), range(WIDTH)
        places = [(BOARD_Y + row * CELL, BOARD_X + column * CELL) for row in rows for column in columns]
        self._places = [canvas[y : y + CELL, x : x + CELL] for y, x in places]
        self._sprites = _cell_sprites()
        self._banner = canvas[:BOARD_Y, BOARD_X : BOARD_X + WIDTH * CELL]
        self._codes = bytearray(_NOTHING_ABOVE + bytes(WIDTH * HEIGHT))
        self._game_over = False
        self._hold = (0, False)
        self._hold_box = canvas[18 : 18 + 2 * _SMALL, PANEL_X : PANEL_X + 4 * _SMALL]
        self._queue: tuple[int, ...] = ()
        tops = [_NEXT_Y + i * _NEXT_STEP for i in range(_QUEUE)]
        self._queue_boxes = [canvas[y : y + 2 * _SMALL, PANEL_X : PANEL_X + 4 * _SMALL] for y in tops]
        self._score = Number(canvas, PANEL_X, 234, 7)
        self._lines = Number(canvas, PANEL_X, 276, 4)
        self._level = Number(canvas, PANEL_X + 50, 276, 2)
        self._pieces = Number(canvas, PANEL_X, 318, 4)
        self._angle = Number(canvas, PANEL_X + 50, 318, 3)

    def _draw_cells(self, picture: Picture) -> None:
        codes = bytearray(picture.cells)
        if picture.game_over:
            codes[:_ABOVE] = _NOTHING_ABOVE  # the banner is there
        else:
            codes[:_ABOVE] = codes[:_ABOVE].replace(b"\0", _NOTHING_ABOVE[:1])
            _put(codes, picture.ghost, _GHOST + picture.active_kind)
            _put(codes, picture.active, _ACTIVE + picture.active_kind)
        if codes == self._codes:
            return
        changed = np.frombuffer(codes, np.uint8) != np.frombuffer(self._codes, np.uint8)
        for index in changed.nonzero()[0].tolist():
            self._places[index][...] = self._sprites[codes[index]]
        self._codes = codes

    def _draw_queue(self, queue: tuple[int, ...]) -> None:
        pictures = _box_sprites(False)
        shown = (*queue, *[0] * _QUEUE)
        for box, kind in zip(self._queue_boxes, shown, strict=False):
            box[...] = pictures[kind]
        self._queue = queue


def _put(codes: bytearray, cells: Iterable[tuple[int, int]], code: int) -> None:
    """Lay `code` on cells, those above what the canvas shows left out."""
    for row, column in cells:
        if row >= -HIDDEN_ROWS_SHOWN:
            codes[(row + HIDDEN_ROWS_SHOWN) * WIDTH + column] = code
