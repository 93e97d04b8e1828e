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
from lmgame_games.registry import card, game, games, make, make_shared, register, scripted_player
from lmgame_games.shared import AlternatingGame, Seat, SharedGame, SimultaneousGame

register()

__all__ = [
    "AlternatingGame",
    "Baseline",
    "Card",
    "Control",
    "Game",
    "GameEnv",
    "Move",
    "ObservationKind",
    "Player",
    "Seat",
    "SharedGame",
    "SimultaneousGame",
    "card",
    "frame_of",
    "game",
    "games",
    "make",
    "make_shared",
    "play_moves",
    "register",
    "scripted_player",
]
