"""The scripted player: that of Tetris on the own board, which with garbage pending clears rather than builds up."""

from lmgame_games.core import Move
from lmgame_games.shared import Seat
from lmgame_games.tetris.evaluation import may_stack
from lmgame_games.tetris.player import best_moves
from lmgame_games.tetris_versus.view import VersusView


class TetrisVersusPlayer:
    """Plays well: survives, and sends four lines at once while nothing comes the other way. Pure."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def act(self) -> list[Move]:
        """The moves that place the piece in play, by way of hold where that is better."""
        view: VersusView = self._seat.view()
        return best_moves(view.own, stack=not view.own_pending and may_stack(view.own.board))
