"""Records of runs on disk, and what can be computed from them."""

from lmgame_leaderboards.records import EpisodeLog, EpisodeWriter, read_episode
from lmgame_leaderboards.schema import SCHEMA_VERSION, RunRecord, RunRequest, Versions, episode_id, request_id

__all__ = [
    "SCHEMA_VERSION",
    "EpisodeLog",
    "EpisodeWriter",
    "RunRecord",
    "RunRequest",
    "Versions",
    "episode_id",
    "read_episode",
    "request_id",
]
