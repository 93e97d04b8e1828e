"""Attacks: how many lines of garbage a clear sends, and where their holes are.

Sources: the lines a clear and a combo send are those of Tetris 99, as tabulated on https://howtotetris.com/combos; a
mini T-spin double (1), that a perfect clear adds its lines to those of the clear, and at most 8 lines of garbage a lock
are as in TETR.IO, which plays by the same table.
"""

from random import Random

from lmgame_games.tetris.picture import WIDTH
from lmgame_games.tetris.scoring import Spin

LINES: dict[Spin, tuple[int, ...]] = {
    Spin.NONE: (0, 0, 1, 2, 4),
    Spin.MINI: (0, 0, 1),
    Spin.FULL: (0, 2, 4, 6),
}
"""Lines sent by spin and number of lines cleared."""
BACK_TO_BACK = 1
"""Lines that a Tetris or a T-spin clear sends in addition where the clear before was such a one, too."""
COMBO = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5)
"""Lines in addition, by the number of locks in a row that cleared just before; the last one holds for all beyond."""
PERFECT_CLEAR = 10
"""Lines in addition for leaving nothing on the board."""
MOST_A_LOCK = 8
"""Lines of garbage that come in at once, at most."""


def attack(lines: int, spin: Spin, *, back_to_back: bool, combo: int, perfect: bool) -> int:
    """Lines of garbage that a lock makes.

    Args:
        lines: Lines it cleared, 0 to 4.
        spin: Whether it was a T-spin.
        back_to_back: Whether the last clear was a Tetris or a T-spin clear.
        combo: Locks in a row that cleared just before this one.
        perfect: Whether nothing is left on the board.
    """
    if not lines:
        return 0
    made = LINES[spin][lines] + COMBO[min(combo, len(COMBO) - 1)]
    if back_to_back and (lines == 4 or spin is not Spin.NONE):
        made += BACK_TO_BACK
    return made + PERFECT_CLEAR * perfect


class Holes:
    """An endless sequence of columns, a function of its seed alone: that of each attack's hole, the same for both
    seats."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._columns = bytearray()

    def __getitem__(self, index: int) -> int:
        """The column of the hole of the attack that is number `index`, from 0, to reach a seat."""
        while index >= len(self._columns):
            # random() is the one method whose sequence Python promises to keep from version to version.
            self._columns.append(int(self._random.random() * WIDTH))
        return self._columns[index]
