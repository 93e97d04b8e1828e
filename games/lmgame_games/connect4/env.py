"""Connect Four as a PettingZoo environment."""

from lmgame_games.connect4.cards import COLUMNS, OPENING, card
from lmgame_games.line_game.env import LineGameEnv
from lmgame_games.line_game.grid import Grid
from lmgame_games.line_game.render import Style

GRID = Grid(columns=7, rows=6, line=4, drops=True)
STYLE = Style(cell=48, signs=("R", "Y"), columns=COLUMNS, rows=(), round_stones=True)


class ConnectFourEnv(LineGameEnv):
    """Connect Four; a `LineGameEnv` with an action a column, from the left.

    Args:
        preset: `standard`.
        render_mode: `rgb_array` or None.

    Raises:
        UnknownNameError: For an unknown preset.
        UsageError: For an unknown render mode.
    """

    def __init__(self, preset: str = "standard", render_mode: str | None = None) -> None:
        super().__init__(
            card(preset), GRID, STYLE, opening=OPENING, line_outcome="four_in_a_row", render_mode=render_mode
        )
