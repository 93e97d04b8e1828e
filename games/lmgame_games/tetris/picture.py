"""What a frame of Tetris shows: plain data between the environment and the renderer.

Kinds of piece are numbered everywhere in this package: 0 empty, 1..7 = I, O, T, S, Z, J, L.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmgame_games.tetris.engine import Engine

WIDTH, HEIGHT = 10, 20
"""Visible columns and rows of the board."""
HIDDEN_ROWS_SHOWN = 2
"""Rows above the visible board that a frame shows where something is in them."""
_PICTURED = (HEIGHT + HIDDEN_ROWS_SHOWN) * WIDTH


@dataclass(slots=True)
class Picture:
    """One moment of a game. Cells are (row, column), row 0 the highest visible one; rows above it are negative."""

    cells: bytes
    """Kinds of the locked cells, 220 bytes: `HIDDEN_ROWS_SHOWN` rows above the board and its 20, row by row from the
    top, so that row r begins at 10 * (r + 2). Rows that a preset doesn't have are empty. The piece in play is not among
    them."""
    active: tuple[tuple[int, int], ...]
    """The four cells of the piece in play, hidden ones (row < 0) included; empty once the game is over."""
    active_kind: int
    """Kind of the piece in play; 0 once the game is over."""
    rotation: int
    """0 as it spawned, 1 clockwise, 2 half turn, 3 counter-clockwise."""
    ghost: tuple[tuple[int, int], ...]
    """Where a hard drop would put the piece; empty where the preset has no ghost or the game is over."""
    queue: tuple[int, ...]
    """The pieces shown as next, the very next first."""
    has_hold: bool
    """Whether this preset has a hold box at all."""
    hold: int
    """Kind of the piece on hold; 0 for none."""
    hold_used: bool
    """Whether hold is spent until the present piece locks."""
    score: int
    lines: int
    level: int
    """0 where the preset knows no levels."""
    pieces: int
    """Pieces locked so far."""
    game_over: bool


def picture_of(engine: "Engine", *, shown: int, guideline: bool) -> Picture:
    """What the present frame of a game shows: `shown` next pieces, and with `guideline` hold and the ghost."""
    if engine.over:
        kind, active, ghost = 0, (), ()
    else:
        kind = engine.kind
        active = ghost = tuple([(HEIGHT - 1 - y, x) for x, y in engine.piece_cells()])
        if guideline and (down := engine.drop_rows()):
            ghost = tuple([(row + down, column) for row, column in active])
    return Picture(
        bytes(engine.cells[-_PICTURED:]).rjust(_PICTURED, b"\0"),
        active,
        kind,
        engine.rotation,
        ghost if guideline else (),
        tuple(engine.next_kinds(shown)),
        guideline,
        engine.hold_kind,
        engine.hold_used,
        engine.score,
        engine.lines,
        engine.level,
        engine.pieces,
        bool(engine.over),
    )
