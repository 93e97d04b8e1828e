"""How tidy a board is: Pierre Dellacherie's six features, computed on the whole board at once.

Weights: El-Tetris (Islam El-Ashi, 2011, https://imake.ninja/el-tetris-an-improvement-on-pierre-dellacheries-algorithm/).
"""

from lmgame_games.tetris.pieces import EMPTY_ROW, FLOOR, FULL_ROW, ROW

_ROWS = 24  # visible rows and what can stick out of them
_LOW = ROW * FLOOR
_SPAN = (1 << ROW * _ROWS) - 1
_WALLS = sum(EMPTY_ROW << ROW * row for row in range(_ROWS))
_CELLS = _SPAN ^ _WALLS
_EDGES = sum(0x7FF << ROW * row for row in range(_ROWS))
_FLOOR_ROW = 0x3FF

LANDING_HEIGHT = -4.500158825082766
ERODED = 3.4181268101392694
ROW_TRANSITIONS = -3.2178882868487753
COLUMN_TRANSITIONS = -9.348695305445199
HOLES = -7.899265427351652
WELLS = -3.3855972247263626


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


def worth(board: int, mask: int, lines: int) -> float:
    """The value of a board (see `after`) to which the piece at `mask` led; the higher the better."""
    bottom, top = (mask & -mask).bit_length() - 1, mask.bit_length() - 1
    height = (bottom // ROW + top // ROW) / 2 - FLOOR + 1
    walled = board >> _LOW & _SPAN | _WALLS
    cells = walled & _CELLS
    covered = cells >> ROW
    for rows in (1, 2, 4, 8, 16):
        covered |= covered >> ROW * rows
    covered &= _CELLS
    holes = (covered & ~cells).bit_count()
    # Each cell against the one to its left; the left wall of a row is the last bit of the row below.
    left = walled << 1 | 1
    row_changes = ((walled ^ left) & _EDGES).bit_count()
    column_changes = ((cells ^ (cells << ROW | _FLOOR_ROW)) & _CELLS).bit_count()
    wells = deep = left & walled >> 1 & ~walled & ~covered & _CELLS
    depths = 0
    while deep:
        depths += deep.bit_count()
        deep = deep >> ROW & wells
    return (
        LANDING_HEIGHT * height
        + ERODED * lines
        + ROW_TRANSITIONS * row_changes
        + COLUMN_TRANSITIONS * column_changes
        + HOLES * holes
        + WELLS * depths
    )
