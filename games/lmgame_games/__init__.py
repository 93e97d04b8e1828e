"""Games as Gymnasium environments, with their cards and a conformance kit (`lmgame_games.testing`).

Importing this package registers every game's id with Gymnasium, so `gymnasium.make("lmgame_games:lmgame/Tetris-v1")`
works as it stands.
"""

from lmgame_games.core import (
    Baseline,
    Card,
    Control,
    Game,
    GameEnv,
    Move,
    ObservationKind,
    Player,
    frame_of,
    play_moves,
)
from lmgame_games.registry import card, game, games, make, register, scripted_player

register()

__all__ = [
    "Baseline",
    "Card",
    "Control",
    "Game",
    "GameEnv",
    "Move",
    "ObservationKind",
    "Player",
    "card",
    "frame_of",
    "game",
    "games",
    "make",
    "play_moves",
    "register",
    "scripted_player",
]
