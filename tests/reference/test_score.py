"""What `reference.score` takes for a card's score of pico, and what it refuses."""

import sys
from pathlib import Path
from typing import Any

import pytest

import lmgame
from lmgame_leaderboards import RunResults, load_run
from reference import score


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run of two short games."""
    folder = tmp_path_factory.mktemp("score") / "run"
    lmgame.play("pico", "tetris", episodes=2, max_decisions=2, out=folder)
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> RunResults:
    return load_run(folder)


def test_a_shortened_run_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[Any] = []
    monkeypatch.setattr(score.baselines, "store", lambda *arguments: stored.append(arguments))
    monkeypatch.setattr(sys, "argv", ["score", str(folder)])
    with pytest.raises(SystemExit, match="at most 2 decisions"):
        score.main()
    assert not stored


def test_a_run_on_the_cards_terms_is_taken(run: RunResults) -> None:
    record = run.record.model_copy(deep=True)
    record.request.max_decisions = None
    assert score.refusal(record) is None
    found = score.baseline_of(run, "tetris", "standard")
    assert found.n == 2 and found.reference
    assert found.mean == sum(row.score for row in run.episodes) / 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"model": "scripted"}, "'scripted' is not pico"),
        ({"base_url": "http://gpu:8000/v1"}, "not pico as it comes with lmgame"),
        ({"clock": "realtime"}, "clock 'realtime'"),
        ({"sampling": {"temperature": 0.7}}, "settings of its own"),
    ],
)
def test_a_run_on_other_terms_is_refused(run: RunResults, change: dict[str, Any], why: str) -> None:
    request = run.record.request.model_copy(update={"max_decisions": None, **change})
    assert why in str(score.refusal(run.record.model_copy(update={"request": request})))


def test_other_games_and_players_are_refused(run: RunResults) -> None:
    record = run.record.model_copy(deep=True)
    record.request.max_decisions = None
    assert "is not pico" in str(score.refusal(record.model_copy(update={"reference": False})))
    record.request.games[0].options = {"stage": "1-1"}
    assert "options of its own" in str(score.refusal(record))


def test_seeds_begin_at_0(run: RunResults) -> None:
    record = run.record.model_copy(deep=True)
    record.request.seeds = [0, 1, 2]
    with pytest.raises(SystemExit, match="every episode finished"):
        score.baseline_of(RunResults(record, run.episodes, run.summaries), "tetris", "standard")
