"""Baselines: measured, stored, and what Tetris's cards show."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from gymnasium import spaces

from lmgame_common import GameError, UnknownNameError, UsageError
from lmgame_games import baselines, card


def test_the_interval_is_students() -> None:
    """2, 4, 9: mean 5, sd sqrt(13); t(0.975, 2) = 4.302653."""
    found = baselines.summary([2, 4, 9])
    half = 4.302653 * (13 / 3) ** 0.5
    assert (found.n, found.mean, found.sd) == (3, 5.0, pytest.approx(13**0.5, abs=1e-4))
    assert found.ci95 == pytest.approx((5 - half, 5 + half), abs=1e-3)


def test_one_game_gives_no_interval() -> None:
    with pytest.raises(UsageError, match="two episodes"):
        baselines.summary([1])


def test_random_actions_are_uniform_and_follow_seed_and_decision() -> None:
    space = spaces.Discrete(7)
    actions = [baselines.random_action(space, 3, decision) for decision in range(700)]
    assert actions == [baselines.random_action(space, 3, decision) for decision in range(700)]
    assert actions != [baselines.random_action(space, 4, decision) for decision in range(700)]
    assert all(60 < actions.count(action) < 140 for action in range(7))
    many = spaces.MultiDiscrete([12, 60])
    assert all(baselines.random_action(many, 0, decision) in many for decision in range(50))
    with pytest.raises(GameError, match="Discrete"):
        baselines.random_action(spaces.Box(0, 1), 0, 0)


def test_main_measures_and_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "files", lambda package: tmp_path)
    assert baselines.load("tetris") == {}
    for player in ("random", "scripted"):
        limit = ["--preset", "lmgame-bench-2025", "--player", player, "--episodes", "2"]
        baselines.main(["tetris", *limit])
    stored = json.loads((tmp_path / baselines.FILE).read_text())
    assert set(stored["lmgame-bench-2025"]) == {"random", "scripted"}
    loaded = baselines.load("tetris")["lmgame-bench-2025"]
    assert loaded["scripted"].mean > loaded["random"].mean
    assert loaded["random"] == baselines.measure("tetris", "lmgame-bench-2025", "random", 2)


def test_a_reference_is_stored_and_loaded_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "files", lambda package: tmp_path)
    measured = replace(baselines.summary([1, 2, 3]), reference=True)
    baselines.store("tetris", "standard", "pico", measured)
    baselines.store("tetris", "standard", "random", baselines.summary([1, 2, 3]))
    assert baselines.load("tetris")["standard"]["pico"] == measured
    assert not baselines.load("tetris")["standard"]["random"].reference


def test_unknown_game() -> None:
    with pytest.raises(UnknownNameError):
        baselines.load("tetriss")


@pytest.mark.parametrize("preset", ["standard", "lmgame-bench-2025"])
def test_cards_carry_measured_baselines(preset: str) -> None:
    found = card("tetris", preset).baselines
    assert found["random"].n >= 1000
    assert found["scripted"].n >= 30
    for baseline in found.values():
        low, high = baseline.ci95
        assert low < baseline.mean < high
    assert found["random"].ci95[1] < found["scripted"].ci95[0]


def test_the_stored_random_baseline_is_what_a_measurement_gives() -> None:
    """The random player under the rules of Lmgame-Bench; 200 of its games against all that were stored."""
    stored = card("tetris", "lmgame-bench-2025").baselines["random"]
    measured = baselines.measure("tetris", "lmgame-bench-2025", "random", 200)
    assert abs(measured.mean - stored.mean) < 4 * stored.sd / 200**0.5
