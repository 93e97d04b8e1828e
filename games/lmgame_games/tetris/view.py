"""The text view: what the frame shows, in characters."""

from lmgame_games.tetris.engine import Engine
from lmgame_games.tetris.picture import HEIGHT, WIDTH
from lmgame_games.tetris.pieces import LETTERS

EMPTY, LOCKED, ACTIVE, GHOST = ".", "#", "@", "+"


def _range(values: list[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def text(engine: Engine, *, shown: int, guideline: bool) -> str:
    """The whole state a player sees: piece, next pieces, hold, numbers, board.

    Rows are numbered from 0, the highest visible one, as in the frame; hidden rows (negative) appear up to the
    highest that has something in it. `shown` is the number of next pieces; `guideline` adds hold, level and the ghost.
    """
    active = [] if engine.over else engine.piece_cells()
    columns, rows = [x for x, _ in active], [HEIGHT - 1 - y for _, y in active]
    if active:
        turned = 90 * engine.rotation
        lines = [f"Piece: {LETTERS[engine.kind]} turned {turned}, columns {_range(columns)}, rows {_range(rows)}"]
    else:
        lines = ["Game over"]
    lines.append("Next: " + " ".join(LETTERS[kind] for kind in engine.next_kinds(shown)))
    if guideline:
        held = LETTERS[engine.hold_kind] if engine.hold_kind else "none"
        lines.append(f"Hold: {held}{' (used for this piece)' if engine.hold_used else ''}")
        lines.append(f"Level {engine.level}, lines {engine.lines}, pieces {engine.pieces}, score {engine.score}")
    else:
        lines.append(f"Lines {engine.lines}, pieces {engine.pieces}, score {engine.score}")
    cells = engine.cells
    stack = "".join(LOCKED if kind else EMPTY for kind in cells)
    board = [list(stack[start : start + WIDTH]) for start in range(0, len(stack), WIDTH)][::-1]
    if guideline and active:
        down = engine.drop_rows()
        for x, y in active:
            board[y - down][x] = GHOST
    for x, y in active:
        board[y][x] = ACTIVE
    top = engine.ROWS
    while top > HEIGHT and board[top - 1].count(EMPTY) == WIDTH:
        top -= 1
    lines.append("   " + "".join(map(str, range(WIDTH))))
    lines += [f"{HEIGHT - 1 - y:2} {''.join(board[y])}" for y in range(top - 1, -1, -1)]
    return "\n".join(lines)
