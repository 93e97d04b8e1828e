"""Stones on a grid, as bits: one integer a player, in which lines are found by shifting."""

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=False)
class Grid:
    """The shape of a game.

    Bit `column * (rows + 1) + row` is the cell of a column (from the left) and a row (from the bottom); the bit above
    each column stays empty, so that no line runs from the top of one column into the next.
    """

    columns: int
    rows: int
    line: int
    """Stones in a line that win: across, up or slanting."""
    drops: bool
    """Whether stones fall to the lowest free cell of their column, so that a move is a column."""

    @property
    def height(self) -> int:
        """Bits a column."""
        return self.rows + 1

    @cached_property
    def full(self) -> int:
        """All cells."""
        return sum(((1 << self.rows) - 1) << self.height * column for column in range(self.columns))

    @cached_property
    def actions(self) -> int:
        """Number of moves there are on the empty grid."""
        return self.columns if self.drops else self.columns * self.rows

    def bit(self, column: int, row: int) -> int:
        """The cell's bit; row 0 is the lowest."""
        return 1 << self.height * column + row

    def cell_of(self, action: int, taken: int) -> int:
        """The bit of the cell that a move takes; 0 where it can't be made.

        Moves are columns from the left where stones fall; else cells, row by row from the top.
        """
        if self.drops:
            column = ((1 << self.rows) - 1) << self.height * action
            return (taken + self.bit(action, 0)) & column & ~taken
        row, column = divmod(action, self.columns)
        return self.bit(column, self.rows - 1 - row) & ~taken

    def legal(self, taken: int) -> list[int]:
        """The moves that can be made."""
        return [action for action in range(self.actions) if self.cell_of(action, taken)]

    def wins(self, stones: int) -> int:
        """All cells of winning lines among these stones; 0 where there is none."""
        found = 0
        for step in (1, self.height - 1, self.height, self.height + 1):
            starts = stones
            for shift in range(1, self.line):
                starts &= stones >> shift * step
            for shift in range(self.line):
                found |= starts << shift * step
        return found

    def has_won(self, stones: int) -> bool:
        """Whether there is a winning line among these stones."""
        for step in (1, self.height - 1, self.height, self.height + 1):
            starts = stones
            for shift in range(1, self.line):
                starts &= stones >> shift * step
            if starts:
                return True
        return False


@dataclass(frozen=True, slots=True)
class Position:
    """What a seat knows: everything."""

    grid: Grid
    own: int
    """Stones of who looks."""
    other: int
    to_move: bool
    """Whether it is this seat's turn."""

    @property
    def taken(self) -> int:
        """All stones."""
        return self.own | self.other
