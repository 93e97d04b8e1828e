"""The seven pieces as bit masks, and the geometry of the integer bitboard they live on.

The board is one integer. A row takes `ROW` = 14 bits: ten cells, column 0 lowest, then four bits of wall. The wall of
one row serves as the left wall of the row above it; four bits are enough because no kick carries a cell further out.
`FLOOR` = 4 full rows lie below row 0. Whether a piece fits is thus a single `&`, walls and floor included.

A piece stands at `pos = ROW * (y + FLOOR) + x`, where (x, y) is the lower left corner of its bounding box, x to the
right, y up, and covers the bits `SHAPES[kind][rotation] << pos`. Kinds: 1..7 = I, O, T, S, Z, J, L.
"""

from lmgame_games.tetris import srs

ROW, FLOOR = 14, 4
FULL_ROW = (1 << ROW) - 1
EMPTY_ROW = FULL_ROW ^ 0x3FF

LETTERS = "-IOTSZJL"
"""A kind's letter; `-` for kind 0, no piece."""
I, O, T, S, Z, J, L = range(1, 8)  # noqa: E741 (the pieces' names)

_SPAWNED = {
    I: ("....", "####", "....", "...."),
    O: ("##", "##"),
    T: (".#.", "###", "..."),
    S: (".##", "##.", "..."),
    Z: ("##.", ".##", "..."),
    J: ("#..", "###", "..."),
    L: ("..#", "###", "..."),
}

type Cells = tuple[tuple[int, int], ...]


def _rotations(rows: tuple[str, ...]) -> tuple[Cells, ...]:
    """Cells (x, y) in the bounding box, y up, of the four rotation states; each is the one before, turned clockwise."""
    size = len(rows)
    cells = [(x, size - 1 - r) for r, row in enumerate(rows) for x, cell in enumerate(row) if cell == "#"]
    states = []
    for _ in range(4):
        states.append(tuple(sorted(cells, key=lambda cell: (-cell[1], cell[0]))))
        cells = [(y, size - 1 - x) for x, y in cells]
    return tuple(states)


BOX = (0, *(len(_SPAWNED[kind]) for kind in range(1, 8)))
"""Side of a kind's bounding box."""
CELLS = ((), *(_rotations(_SPAWNED[kind]) for kind in range(1, 8)))
"""`CELLS[kind][rotation]`: the four cells (x, y) inside the bounding box, y up, listed from the top left."""
SHAPES = tuple(tuple(sum(1 << (ROW * y + x) for x, y in cells) for cells in states) for states in CELLS)
"""`SHAPES[kind][rotation]`: those cells as bits."""

type Turn = tuple[int, int, tuple[int, ...]]


def _turns(kind: int, table: dict[tuple[int, int], srs.Offsets]) -> tuple[tuple[Turn, Turn], ...]:
    def turn(before: int, after: int) -> Turn:
        return after, SHAPES[kind][after], tuple(ROW * up + right for right, up in table[before, after])

    return tuple((turn(state, (state + 1) % 4), turn(state, (state - 1) % 4)) for state in range(4))


TURNS = ((), *(_turns(kind, {I: srs.I, O: srs.O}.get(kind, srs.JLSTZ)) for kind in range(1, 8)))
"""`TURNS[kind][rotation][0 clockwise, 1 counter-clockwise]`: state after, its shape, the kicks as changes of `pos`."""


def place(x: int, y: int) -> int:
    """The `pos` of a bounding box whose lower left corner is at column x, row y (row 0 the lowest)."""
    return ROW * (y + FLOOR) + x


def corner(pos: int) -> tuple[int, int]:
    """Column and row (0 the lowest) of the lower left corner of the bounding box at `pos`; inverse of `place`."""
    row, column = divmod(pos + 2, ROW)  # a piece that fits never has its box further left than column -2
    return column - 2, row - FLOOR
