"""The results store: all games that were ever played, in SQLite or PostgreSQL."""

from lmgame_leaderboards.store.place import ENVIRONMENT
from lmgame_leaderboards.store.store import Merged, Store

__all__ = ["ENVIRONMENT", "Merged", "Store"]
