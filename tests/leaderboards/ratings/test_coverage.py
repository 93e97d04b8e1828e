"""Intervals hold the truth as often as they say, in arenas whose truth is known (`benchmarks/ratings_coverage.py`)."""

from dataclasses import replace

import pytest

from benchmarks.ratings_coverage import Outcome, holds, raced_outcome, seated_outcome, share

ROUNDS = 40


@pytest.fixture(scope="module")
def seated() -> list[Outcome]:
    return [seated_outcome(number, ROUNDS) for number in range(300)]


def test_contrasts_of_shared_games_are_covered_and_copies_are_not_called_different(seated: list[Outcome]) -> None:
    assert holds(seated)


def test_rank_ranges_hold_the_true_rank(seated: list[Outcome]) -> None:
    assert share(seated, "ranks_held", "players")[0] >= 0.95


def test_the_check_sees_intervals_that_cover_too_little_or_too_much(seated: list[Outcome]) -> None:
    short = [replace(outcome, held=round(0.95 * outcome.held)) for outcome in seated]
    assert not holds(short)
    assert not holds([replace(outcome, held=outcome.of) for outcome in seated])
    assert not holds([replace(outcome, mirror_called=number % 8 == 0) for number, outcome in enumerate(seated)])


def test_contrasts_of_raced_games_are_covered_although_episodes_stand_in_several_matches() -> None:
    assert holds([raced_outcome(number, ROUNDS) for number in range(60)])
