"""Tic-tac-toe."""

from lmgame_games.core import Card, Game


def _card(preset: str) -> Card:
    from lmgame_games.tic_tac_toe.cards import card

    return card(preset)


GAME = Game(
    name="tic-tac-toe",
    title="Tic-tac-toe",
    env_id="lmgame/TicTacToe-v1",
    entry_point="lmgame_games.tic_tac_toe.env:TicTacToeEnv",
    presets=("standard",),
    cards=_card,
    scripted="lmgame_games.tic_tac_toe.player:TicTacToePlayer",
    seats=2,
)
