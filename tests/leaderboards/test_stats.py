"""The interval of a mean is Student's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmgame_leaderboards import mean_interval

SCORES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50)


@pytest.mark.parametrize(
    ("n", "t"),
    [(2, 12.706), (3, 4.303), (5, 2.776), (10, 2.262), (31, 2.042), (121, 1.980)],
)
def test_half_widths_are_those_of_the_printed_t_table(n: int, t: float) -> None:
    scores = [float(score) for score in range(n)]
    mean, sd, interval = mean_interval(scores)
    assert mean == pytest.approx((n - 1) / 2)
    assert sd == pytest.approx(np.std(scores, ddof=1))
    assert interval is not None
    assert sd is not None
    assert (interval[1] - mean) / (sd / n**0.5) == pytest.approx(t, abs=5e-4)
    assert interval[0] + interval[1] == pytest.approx(2 * mean)


def test_one_score_has_no_spread_and_none_has_no_mean() -> None:
    assert mean_interval([3.0]) == (3.0, None, None)
    with pytest.raises(ValueError, match="no scores"):
        mean_interval([])


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, float("nan")])
def test_confidence_is_a_share(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        mean_interval([1.0, 2.0], confidence)


def test_equal_scores_give_a_point() -> None:
    assert mean_interval([7.5] * 4) == (7.5, 0.0, (7.5, 7.5))


@settings(deadline=None)
@given(SCORES, st.floats(-1e3, 1e3), st.floats(0.1, 10))
def test_it_moves_and_stretches_with_the_scores(scores: list[float], shift: float, factor: float) -> None:
    mean, sd, interval = mean_interval(scores)
    moved = mean_interval([factor * score + shift for score in scores])
    tolerance = 1e-6 * (1 + max(abs(score) for score in scores))
    assert sd is not None
    assert interval is not None
    assert moved[0] == pytest.approx(factor * mean + shift, abs=20 * tolerance)
    assert moved[1] == pytest.approx(factor * sd, abs=20 * tolerance)
    assert moved[2] == pytest.approx([factor * end + shift for end in interval], abs=500 * tolerance)
    assert interval[0] <= mean <= interval[1]


@pytest.mark.parametrize(("n", "confidence"), [(2, 0.95), (5, 0.95), (20, 0.95), (5, 0.8)])
def test_it_covers_as_often_as_it_says(n: int, confidence: float) -> None:
    rng = np.random.default_rng(20)
    trials = 3000
    covered = 0
    for sample in rng.normal(10, 3, size=(trials, n)):
        interval = mean_interval(sample.tolist(), confidence)[2]
        assert interval is not None
        covered += interval[0] <= 10 <= interval[1]
    # Four standard errors of a share: a right interval fails for one seed in 16,000; a normal one for n = 5 always.
    assert covered / trials == pytest.approx(confidence, abs=4 * (confidence * (1 - confidence) / trials) ** 0.5)
