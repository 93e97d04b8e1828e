"""Connect Four."""

from lmgame_games.core import Card, Game


def _card(preset: str) -> Card:
    from lmgame_games.connect4.cards import card

    return card(preset)


GAME = Game(
    name="connect4",
    title="Connect Four",
    env_id="lmgame/ConnectFour-v1",
    entry_point="lmgame_games.connect4.env:ConnectFourEnv",
    presets=("standard",),
    cards=_card,
    scripted="lmgame_games.connect4.player:ConnectFourPlayer",
    seats=2,
)
