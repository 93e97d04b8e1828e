"""What can be said about a mean from a sample."""

import math
from collections.abc import Sequence


def mean_interval(
    scores: Sequence[float], confidence: float = 0.95
) -> tuple[float, float | None, tuple[float, float] | None]:
    """Mean, sample standard deviation and confidence interval of the mean.

    The interval is Student's: mean ± t · sd / √n, t being the (1 + confidence) / 2 quantile of Student's t
    distribution with n - 1 degrees of freedom ("Student", The probable error of a mean, Biometrika 6, 1908). It is
    exact for normal scores and good for others once n is some dozens; with few and skewed scores it covers less than
    it says. Where all scores are equal it has no width, which says that nothing varied and not that nothing could.

    Args:
        scores: One number an episode.
        confidence: Share of such intervals that hold the true mean.

    Returns:
        The mean, the standard deviation (n - 1 in the denominator) and the interval's ends; the latter two are None
        for a single score, from which no spread can be told.

    Raises:
        ValueError: If there are no scores, or confidence isn't between 0 and 1.
    """
    if not scores:
        raise ValueError("no scores: a mean needs at least one")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, and is {confidence}")
    n = len(scores)
    mean = math.fsum(scores) / n
    if n == 1:
        return mean, None, None
    # Imported here because it takes longer to load than everything else that a run needs of this package.
    from scipy.special import stdtrit

    sd = math.sqrt(math.fsum((score - mean) ** 2 for score in scores) / (n - 1))
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * sd / math.sqrt(n)
    return mean, sd, (mean - half, mean + half)
