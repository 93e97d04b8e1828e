"""Paired differences."""

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp

from lmgame_leaderboards.ratings import compare_scores


def test_mean_and_interval_are_those_of_a_paired_t_test() -> None:
    differences = [3.0, -1.0, 4.0, 1.0, -5.0, 9.0, 2.0, 6.0]
    found = compare_scores(differences)
    peer = ttest_1samp(differences, 0).confidence_interval(0.95)
    assert found.mean == pytest.approx(np.mean(differences))
    assert found.interval == pytest.approx((peer.low, peer.high))
    assert (found.n, found.wins, found.draws, found.losses) == (8, 6, 0, 2)
    assert not found.told_apart


@pytest.mark.parametrize(("wins", "draws", "losses"), [(8, 3, 1), (2, 0, 2), (0, 4, 7), (3, 5, 0), (0, 5, 0)])
def test_the_sign_test_is_the_binomial_test_without_draws(wins: int, draws: int, losses: int) -> None:
    found = compare_scores([2.0] * wins + [0.0] * draws + [-3.0] * losses)
    expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert found.p_value == pytest.approx(expected)
    assert (found.wins, found.draws, found.losses) == (wins, draws, losses)


def test_so_many_more_pairs_tell_them_apart_with_the_power_that_is_named() -> None:
    rng = np.random.default_rng(3)
    seen = rng.normal(0.0, 1.0, 20)
    seen = 0.3 + (seen - seen.mean()) / seen.std(ddof=1)
    found = compare_scores(seen.tolist())
    assert found.more_pairs is not None
    assert found.n + found.more_pairs == 88  # ((1.95996 + 0.84162) / 0.3)² = 87.2
    told = sum(compare_scores(rng.normal(0.3, 1.0, 88).tolist()).told_apart for _ in range(1000)) / 1000
    assert told == pytest.approx(0.8, abs=4 * (0.8 * 0.2 / 1000) ** 0.5)


def test_nothing_more_is_needed_where_they_are_told_apart_and_nothing_known_where_the_mean_is_nought() -> None:
    apart = compare_scores([1.0, 2.0, 1.5, 1.2, 1.8, 1.1])
    assert apart.told_apart
    assert apart.more_pairs is None
    equal = compare_scores([1.0, -1.0, 2.0, -2.0])
    assert not equal.told_apart
    assert equal.more_pairs is None


def test_differences_that_are_all_the_same_are_left_to_the_sign_test() -> None:
    few = compare_scores([1.0] * 4)
    assert few.interval == (1.0, 1.0)
    assert few.constant
    assert not few.told_apart
    assert few.more_pairs == 2
    assert compare_scores([1.0] * 6).told_apart
    assert not compare_scores([0.0] * 50).told_apart


def test_a_single_pair_tells_no_spread() -> None:
    one = compare_scores([5.0])
    assert one.interval is None
    assert one.more_pairs is None
    assert not one.told_apart
    with pytest.raises(ValueError, match="no scores"):
        compare_scores([])
