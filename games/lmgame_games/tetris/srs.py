"""Wall kicks of the Super Rotation System, as the Tetris guideline tabulates them.

Source: the table "Wall Kicks" of https://tetris.wiki/Super_Rotation_System, which restates the 2009 Tetris Design
Guideline. Rotation states: 0 as spawned, 1 clockwise (R), 2 half turn, 3 counter-clockwise (L). An offset is (columns
to the right, rows up); a rotation takes the first of the five at which the turned piece fits.
"""

type Offsets = tuple[tuple[int, int], ...]

JLSTZ: dict[tuple[int, int], Offsets] = {
    (0, 1): ((0, 0), (-1, 0), (-1, 1), (0, -2), (-1, -2)),
    (1, 0): ((0, 0), (1, 0), (1, -1), (0, 2), (1, 2)),
    (1, 2): ((0, 0), (1, 0), (1, -1), (0, 2), (1, 2)),
    (2, 1): ((0, 0), (-1, 0), (-1, 1), (0, -2), (-1, -2)),
    (2, 3): ((0, 0), (1, 0), (1, 1), (0, -2), (1, -2)),
    (3, 2): ((0, 0), (-1, 0), (-1, -1), (0, 2), (-1, 2)),
    (3, 0): ((0, 0), (-1, 0), (-1, -1), (0, 2), (-1, 2)),
    (0, 3): ((0, 0), (1, 0), (1, 1), (0, -2), (1, -2)),
}
"""Kicks of J, L, S, T and Z by (state before, state after)."""

I: dict[tuple[int, int], Offsets] = {  # noqa: E741 (the piece's name)
    (0, 1): ((0, 0), (-2, 0), (1, 0), (-2, -1), (1, 2)),
    (1, 0): ((0, 0), (2, 0), (-1, 0), (2, 1), (-1, -2)),
    (1, 2): ((0, 0), (-1, 0), (2, 0), (-1, 2), (2, -1)),
    (2, 1): ((0, 0), (1, 0), (-2, 0), (1, -2), (-2, 1)),
    (2, 3): ((0, 0), (2, 0), (-1, 0), (2, 1), (-1, -2)),
    (3, 2): ((0, 0), (-2, 0), (1, 0), (-2, -1), (1, 2)),
    (3, 0): ((0, 0), (1, 0), (-2, 0), (1, -2), (-2, 1)),
    (0, 3): ((0, 0), (-1, 0), (2, 0), (-1, 2), (2, -1)),
}
"""Kicks of I."""

O: dict[tuple[int, int], Offsets] = dict.fromkeys(JLSTZ, ((0, 0),))  # noqa: E741 (the piece's name)
"""O turns in place."""
