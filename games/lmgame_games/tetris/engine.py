"""What every rule set shares: the board as bits and as kinds, the piece in play, locking and clearing lines."""

from abc import ABC, abstractmethod
from typing import ClassVar, Self

from lmgame_games.tetris.bag import Bag
from lmgame_games.tetris.picture import WIDTH
from lmgame_games.tetris.pieces import BOX, CELLS, EMPTY_ROW, FLOOR, FULL_ROW, ROW, SHAPES, corner, place


class Engine(ABC):
    """One game of Tetris, without a model, a frame or a reward in sight. Subclasses are the rule sets.

    Its state is a handful of integers, so that a copy costs about a microsecond.
    """

    __slots__ = (
        "bag",
        "board",
        "cells",
        "dealt",
        "frames",
        "hold_kind",
        "hold_used",
        "kind",
        "level",
        "lines",
        "mask",
        "over",
        "pieces",
        "pos",
        "rotation",
        "score",
    )

    ROWS: ClassVar[int]
    """Rows of the board, hidden ones included."""
    SPAWN: ClassVar[tuple[int, ...]]
    """`pos` at which a kind appears."""
    MOVES: ClassVar[tuple[str, ...]]
    """Names of the moves; `play` takes their indices."""
    OFFSETS: ClassVar[tuple[tuple[tuple[int, ...], ...], ...]]
    """Indices into `cells` of a piece's four cells, relative to that of the lower left corner of its bounding box."""
    TURN_BASED: ClassVar[bool]
    """Whether an answer is for one piece: what is left of it when the piece locks is dropped."""
    cut_off = False
    """Whether the rules' own limit of moves is reached."""

    def __init__(self, bag: Bag) -> None:
        self.bag = bag
        """Where the pieces come from."""
        self.dealt = 0
        """Pieces taken from the bag so far."""
        self.board = self.empty_board()
        """Locked cells, walls and floor; see `pieces`."""
        self.cells = bytearray(WIDTH * self.ROWS)
        """Kinds of the locked cells, row by row from the top."""
        self.kind = self.rotation = self.pos = self.mask = 0
        """The piece in play: kind, rotation state, place, and the bits it covers."""
        self.hold_kind = 0
        self.hold_used = False
        self.score = self.lines = self.pieces = 0
        """Points; lines cleared; pieces locked."""
        self.level = 0
        self.frames = 0
        """Frames of the game's own time so far."""
        self.over = ""
        """How the game ended; empty while it goes on."""

    @classmethod
    def empty_board(cls) -> int:
        """The bits of a board with nothing on it."""
        board = (1 << ROW * FLOOR) - 1
        for row in range(FLOOR, FLOOR + cls.ROWS):
            board |= EMPTY_ROW << ROW * row
        return board

    @abstractmethod
    def play(self, action: int) -> bool:
        """Play a move by its index in `MOVES`, and the time it takes; whether a piece locked."""

    @abstractmethod
    def wait(self, frames: int) -> bool:
        """Let frames pass without input; whether a piece locked."""

    def copy(self) -> Self:
        """An independent game in the same state, with the same pieces to come."""
        new = object.__new__(type(self))
        new.bag, new.dealt, new.board, new.cells = self.bag, self.dealt, self.board, self.cells[:]
        new.kind, new.rotation, new.pos, new.mask = self.kind, self.rotation, self.pos, self.mask
        new.hold_kind, new.hold_used, new.level, new.over = self.hold_kind, self.hold_used, self.level, self.over
        new.score, new.lines, new.pieces, new.frames = self.score, self.lines, self.pieces, self.frames
        return new

    def next_kinds(self, count: int) -> bytearray:
        """The next kinds to come, the very next first."""
        return self.bag.window(self.dealt, count)

    def drop_rows(self) -> int:
        """How many rows a hard drop would take the piece in play down."""
        # The piece smeared over the next 1, 2, 4, 8, 16 rows below it, then a binary search for the first thing in its
        # way. No piece can be 32 rows above the floor.
        board = self.board
        one = self.mask >> ROW
        two = one | one >> ROW
        four = two | two >> 2 * ROW
        eight = four | four >> 4 * ROW
        bits = 0 if (eight | eight >> 8 * ROW) & board else 16 * ROW
        if not eight >> bits & board:
            bits += 8 * ROW
        if not four >> bits & board:
            bits += 4 * ROW
        if not two >> bits & board:
            bits += 2 * ROW
        if not one >> bits & board:
            bits += ROW
        return bits // ROW

    def piece_cells(self) -> list[tuple[int, int]]:
        """Column and row (0 the lowest) of the four cells of the piece in play."""
        x, y = corner(self.pos)
        return [(x + dx, y + dy) for dx, dy in CELLS[self.kind][self.rotation]]

    def painted(self) -> bytearray:
        """A fresh copy of `cells` with the piece in play on it, as its kind + 7; without it once the game is over."""
        cells = self.cells[:]
        if not self.over:
            row, column = divmod(self.pos + 2, ROW)
            base = (self.ROWS - 1 + FLOOR - row) * WIDTH + column - 2
            a, b, c, d = self.OFFSETS[self.kind][self.rotation]
            cells[base + a] = cells[base + b] = cells[base + c] = cells[base + d] = self.kind + 7
        return cells

    def _appear(self, kind: int) -> bool:
        """Put a piece at its spawn; False if it doesn't fit there. It is in play either way."""
        self.kind, self.rotation, self.pos = kind, 0, self.SPAWN[kind]
        self.mask = SHAPES[kind][0] << self.pos
        return not self.mask & self.board

    def _deal(self) -> int:
        kind = self.bag[self.dealt]
        self.dealt += 1
        return kind

    def _settle(self) -> int:
        """Make the piece in play part of the board and clear full lines; how many there were."""
        self.board |= self.mask
        row, column = divmod(self.pos + 2, ROW)
        base = (self.ROWS - 1 + FLOOR - row) * WIDTH + column - 2
        cells, kind = self.cells, self.kind
        for offset in self.OFFSETS[kind][self.rotation]:
            cells[base + offset] = kind
        self.pieces += 1
        lines = 0
        for y in range(row + BOX[kind] - 1, row - 1, -1):  # from the top, so that what is left to check stays put
            if y >= FLOOR and (self.board >> ROW * y) & FULL_ROW == FULL_ROW and y < FLOOR + self.ROWS:
                self._clear(y)
                lines += 1
        self.lines += lines
        return lines

    def _clear(self, row: int) -> None:
        """Take out a row (counted with the floor); what is above comes down, and an empty row appears on top."""
        low, top = ROW * row, ROW * (FLOOR + self.ROWS - 1)
        above = (self.board & ((1 << top + ROW) - 1)) >> low + ROW
        ceiling = self.board >> top + ROW << top + ROW
        self.board = self.board & ((1 << low) - 1) | above << low | EMPTY_ROW << top | ceiling
        start = (self.ROWS - 1 + FLOOR - row) * WIDTH
        del self.cells[start : start + WIDTH]
        self.cells[0:0] = bytes(WIDTH)


def cell_offsets() -> tuple[tuple[tuple[int, ...], ...], ...]:
    """`OFFSETS` of a board that is `WIDTH` wide and listed from the top."""
    return tuple(tuple(tuple(x - WIDTH * y for x, y in cells) for cells in states) for states in CELLS)


def spawns(corners: dict[int, tuple[int, int]]) -> tuple[int, ...]:
    """`SPAWN` from where the lower left corner of each kind's bounding box appears."""
    return (0, *(place(*corners[kind]) for kind in range(1, 8)))
