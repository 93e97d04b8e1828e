"""Rows, summaries and the JSON document say what the records say."""

import json
from pathlib import Path
from typing import Any

import pytest

from lmgame_common import RecordError
from lmgame_leaderboards import (
    EpisodeResult,
    EpisodeWriter,
    LatencySummary,
    UsageTotals,
    episode_row,
    load_run,
    mean_interval,
    read_episode,
    summarize,
)

from .conftest import make_decision, make_header


def log_of(path: Path, *decisions: dict[str, Any]) -> EpisodeResult:
    with EpisodeWriter.open(path / "a.jsonl", make_header()) as writer:
        for index, decision in enumerate(decisions):
            writer.decision(**make_decision(index, **decision))
    return episode_row(read_episode(path / "a.jsonl"))


def test_a_row_sums_up_its_record(run: Path) -> None:
    row = load_run(run).episodes[0]
    assert row == EpisodeResult(
        id="tetris-standard-0",
        game="tetris",
        preset="standard",
        version=1,
        seed=0,
        score=10.0,
        decisions=2,
        outcome="topped_out",
        verdicts={"ok": 1, "unparsable": 1},
        infrastructure_faults=1,
        usage=UsageTotals(prompt_tokens=100, completion_tokens=7),
        latency=LatencySummary(0.5, 0.5, 0.5, 0.1, 0.02),
    )


def test_an_episode_without_decisions_has_a_row(tmp_path: Path) -> None:
    row = log_of(tmp_path)
    assert (row.score, row.decisions, row.outcome, row.verdicts) == (0.0, 0, None, {})
    assert row.usage == UsageTotals()
    assert row.latency == LatencySummary()


def test_sums_take_what_was_reported_and_nothing_is_not_zero(tmp_path: Path) -> None:
    row = log_of(
        tmp_path,
        {"usage": {"prompt_tokens": 5, "completion_tokens": 0, "cost_usd": 0.25}},
        {"usage": None},
        {"usage": {"prompt_tokens": 6, "completion_tokens": 0, "cached_tokens": None, "cost_usd": 0.5}},
    )
    assert row.usage == UsageTotals(prompt_tokens=11, completion_tokens=0, cost_usd=0.75)


def test_latency_percentiles(tmp_path: Path) -> None:
    decisions = [{"latency": {"total": float(second), "first_token": None}} for second in range(101)]
    assert log_of(tmp_path, *decisions).latency == LatencySummary(50.0, 50.0, 95.0, None, None)


def test_summaries_count_finished_episodes_only(run: Path) -> None:
    results = load_run(run)
    assert [row.outcome for row in results.episodes] == ["topped_out", "topped_out", None]
    (summary,) = results.summaries
    assert (summary.n, summary.mean) == (2, 15.0)
    assert (summary.mean, summary.sd, summary.ci95) == mean_interval([10.0, 20.0])
    assert summary.baselines["random"].mean == 11.5


def test_each_game_and_preset_has_its_summary() -> None:
    def row(game: str, preset: str, score: float, outcome: str | None = "over") -> EpisodeResult:
        return EpisodeResult("id", game, preset, 1, 0, score, 1, outcome)

    rows = [row("b", "x", 1), row("a", "x", 2), row("b", "y", 3), row("b", "x", 5), row("c", "x", 9, None)]
    assert [(s.game, s.preset, s.n, s.mean) for s in summarize(rows)] == [
        ("b", "x", 2, 3.0),
        ("a", "x", 1, 2.0),
        ("b", "y", 1, 3.0),
        ("c", "x", 0, None),
    ]


def test_the_document_has_the_promised_shape(run: Path) -> None:
    document = load_run(run).document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert set(document) == {"schema_version", "run", "episodes", "summary"}
    assert document["schema_version"] == 1
    assert document["run"]["request"]["seeds"] == [0, 1, 2]
    assert document["episodes"][2] == {
        "id": "tetris-standard-2",
        "game": "tetris",
        "preset": "standard",
        "seed": 2,
        "score": 5.0,
        "decisions": 2,
        "verdicts": {"ok": 1, "unparsable": 1},
        "infrastructure_faults": 1,
        "usage": {"prompt_tokens": 100, "cached_tokens": None, "completion_tokens": 7, "reasoning_tokens": None},
        "outcome": None,
    }
    assert document["summary"] == [
        {
            "game": "tetris",
            "preset": "standard",
            "n": 2,
            "mean": 15.0,
            "ci95": list(mean_interval([10.0, 20.0])[2] or ()),
            "baselines": {"random": {"n": 200, "mean": 11.5, "sd": 1.7, "ci95": [11.3, 11.7], "reference": False}},
        }
    ]


def test_records_not_yet_begun_are_left_out_and_damaged_ones_named(run: Path) -> None:
    episodes = run / "episodes"
    (episodes / "tetris-standard-0.jsonl").unlink()
    (episodes / "tetris-standard-1.jsonl").write_bytes(b'{"type":"hea')
    assert [row.id for row in load_run(run).episodes] == ["tetris-standard-2"]

    path = episodes / "tetris-standard-2.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"index":0', b'"index":x'))
    with pytest.raises(RecordError, match=r"tetris-standard-2\.jsonl, line 2 is damaged"):
        load_run(run)
