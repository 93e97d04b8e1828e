"""Find out how well language and vision-language models play games.

`play` lets a model play and returns typed results, `match` and `arena` let models play against each other; `play_async`
and its like are their twins for programs with an event loop. `leaderboard` and `compare` say how all stands that was
ever played. `make` makes a game's environment.
"""

from lmgame.api import arena, arena_async, match, match_async, play, play_async
from lmgame.arenas.request import ArenaRequest
from lmgame.arenas.result import ArenaResult
from lmgame.request import Request
from lmgame.run import RunResult, play_request
from lmgame.standings import compare, leaderboard
from lmgame_common import LmgameError
from lmgame_games import make
from lmgame_leaderboards import EpisodeResult, Summary

__all__ = [
    "ArenaRequest",
    "ArenaResult",
    "EpisodeResult",
    "LmgameError",
    "Request",
    "RunResult",
    "Summary",
    "arena",
    "arena_async",
    "compare",
    "leaderboard",
    "make",
    "match",
    "match_async",
    "play",
    "play_async",
    "play_request",
]
