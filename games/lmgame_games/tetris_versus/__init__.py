"""Tetris Versus: two boards of guideline Tetris, whose cleared lines become garbage on the other side."""

from lmgame_games.core import Card, Game


def _card(preset: str) -> Card:
    from lmgame_games.tetris_versus.cards import card

    return card(preset)


GAME = Game(
    name="tetris-versus",
    title="Tetris Versus",
    env_id="lmgame/TetrisVersus-v1",
    entry_point="lmgame_games.tetris_versus.env:TetrisVersusEnv",
    presets=("standard",),
    cards=_card,
    scripted="lmgame_games.tetris_versus.player:TetrisVersusPlayer",
    seats=2,
)
