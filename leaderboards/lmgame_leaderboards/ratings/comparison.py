"""Two players on the same seeds: the paired difference, and how many more pairs would tell them apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import ndtri
from scipy.stats import binomtest

from lmgame_leaderboards.stats import mean_interval

POWER = 0.8
"""Chance with which the further pairs that are named tell the players apart, if the difference is what was seen."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What paired differences say: the first player's score less the second's, pair by pair."""

    n: int
    mean: float
    interval: tuple[float, float] | None
    """Student's, of the mean; None for a single pair. Without width where all differences are equal."""
    wins: int
    """Pairs in which the first did better."""
    draws: int
    losses: int
    p_value: float
    """Of the two-sided sign test that wins and losses are equally likely; draws say nothing in it (Dixon and Mood, JASA
    41, 1946). Makes no assumption on how scores are spread."""
    more_pairs: int | None
    """Further pairs after which the interval would leave 0 out with a chance of `POWER`, if mean and standard deviation
    are as seen: n = ((z₀.₉₇₅ + z₀.₈) sd / mean)². None where it leaves 0 out already, or where the mean is 0 or n is 1,
    so that nothing can be said."""

    @property
    def told_apart(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


def compare_scores(differences: Sequence[float], confidence: float = 0.95) -> Comparison:
    """Compare two players by their paired differences.

    Args:
        differences: The first player's score less the second's, one number a pair: of a raced match on a seed, or the
            mean of the two matches of a shared game on a seed, with swapped seats.
        confidence: Of the interval.

    Raises:
        ValueError: Without differences.
    """
    mean, sd, interval = mean_interval(differences, confidence)
    wins, losses = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    n = len(differences)
    more = None
    if interval is not None and interval[0] <= 0 <= interval[1] and mean and sd:
        z = float(ndtri((1 + confidence) / 2) + ndtri(POWER))
        more = max(1, math.ceil((z * sd / mean) ** 2) - n)
    return Comparison(
        n=n,
        mean=mean,
        interval=interval,
        wins=wins,
        draws=n - wins - losses,
        losses=losses,
        p_value=float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0,
        more_pairs=more,
    )
