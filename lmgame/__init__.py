"""Find out how well language and vision-language models play games.

`play` plays and returns typed results, `play_async` is its twin for programs with an event loop, `make` makes a game's
environment.
"""

from lmgame.api import play, play_async
from lmgame.request import Request
from lmgame.run import RunResult, play_request
from lmgame_common import LmgameError
from lmgame_games import make
from lmgame_leaderboards import EpisodeResult, Summary

__all__ = [
    "EpisodeResult",
    "LmgameError",
    "Request",
    "RunResult",
    "Summary",
    "make",
    "play",
    "play_async",
    "play_request",
]
