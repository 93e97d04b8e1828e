"""Points by the Tetris guideline.

Source: 2009 Tetris Design Guideline, chapters "Scoring" and "T-Spins", as restated on https://tetris.wiki/Scoring (mini
T-spin double and combo from the same page, "Recent guideline compatible games"). Perfect clears bring nothing extra.
"""

from enum import IntEnum


class Spin(IntEnum):
    """How a T was turned into its place."""

    NONE = 0
    MINI = 1
    FULL = 2


POINTS: dict[Spin, tuple[int, ...]] = {
    Spin.NONE: (0, 100, 300, 500, 800),
    Spin.MINI: (100, 200, 400),
    Spin.FULL: (400, 800, 1200, 1600),
}
"""Points at level 1 by spin and number of lines."""
COMBO = 50
SOFT_DROP, HARD_DROP = 1, 2
"""Points a row, whatever the level."""


def award(lines: int, spin: Spin, level: int, back_to_back: bool, combo: int) -> tuple[int, bool, int]:
    """Points of a lock.

    Args:
        lines: Lines it cleared, 0 to 4.
        spin: Whether it was a T-spin.
        level: The level before the clear.
        back_to_back: Whether the last clear was difficult: a Tetris or a T-spin with lines.
        combo: Clears in a row up to the lock before, less one; -1 if that one cleared nothing.

    Returns:
        Points, and the new `back_to_back` and `combo`. A lock that clears nothing ends a combo, not a back-to-back.
    """
    points = POINTS[spin][lines]
    if not lines:
        return points * level, back_to_back, -1
    difficult = lines == 4 or spin is not Spin.NONE
    if difficult and back_to_back:
        points = points * 3 // 2
    combo += 1
    return (points + COMBO * combo) * level, difficult, combo
