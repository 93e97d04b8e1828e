"""The text view: what the frame shows, in characters."""

from lmgame_games.tetris.engine import Engine
from lmgame_games.tetris.picture import HEIGHT, WIDTH
from lmgame_games.tetris.pieces import LETTERS

EMPTY, LOCKED, ACTIVE, GHOST, GARBAGE = ".", "#", "@", "+", "x"
GARBAGE_KIND = 15
"""The number that stands for a cell of garbage where kinds are listed; 8 to 14 is the piece in play."""
_SYMBOLS = bytes(ord(EMPTY if not kind else GARBAGE if kind == GARBAGE_KIND else LOCKED) for kind in range(256))


def _range(values: list[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def text(engine: Engine, *, shown: int, guideline: bool) -> str:
    """The whole state a player sees: piece, next pieces, hold, numbers, board.

    Rows are numbered from 0, the highest visible one, as in the frame; hidden rows (negative) appear up to the
    highest that has something in it. `shown` is the number of next pieces; `guideline` adds hold, level and the ghost.
    """
    lines = [piece(engine), queue(engine, shown)]
    if guideline:
        lines.append(hold(engine))
        lines.append(f"Level {engine.level}, lines {engine.lines}, pieces {engine.pieces}, score {engine.score}")
    else:
        lines.append(f"Lines {engine.lines}, pieces {engine.pieces}, score {engine.score}")
    return "\n".join(lines + board(engine, ghost=guideline))


def piece(engine: Engine) -> str:
    """The line of the piece in play."""
    if engine.over:
        return "Game over"
    active = engine.piece_cells()
    columns, rows = [x for x, _ in active], [HEIGHT - 1 - y for _, y in active]
    turned = 90 * engine.rotation
    return f"Piece: {LETTERS[engine.kind]} turned {turned}, columns {_range(columns)}, rows {_range(rows)}"


def queue(engine: Engine, shown: int) -> str:
    """The line of the next pieces."""
    return "Next: " + " ".join(LETTERS[kind] for kind in engine.next_kinds(shown))


def hold(engine: Engine) -> str:
    """The line of the piece on hold."""
    held = LETTERS[engine.hold_kind] if engine.hold_kind else "none"
    return f"Hold: {held}{' (used for this piece)' if engine.hold_used else ''}"


def board(engine: Engine, *, ghost: bool) -> list[str]:
    """The numbers of the columns, and a line a row with the piece in play; `ghost` adds where it would land."""
    rows = _locked(engine)
    active = [] if engine.over else engine.piece_cells()
    if ghost and active:
        down = engine.drop_rows()
        for x, y in active:
            rows[y - down][x] = GHOST
    for x, y in active:
        rows[y][x] = ACTIVE
    return _numbered(rows, HEIGHT)


def stack(engine: Engine) -> list[str]:
    """The numbers of the columns, and a line a row up to the highest that has a locked cell in it."""
    return _numbered(_locked(engine), 0)


def _locked(engine: Engine) -> list[list[str]]:
    """The locked cells, from the lowest row up."""
    cells = engine.cells.translate(_SYMBOLS).decode("ascii")
    return [list(cells[start : start + WIDTH]) for start in range(len(cells) - WIDTH, -1, -WIDTH)]


def _numbered(rows: list[list[str]], least: int) -> list[str]:
    """Rows from the highest that has something in it, at least `least` of them, under the numbers of the columns."""
    top = len(rows)
    while top > least and rows[top - 1].count(EMPTY) == WIDTH:
        top -= 1
    return [
        "   " + "".join(map(str, range(WIDTH))),
        *(f"{HEIGHT - 1 - y:2} {''.join(rows[y])}" for y in range(top - 1, -1, -1)),
    ]
