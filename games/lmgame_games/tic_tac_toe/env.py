"""Tic-tac-toe as a PettingZoo environment."""

from lmgame_games.line_game.env import LineGameEnv
from lmgame_games.line_game.grid import Grid
from lmgame_games.line_game.render import Style
from lmgame_games.tic_tac_toe.cards import COLUMNS, OPENING, ROWS, card

GRID = Grid(columns=3, rows=3, line=3, drops=False)
STYLE = Style(cell=64, signs=("X", "O"), columns=COLUMNS, rows=ROWS, round_stones=False)


class TicTacToeEnv(LineGameEnv):
    """Tic-tac-toe; a `LineGameEnv` with nine actions, row by row from the top left.

    Args:
        preset: `standard`.
        render_mode: `rgb_array` or None.

    Raises:
        UnknownNameError: For an unknown preset.
        UsageError: For an unknown render mode.
    """

    def __init__(self, preset: str = "standard", render_mode: str | None = None) -> None:
        super().__init__(
            card(preset), GRID, STYLE, opening=OPENING, line_outcome="three_in_a_row", render_mode=render_mode
        )
