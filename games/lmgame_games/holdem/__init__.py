"""Texas hold'em for two."""

from lmgame_games.core import Card, Game


def _card(preset: str) -> Card:
    from lmgame_games.holdem.cards import card

    return card(preset)


GAME = Game(
    name="holdem",
    title="Texas hold'em",
    env_id="lmgame/Holdem-v1",
    entry_point="lmgame_games.holdem.env:HoldemEnv",
    presets=("standard", "limit"),
    cards=_card,
    scripted="lmgame_games.holdem.player:HoldemPlayer",
    seats=2,
)
