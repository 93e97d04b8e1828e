"""Records of runs on disk, and what can be computed from them. FORMAT.md describes the files."""

from lmgame_leaderboards.arena_folder import (
    ArenaFolder,
    ArenaRecord,
    ArenaRequestRecord,
    arena_path,
    game_path,
    read_arena,
)
from lmgame_leaderboards.export import export
from lmgame_leaderboards.intake import played_game, played_games, player_of, result_folders
from lmgame_leaderboards.played import PlayedGame, PlayedSeat
from lmgame_leaderboards.records import EpisodeLog, EpisodeWriter, is_finished, read_episode
from lmgame_leaderboards.results import (
    EpisodeResult,
    LatencySummary,
    RunResults,
    Summary,
    UsageTotals,
    document,
    episode_row,
    load_run,
    summarize,
)
from lmgame_leaderboards.run_folder import EpisodeState, RunFolder, episode_path, fresh_folder, read_run, run_path
from lmgame_leaderboards.schema import (
    SCHEMA_VERSION,
    BaselineRecord,
    GameRequest,
    PlayerRecord,
    RunRecord,
    RunRequest,
    Versions,
    episode_id,
    numbered,
    request_id,
)
from lmgame_leaderboards.stats import mean_interval
from lmgame_leaderboards.stills import StillsWriter
from lmgame_leaderboards.table import markdown_table

__all__ = [
    "SCHEMA_VERSION",
    "ArenaFolder",
    "ArenaRecord",
    "ArenaRequestRecord",
    "BaselineRecord",
    "EpisodeLog",
    "EpisodeResult",
    "EpisodeState",
    "EpisodeWriter",
    "GameRequest",
    "LatencySummary",
    "PlayedGame",
    "PlayedSeat",
    "PlayerRecord",
    "RunFolder",
    "RunRecord",
    "RunRequest",
    "RunResults",
    "StillsWriter",
    "Summary",
    "UsageTotals",
    "Versions",
    "arena_path",
    "document",
    "episode_id",
    "episode_path",
    "episode_row",
    "export",
    "fresh_folder",
    "game_path",
    "is_finished",
    "load_run",
    "markdown_table",
    "mean_interval",
    "numbered",
    "played_game",
    "played_games",
    "player_of",
    "read_arena",
    "read_episode",
    "read_run",
    "request_id",
    "result_folders",
    "run_path",
    "summarize",
]
