"""Standings: tables of players, by their ratings and their scores."""

from lmgame_leaderboards.standings.entrants import Entrant, Field, field_of
from lmgame_leaderboards.standings.pairing import Meetings, matches_of
from lmgame_leaderboards.standings.rows import GameScore, Row
from lmgame_leaderboards.standings.standings import Standings, standings_by_game, standings_of
from lmgame_leaderboards.standings.tables import (
    CSV_HEAD,
    Table,
    flat_rows,
    markdown,
    matrix_table,
    notes_of,
    published_table,
    rating_table,
    score_table,
)
from lmgame_leaderboards.standings.versus import Decided, Pair, Versus, compare, entrant_called

__all__ = [
    "CSV_HEAD",
    "Decided",
    "Entrant",
    "Field",
    "GameScore",
    "Meetings",
    "Pair",
    "Row",
    "Standings",
    "Table",
    "Versus",
    "compare",
    "entrant_called",
    "field_of",
    "flat_rows",
    "markdown",
    "matches_of",
    "matrix_table",
    "notes_of",
    "published_table",
    "rating_table",
    "score_table",
    "standings_by_game",
    "standings_of",
]
