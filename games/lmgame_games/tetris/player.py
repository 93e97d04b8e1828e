"""The scripted player: tries every place it can press the piece to in time, and takes the best."""

from collections.abc import Iterator

from lmgame_games.core import Move
from lmgame_games.tetris.engine import Engine
from lmgame_games.tetris.env import TetrisEnv
from lmgame_games.tetris.evaluation import after, may_stack, worth
from lmgame_games.tetris.guideline import GuidelineEngine
from lmgame_games.tetris.pieces import FLOOR, ROW, I, O, S, Z

type Way = tuple[list[int], Engine]
"""Presses, and the game after them."""

PRESS = -1.0
"""Value of a press: of two places much alike the nearer one, which matters where moves are limited."""
_TURNS = {O: 0, I: 2, S: 2, Z: 2}
"""Turns that lead to different places: of I, S and Z the half turn is the piece again."""


class TetrisPlayer:
    """Plays well under every preset. Pure: it looks at the environment's present state alone.

    It presses each way to a place on a copy of the game, so that what gravity does meanwhile is accounted for.
    """

    def __init__(self, env: TetrisEnv) -> None:
        self._env = env

    def act(self) -> list[Move]:
        """The moves that place the piece in play, by way of hold where that is better."""
        engine = self._env.engine
        # Four lines at once bring more than four times one only where the guideline counts the points.
        return best_moves(engine, stack=isinstance(engine, GuidelineEngine) and may_stack(engine.board))


def best_moves(engine: Engine, *, stack: bool) -> list[Move]:
    """The moves to the best place of the piece in play, the drop included; for `stack` see `worth`."""
    best, moves = float("-inf"), list[int]()
    for presses, game in _ways(engine):
        mask = game.mask >> ROW * game.drop_rows()
        board, lines = after(game.board & (1 << ROW * (FLOOR + game.ROWS)) - 1, mask)
        value = worth(board, mask, lines, stack=stack) + PRESS * len(presses)
        if value > best:
            best, moves = value, presses
    return [*(Move(engine.MOVES[press]) for press in moves), Move("hard_drop")]


def _ways(engine: Engine) -> Iterator[Way]:
    """Every way to turn and push the piece in play, or the one that hold brings, short of dropping it."""
    names = engine.MOVES
    left, right = names.index("left"), names.index("right")
    for start in _starts(engine):
        for turned in _turned(start):
            yield turned
            for push in (left, right):
                way = turned
                while (way := _press(way, push)) is not None:
                    yield way


def _starts(engine: Engine) -> Iterator[Way]:
    yield [], engine
    if "hold" in engine.MOVES and (held := _press(([], engine), engine.MOVES.index("hold"))):
        yield held


def _turned(way: Way) -> Iterator[Way]:
    """The piece as it is and turned each way that makes a difference."""
    yield way
    names = way[1].MOVES
    clockwise = names.index("rotate_cw" if "rotate_cw" in names else "rotate_right")
    counter = names.index("rotate_ccw" if "rotate_ccw" in names else "rotate_left")
    turns = _TURNS.get(way[1].kind, 3)
    if turns >= 1 and (once := _press(way, clockwise)):
        yield once
        if turns == 3 and (twice := _press(once, clockwise)):
            yield twice
    if turns >= 2 and (back := _press(way, counter)):
        yield back


def _press(way: Way, move: int) -> Way | None:
    """One press more; None if it did nothing, or the piece locked meanwhile."""
    presses, game = way
    new = game.copy()
    if new.play(move) or new.over:
        return None
    moved = new.kind != game.kind or new.rotation != game.rotation or (new.pos - game.pos) % ROW != 0
    return ([*presses, move], new) if moved or new.hold_used != game.hold_used else None
