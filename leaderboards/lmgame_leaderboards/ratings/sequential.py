"""A test that may be looked at after every pair and stopped as soon as it has decided.

Each hypothesis on the mean share of points is played against with a capital of 1: a bet on every pair, chosen before
its result is seen, that is fair if the hypothesis holds. By Ville's inequality the capital then ever reaches 1/α with a
probability of at most α, whenever and however often one looks; a large capital speaks against the hypothesis. (Waudby-
Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS B 86, 2024; bets by their approximate
growth-rate-adaptive rule.) Nothing is assumed about pairs but that they are independent and share one mean.

Pairs that were needed in simulations of two matches a pair without draws, at α = β = margin = 5 %: median (and 90 %
quantile) of 100 each, by the true share of points

    share            0.5          0.55       0.6         0.7       0.8       0.9      1
    swapped seats    692 (1044)   476 (934)  129 (238)   24 (56)   14 (22)   10 (13)  8 (8)
    raced, 1 match   1487 (2168)  1086 (2198)  271 (473)  56 (111)  16 (49)  12 (20)  8 (8)

At a margin of 10 % equals take 161 (246) and 326 (524). A share between one half and the margin takes longest (0.525:
1142 (1982)), and may be called either.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Verdict = Literal["undecided", "first", "second", "equal"]

BOLDNESS = 0.75
"""Largest share of the capital that a bet may lose."""
GRID = 1001
"""Means that `interval` looks at."""
CHUNK = 500
"""Pairs that it looks at in one go."""


class _Capital:
    """Capital against each of several hypotheses on the mean.

    Args:
        hypotheses: The means that are bet against.
        sides: By hypothesis: 1 to bet on a higher mean alone, -1 on a lower one alone, 0 on either.
    """

    def __init__(self, hypotheses: np.ndarray, sides: np.ndarray) -> None:
        self._hypotheses = hypotheses
        self._lowest = np.where(sides > 0, 0.0, -BOLDNESS / np.maximum(1 - hypotheses, 1e-9))
        self._highest = np.where(sides < 0, 0.0, BOLDNESS / np.maximum(hypotheses, 1e-9))
        self.logs = np.zeros(len(hypotheses))

    def bet(self, points: Any, mean: Any, variance: Any) -> None:
        """Bet by the mean and variance of the pairs before, then see the points; numbers, or columns of many pairs."""
        gap = mean - self._hypotheses
        bets = np.minimum(np.maximum(gap / (variance + gap * gap), self._lowest), self._highest)
        won = np.log1p(bets * (points - self._hypotheses))
        self.logs += won if won.ndim == 1 else won.sum(axis=0)


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
        # At most and at least one half; at least one half + margin and at most one half - margin.
        self._capital = _Capital(np.array([0.5, 0.5, 0.5 + margin, 0.5 - margin]), np.array([1, -1, -1, 1]))
        self._grid = np.linspace(0, 1, GRID)
        self._grid_capital = _Capital(self._grid, np.zeros(GRID))
        self._waiting: list[tuple[float, float, float]] = []
        """Pairs that `interval` has not bet on yet: points, and the mean and variance before."""
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
        self._capital.bet(points, mean, variance)
        self._waiting.append((points, mean, variance))
        self.n += 1
        self._sum += points
        self._squares += (points - self._sum / (self.n + 1)) ** 2
        if self.verdict == "undecided":
            self.verdict = self._decided()
        return self.verdict

    def _decided(self) -> Verdict:
        above, below, not_better, not_worse = self._capital.logs
        needed = math.log(2 / self.rates.alpha)
        if above >= needed:
            return "first"
        if below >= needed:
            return "second"
        return "equal" if min(not_better, not_worse) >= math.log(1 / self.rates.beta) else "undecided"

    @property
    def interval(self) -> tuple[float, float]:
        """A confidence interval of the mean share at 1 - alpha that holds at all times at once."""
        for start in range(0, len(self._waiting), CHUNK):
            points, mean, variance = np.array(self._waiting[start : start + CHUNK]).T[:, :, None]
            self._grid_capital.bet(points, mean, variance)
        self._waiting.clear()
        held = np.flatnonzero(self._grid_capital.logs < math.log(1 / self.rates.alpha))
        if not len(held):
            mean = self._sum / (self.n + 1)
            return mean, mean
        return float(self._grid[held[0]]), float(self._grid[held[-1]])
