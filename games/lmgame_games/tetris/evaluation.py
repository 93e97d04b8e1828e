"""How good a board is for the scripted player, computed on all of it at once.

The base are Pierre Dellacherie's features with the weights of El-Tetris (Islam El-Ashi, 2011), which make a player that
survives. Where rows cleared four at once are worth more than one by one, a tidy board is built up beside an open well
in the last column instead; the weights of that were chosen by play.
"""

from lmgame_games.tetris.pieces import EMPTY_ROW, FLOOR, FULL_ROW, ROW

_ROWS = 24  # visible rows and what can stick out of them
_LOW = ROW * FLOOR
_SPAN = (1 << ROW * _ROWS) - 1
_WALLS = sum(EMPTY_ROW << ROW * row for row in range(_ROWS))
_CELLS = _SPAN ^ _WALLS
_EDGES = sum(0x7FF << ROW * row for row in range(_ROWS))
_WELL = sum(1 << ROW * row + 9 for row in range(_ROWS))
_FLOOR_ROW = 0x3FF

LANDING_HEIGHT = -4.500158825082766
LINES = 3.4181268101392694
ROW_TRANSITIONS = -3.2178882868487753
COLUMN_TRANSITIONS = -9.348695305445199
HOLES = -7.899265427351652
WELLS = -3.3855972247263626

STACK_HEIGHT = 12
"""Rows up to which a board is built up; higher, at level 10, a piece can hardly be walked to the wall any more."""
FOUR_LINES = 60.0
IN_THE_WELL = -4.0
"""Of each cell that stands in the way of an I."""


def after(board: int, mask: int) -> tuple[int, int]:
    """The board once a piece has locked at `mask` and full lines are gone; and how many those were."""
    board |= mask
    lines = 0
    low = ((mask & -mask).bit_length() - 1) // ROW
    for row in range((mask.bit_length() - 1) // ROW, low - 1, -1):
        if (board >> ROW * row) & FULL_ROW == FULL_ROW:
            board = board & ((1 << ROW * row) - 1) | board >> ROW * (row + 1) << ROW * row
            lines += 1
    return board, lines


def may_stack(board: int) -> bool:
    """Whether a board is tidy and low enough to be built up for four lines at once."""
    cells = board >> _LOW & _CELLS
    return cells < 1 << ROW * STACK_HEIGHT and not _covered(cells) & ~cells


def worth(board: int, mask: int, lines: int, *, stack: bool) -> float:
    """The value of a board (see `after`) to which the piece at `mask` led; the higher the better.

    With `stack` the last column counts as filled, so that nothing speaks for filling it but an I that clears four.
    """
    bottom, top = (mask & -mask).bit_length() - 1, mask.bit_length() - 1
    value = LANDING_HEIGHT * ((bottom // ROW + top // ROW) / 2 - FLOOR + 1)
    walled = board >> _LOW & _SPAN | _WALLS
    cells = walled & _CELLS
    columns = _CELLS
    covered = _covered(cells)
    value += HOLES * (covered & ~cells).bit_count()
    if stack:
        value += IN_THE_WELL * (cells & _WELL).bit_count() + (FOUR_LINES if lines == 4 else 0.0)
        walled |= _WELL
        columns ^= _WELL
    else:
        value += LINES * lines
    # Each cell against the one to its left; the left wall of a row is the last bit of the row below.
    left = walled << 1 | 1
    value += ROW_TRANSITIONS * ((walled ^ left) & _EDGES).bit_count()
    value += COLUMN_TRANSITIONS * ((cells ^ (cells << ROW | _FLOOR_ROW)) & columns).bit_count()
    wells = deep = left & walled >> 1 & ~walled & ~covered & _CELLS
    depths = 0
    while deep:
        depths += deep.bit_count()
        deep = deep >> ROW & wells
    return value + WELLS * depths


def _covered(cells: int) -> int:
    """The cells with something somewhere above them."""
    covered = cells >> ROW
    for rows in (1, 2, 4, 8, 16):
        covered |= covered >> ROW * rows
    return covered & _CELLS
