"""Frames of line games: the grid with its coordinates, the stones, the last one ringed, and who is to move."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lmgame_games.line_game.grid import Grid

Colour = tuple[int, int, int]
BACKGROUND: Colour = (14, 14, 20)
LINES: Colour = (70, 72, 86)
TEXT: Colour = (235, 235, 235)
LABEL: Colour = (165, 175, 190)
LAST: Colour = (255, 255, 255)
WON: Colour = (120, 220, 140)
STONES: tuple[Colour, Colour] = ((235, 70, 60), (250, 205, 50))
"""Colours of the two players: red moves first. Signs and words tell them apart as well."""

HEAD, FOOT, SIDE = 32, 64, 32
"""Pixels above the grid (column names), below it (words) and left and right of it (row names)."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a game is drawn."""

    cell: int
    """Side of a cell in pixels; a multiple of 16, so that sides of frames are multiples of 32 where it matters."""
    signs: tuple[str, str]
    """What stands for a player's stone in text, and on it in the frame."""
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    """Names of the rows from the top; empty where a column alone is a move."""
    round_stones: bool
    """Whether stones are discs; else they are their sign."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One moment of a game, for one seat or for spectators."""

    stones: Sequence[int]
    last: int | None
    """Bit of the stone put last."""
    won: int
    """Cells of winning lines."""
    seat: int | None
    """Who looks; None for spectators."""
    to_move: int | None
    """None once the game is over."""
    scores: tuple[float, float] | None
    """Once the game is over."""


def size(grid: Grid, style: Style) -> tuple[int, int]:
    """Height and width of all frames, in pixels: multiples of 32, the size of a patch of most vision encoders."""
    width, height = grid.columns * style.cell + 2 * SIDE, grid.rows * style.cell + HEAD + FOOT
    return -(-height // 32) * 32, -(-width // 32) * 32


def draw(grid: Grid, style: Style, picture: Picture) -> np.ndarray:
    """The frame, uint8 (height, width, 3), a fresh array."""
    height, width = size(grid, style)
    image = Image.new("RGB", (width, height), BACKGROUND)
    pen = ImageDraw.Draw(image)
    left, top, cell = (width - grid.columns * style.cell) // 2, HEAD, style.cell
    right, bottom = left + grid.columns * cell, top + grid.rows * cell
    for column in range(grid.columns + 1):
        pen.line((left + column * cell, top, left + column * cell, bottom), LINES, 2)
    for row in range(grid.rows + 1):
        pen.line((left, top + row * cell, right, top + row * cell), LINES, 2)
    for column, name in enumerate(style.columns):
        pen.text((left + column * cell + cell // 2, top // 2), name, LABEL, _font(18), anchor="mm")
    for row, name in enumerate(style.rows):
        pen.text((left // 2, top + row * cell + cell // 2), name, LABEL, _font(18), anchor="mm")
    for column in range(grid.columns):
        for row in range(grid.rows):
            bit = grid.bit(column, row)
            x, y = left + column * cell, top + (grid.rows - 1 - row) * cell
            for player, stones in enumerate(picture.stones):
                if stones & bit:
                    _stone(pen, style, player, x, y)
            if picture.won & bit:
                pen.rectangle((x + 3, y + 3, x + cell - 3, y + cell - 3), outline=WON, width=3)
            elif picture.last == bit:
                pen.rectangle((x + 3, y + 3, x + cell - 3, y + cell - 3), outline=LAST, width=2)
    _words(pen, style, picture, bottom, width)
    return np.array(image)


def _stone(pen: ImageDraw.ImageDraw, style: Style, player: int, x: int, y: int) -> None:
    cell, colour = style.cell, STONES[player]
    gap = cell // 8
    middle = (x + cell // 2, y + cell // 2)
    if style.round_stones:
        pen.ellipse((x + gap, y + gap, x + cell - gap, y + cell - gap), fill=colour)
        pen.text(middle, style.signs[player], BACKGROUND, _font(cell // 2 - 4), anchor="mm")
    else:
        pen.text(middle, style.signs[player], colour, _font(cell * 3 // 4), anchor="mm")


def _words(pen: ImageDraw.ImageDraw, style: Style, picture: Picture, top: int, width: int) -> None:
    """Two lines below the grid: who is who, and whose turn it is or who has won."""
    signs, seat = style.signs, picture.seat
    if seat is None:
        who = [(f"first {signs[0]}", STONES[0]), (f"second {signs[1]}", STONES[1])]
    else:
        who = [(f"YOU {signs[seat]}", STONES[seat]), (f"other {signs[1 - seat]}", STONES[1 - seat])]
    pen.text((width // 4, top + 18), who[0][0], who[0][1], _font(17), anchor="mm")
    pen.text((width * 3 // 4, top + 18), who[1][0], who[1][1], _font(17), anchor="mm")
    pen.text((width // 2, top + 44), _state(style, picture), TEXT, _font(17), anchor="mm")


def _state(style: Style, picture: Picture) -> str:
    if picture.scores is not None:
        if picture.scores[0] == picture.scores[1]:
            return "DRAW"
        winner = picture.scores.index(max(picture.scores))
        if picture.seat is None:
            return f"{style.signs[winner]} HAS WON"
        return "YOU HAVE WON" if winner == picture.seat else "YOU HAVE LOST"
    assert picture.to_move is not None
    if picture.seat is None:
        return f"{style.signs[picture.to_move]} to move"
    return "YOUR TURN" if picture.to_move == picture.seat else "OTHER'S TURN"


@cache
def _font(points: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(points)
