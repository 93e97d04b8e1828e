"""The scripted player: perfect, by looking at every game that can still be played."""

from functools import cache

from lmgame_games.core import Move
from lmgame_games.line_game.grid import Position
from lmgame_games.shared import Seat
from lmgame_games.tic_tac_toe.cards import COLUMNS, ROWS
from lmgame_games.tic_tac_toe.env import GRID

ACTIONS = tuple(f"{column}{row}" for row in ROWS for column in COLUMNS)


class TicTacToePlayer:
    """Plays perfectly: wins as soon as it can, loses as late as it can. Pure."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def act(self) -> list[Move]:
        position: Position = self._seat.view()
        return [Move(ACTIONS[best_action(position.own, position.other)])]


def best_action(own: int, other: int) -> int:
    """The first of the best moves of who is to move with the stones `own`."""
    taken = own | other
    return max(GRID.legal(taken), key=lambda action: (-value(other, own | GRID.cell_of(action, taken)), -action))


@cache
def value(own: int, other: int) -> int:
    """What the position is worth to who is to move: 0 for a draw, more for a sooner win, less for a sooner loss."""
    if GRID.has_won(other):
        return -1 - (GRID.full & ~(own | other)).bit_count()
    taken = own | other
    legal = GRID.legal(taken)
    return max((-value(other, own | GRID.cell_of(action, taken)) for action in legal), default=0)
