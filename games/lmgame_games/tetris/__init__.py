"""Tetris by the guideline, and by the rules of Lmgame-Bench."""

from lmgame_games.core import Card, Game


def _card(preset: str) -> Card:
    from lmgame_games.tetris.cards import card

    return card(preset)


GAME = Game(
    name="tetris",
    title="Tetris",
    env_id="lmgame/Tetris-v1",
    entry_point="lmgame_games.tetris.env:TetrisEnv",
    presets=("standard", "lmgame-bench-2025"),
    cards=_card,
    scripted="lmgame_games.tetris.player:TetrisPlayer",
)
