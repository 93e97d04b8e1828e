"""Two players on the same seeds: the paired difference, and how many more pairs would tell them apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import bdtr, ndtri

from lmgame_leaderboards.stats import mean_interval

UNANIMOUS = 6
"""Pairs that one player must win alone for the sign test to leave 5 % of doubt: 2 / 2⁶ = 3.1 %."""
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
    are as seen: n = ((z₀.₉₇₅ + z₀.₈) sd / mean)²; of differences that are all the same, until there are `UNANIMOUS`.
    None where the players are told apart already, or where the mean is 0 or n is 1, so that nothing can be said."""

    @property
    def constant(self) -> bool:
        """Whether all differences are the same, so that the interval has no width and says nothing."""
        return self.interval is not None and self.interval[0] == self.interval[1]

    @property
    def told_apart(self) -> bool:
        """Whether the interval leaves 0 out; of differences that are all the same, whether the sign test rules out that
        wins and losses are equally likely."""
        if self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return False
        return not self.constant or self.p_value < 0.05


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
    if interval is not None and interval[0] == interval[1] and mean and n < UNANIMOUS:
        more = UNANIMOUS - n
    return Comparison(
        n=n,
        mean=mean,
        interval=interval,
        wins=wins,
        draws=n - wins - losses,
        losses=losses,
        # Twice the binomial tail: either player may be the better one.
        p_value=min(1.0, 2 * float(bdtr(min(wins, losses), wins + losses, 0.5))),
        more_pairs=more,
    )
