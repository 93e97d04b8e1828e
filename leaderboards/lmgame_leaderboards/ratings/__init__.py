"""Ratings and comparisons of players, from matches."""

from lmgame_leaderboards.ratings.adaptive import next_pairs
from lmgame_leaderboards.ratings.comparison import Comparison, compare_scores
from lmgame_leaderboards.ratings.graph import NotConnectedError
from lmgame_leaderboards.ratings.matches import DRAW, LOSS, WIN, Match, Matches
from lmgame_leaderboards.ratings.rate import Interval, Rating, Ratings, Term, rate
from lmgame_leaderboards.ratings.sequential import ErrorRates, SequentialTest, Verdict

__all__ = [
    "DRAW",
    "LOSS",
    "WIN",
    "Comparison",
    "ErrorRates",
    "Interval",
    "Match",
    "Matches",
    "NotConnectedError",
    "Rating",
    "Ratings",
    "SequentialTest",
    "Term",
    "Verdict",
    "compare_scores",
    "next_pairs",
    "rate",
]
