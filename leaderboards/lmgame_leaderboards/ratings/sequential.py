"""A test that may be looked at after every pair and stopped as soon as it has decided.

Each hypothesis on the mean share of points is played against with a capital of 1: a bet on every pair, chosen before
its result is seen, that is fair if the hypothesis holds. By Ville's inequality the capital then ever reaches 1/α with a
probability of at most α, whenever and however often one looks; a large capital speaks against the hypothesis. (Waudby-
Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS B 86, 2024; bets by their approximate
growth-rate-adaptive rule.) Nothing is assumed about pairs but that they are independent and share one mean.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

Verdict = Literal["undecided", "first", "second", "equal"]

BOLDNESS = 0.75
"""Largest share of the capital that a bet may lose."""
GRID = 1001
"""Means that `interval` looks at."""


class _Capital:
    """Capital against each of several hypothetical means.

    Args:
        means: The hypotheses.
        sign: 1 to bet on a higher mean alone, -1 on a lower one alone, 0 on either.
    """

    def __init__(self, means: np.ndarray, sign: int) -> None:
        self._means, self._sign = means, sign
        self.log = np.zeros(len(means))

    def bet(self, points: float, mean: float, variance: float) -> None:
        """Bet by the mean and variance of the pairs before, then see the points of this one."""
        gap = mean - self._means
        bets = gap / (variance + gap**2)
        low = 0.0 if self._sign > 0 else -BOLDNESS / np.maximum(1 - self._means, 1e-9)
        high = 0.0 if self._sign < 0 else BOLDNESS / np.maximum(self._means, 1e-9)
        self.log += np.log1p(np.clip(bets, low, high) * (points - self._means))


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """What a sequential test promises, declared before it begins."""

    alpha: float = 0.05
    """Highest probability of ever calling two players different whose mean share of points is one half."""
    beta: float = 0.05
    """Highest probability of ever calling two players equal whose share is further from one half than the margin."""
    margin: float = 0.05
    """Distance from one half within which a share counts as equal."""


class SequentialTest:
    """Is the first player's mean share of points above, below or about one half?

    Decides `first` or `second` when the capital against "at most" or "at least one half" has reached 2/α, and `equal`
    when both "at least one half + margin" and "at most one half - margin" have lost to 1/β. Once decided it stays so.

    Args:
        alpha, beta, margin: As in `ErrorRates`.

    Raises:
        ValueError: For rates outside of (0, 1) and margins outside of (0, 0.5).
    """

    def __init__(self, alpha: float = 0.05, beta: float = 0.05, margin: float = 0.05) -> None:
        if not (0 < alpha < 1 and 0 < beta < 1 and 0 < margin < 0.5):
            raise ValueError(f"alpha and beta lie between 0 and 1, margin between 0 and 0.5: {alpha}, {beta}, {margin}")
        self.rates = ErrorRates(alpha, beta, margin)
        self.n = 0
        """Pairs seen."""
        self.verdict: Verdict = "undecided"
        half = np.array([0.5])
        self._above, self._below = _Capital(half, 1), _Capital(half, -1)
        self._not_better, self._not_worse = _Capital(half + margin, -1), _Capital(half - margin, 1)
        self._all = _Capital(np.linspace(0, 1, GRID), 0)
        # Means and variances begin with one pair's worth of knowing nothing.
        self._sum, self._squares = 0.5, 0.25

    def add(self, points: float) -> Verdict:
        """Take the next pair's share of points of the first player, in [0, 1]; the verdict so far.

        Raises:
            ValueError: For points outside of [0, 1].
        """
        if not 0 <= points <= 1:
            raise ValueError(f"a pair's share of points lies between 0 and 1, and is {points}")
        mean = self._sum / (self.n + 1)
        variance = self._squares / (self.n + 1)
        for capital in (self._above, self._below, self._not_better, self._not_worse, self._all):
            capital.bet(points, mean, variance)
        self.n += 1
        self._sum += points
        self._squares += (points - self._sum / (self.n + 1)) ** 2
        if self.verdict == "undecided":
            self.verdict = self._decided()
        return self.verdict

    def _decided(self) -> Verdict:
        needed = math.log(2 / self.rates.alpha)
        if self._above.log[0] >= needed:
            return "first"
        if self._below.log[0] >= needed:
            return "second"
        both = min(self._not_better.log[0], self._not_worse.log[0])
        return "equal" if both >= math.log(1 / self.rates.beta) else "undecided"

    @property
    def interval(self) -> tuple[float, float]:
        """A confidence interval of the mean share at 1 - alpha that holds at all times at once."""
        held = np.flatnonzero(self._all.log < math.log(1 / self.rates.alpha))
        if not len(held):
            mean = self._sum / (self.n + 1)
            return mean, mean
        return float(held[0] / (GRID - 1)), float(held[-1] / (GRID - 1))
