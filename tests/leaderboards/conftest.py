"""A small run to read, made of records as a runner would write them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lmgame_leaderboards import EpisodeWriter, RunFolder, RunRecord, Versions, episode_id


def make_header(seed: int = 0, game: str = "tetris", **changed: Any) -> dict[str, Any]:
    header: dict[str, Any] = {
        "episode": episode_id(game, "standard", seed),
        "game": game,
        "preset": "standard",
        "version": 1,
        "options": {},
        "seed": seed,
        "model": "stub",
        "clock": "paused",
        "observation": "text",
    }
    return header | changed


def make_decision(index: int, score: float = 0.0, **changed: Any) -> dict[str, Any]:
    decision: dict[str, Any] = {
        "index": index,
        "moves": ["left", "hard_drop"],
        "played": 2,
        "verdict": "ok",
        "raw": '{"moves": ["left", "hard_drop"]}',
        "thought": None,
        "problem": None,
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 100, "cached_tokens": None, "completion_tokens": 7},
        "latency": {"total": 0.5, "first_token": 0.1, "between_tokens": 0.02},
        "waited": 0,
        "score": score,
        "time": 1.0,
    }
    return decision | changed


def make_run(request: dict[str, Any] | None = None, **changed: Any) -> RunRecord:
    asked = {"model": "stub", "games": [{"game": "tetris", "preset": "standard", "version": 1}], "seeds": [0, 1, 2]}
    return RunRecord.begin(
        asked | (request or {}),
        Versions(lmgame="0.1.0", python="3.13.1"),
        **({"prompt_hashes": {"tetris/standard": "aa"}, "command": "lmgame play"} | changed),
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of three episodes: seed 0 done with score 10, seed 1 done with score 20, seed 2 cut off at 5."""
    baselines = {"tetris/standard": {"random": {"n": 200, "mean": 11.5, "sd": 1.7, "ci95": (11.3, 11.7)}}}
    path = tmp_path / "run"
    with RunFolder.open(path, make_run(baselines=baselines)) as folder:
        for seed, score in ((0, 10.0), (1, 20.0), (2, 5.0)):
            header = make_header(seed)
            with EpisodeWriter.open(folder.episode_path(header["episode"]), header) as writer:
                writer.decision(**make_decision(0, score / 2, raw='=HYPERLINK("x")', moves=[], verdict="unparsable"))
                writer.fault(index=1, kind="http_500", message="boom")
                writer.decision(**make_decision(1, score, usage=None, latency=None))
                if seed < 2:
                    writer.outcome(outcome="topped_out", score=score, decisions=2)
    return path


@pytest.fixture
def written(tmp_path: Path) -> Callable[[int], Path]:
    """Writes a finished record of so many decisions, with a fault before each and text beyond ASCII."""

    def write(decisions: int) -> Path:
        path = tmp_path / "episodes" / "tetris-standard-0.jsonl"
        with EpisodeWriter.open(path, make_header()) as writer:
            for index in range(decisions):
                writer.fault(index=index, kind="reset", message="connection reset", time=0.5)
                writer.decision(**make_decision(index, index * 1.5, raw="左へ\n\u2028 ↓ \x00 🎮"))
            writer.outcome(outcome="topped_out", score=3.0, decisions=decisions, time=2.0)
        return path

    return write
