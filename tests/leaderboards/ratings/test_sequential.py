"""The sequential test keeps its promises although it is looked at after every pair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmgame_leaderboards.ratings import SequentialTest, Verdict

ARENAS = 300


def verdict(rng: np.random.Generator, draw, most: int, **rates: float) -> tuple[Verdict, int]:
    test = SequentialTest(**rates)
    for points in draw(rng, most):
        if test.add(float(points)) != "undecided":
            break
    return test.verdict, test.n


def swapped(mean: float):
    """Two matches a pair, without draws."""
    return lambda rng, n: rng.binomial(2, mean, n) / 2


def coin(mean: float):
    return lambda rng, n: rng.random(n) < mean


def skewed(mean: float):
    """Mostly a bit below one half, sometimes far above: the hardest sort for an approximation by normals."""
    return lambda rng, n: np.where(rng.random(n) < 0.1, 1.0, (mean - 0.1) / 0.9)


def shares(draw, most: int, **rates: float) -> dict[Verdict, float]:
    rng = np.random.default_rng(11)
    found = [verdict(rng, draw, most, **rates)[0] for _ in range(ARENAS)]
    return {kind: found.count(kind) / ARENAS for kind in ("first", "second", "equal", "undecided")}


def at_most(share: float) -> float:
    """The share that the true rate exceeds for one seed in a thousand only, if it is `share`."""
    return share + 3.1 * (share * (1 - share) / ARENAS) ** 0.5


@pytest.mark.parametrize("draw", [swapped(0.5), coin(0.5), skewed(0.5)], ids=["swapped", "coin", "skewed"])
def test_equals_are_rarely_called_different_at_any_time(draw) -> None:
    found = shares(draw, 400)
    assert found["first"] + found["second"] <= at_most(0.05)


@pytest.mark.parametrize("draw", [swapped(0.601), coin(0.601), skewed(0.601)], ids=["swapped", "coin", "skewed"])
def test_who_differ_by_more_than_the_margin_are_rarely_called_equal(draw) -> None:
    found = shares(draw, 400, margin=0.1)
    assert found["equal"] <= at_most(0.05)
    assert found["second"] <= at_most(0.025)


def test_a_better_player_is_found_whichever_side_it_is_on() -> None:
    assert shares(swapped(0.7), 200)["first"] >= 0.95
    assert shares(swapped(0.3), 200)["second"] >= 0.95


def test_equals_are_called_equal_in_the_end() -> None:
    assert shares(swapped(0.5), 400, margin=0.1)["equal"] >= 0.9


def test_who_always_wins_is_told_after_eight_pairs() -> None:
    assert verdict(np.random.default_rng(0), coin(1.0), 100) == ("first", 8)
    assert verdict(np.random.default_rng(0), coin(0.0), 100) == ("second", 8)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=80))
def test_sides_are_alike_and_looking_changes_nothing(points: list[float]) -> None:
    test, other, looked_at = SequentialTest(), SequentialTest(), SequentialTest()
    mirrored: dict[Verdict, Verdict] = {
        "first": "second",
        "second": "first",
        "equal": "equal",
        "undecided": "undecided",
    }
    for share in points:
        test.add(share)
        other.add(1 - share)
        looked_at.add(share)
        assert 0 <= looked_at.interval[0] <= looked_at.interval[1] <= 1
    assert test.verdict == mirrored[other.verdict]
    low, high = test.interval
    assert other.interval == pytest.approx((1 - high, 1 - low))
    assert looked_at.interval == pytest.approx((low, high))


def test_a_verdict_stays() -> None:
    test = SequentialTest()
    for _ in range(8):
        test.add(1.0)
    for _ in range(50):
        assert test.add(0.0) == "first"
    assert test.n == 58


def test_the_interval_holds_the_mean_at_all_times() -> None:
    rng = np.random.default_rng(4)
    missed = 0
    for _ in range(60):
        test = SequentialTest()
        inside = True
        for points in rng.choice([0.0, 0.5, 1.0], size=60, p=[0.2, 0.2, 0.6]):
            test.add(float(points))
            low, high = test.interval
            inside &= low <= 0.7 <= high
        missed += not inside
    assert missed / 60 <= 0.05 + 3.1 * (0.05 * 0.95 / 60) ** 0.5


@pytest.mark.parametrize("points", [-0.1, 1.1, float("nan")])
def test_points_are_shares(points: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        SequentialTest().add(points)


@pytest.mark.parametrize("rates", [{"alpha": 0}, {"beta": 1}, {"margin": 0.5}, {"margin": 0}])
def test_rates_are_probabilities(rates: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="alpha and beta"):
        SequentialTest(**rates)
