"""pico on the command line: frames alone, its own games alone, and marked as a reference wherever its scores go."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from lmgame.players import usual_observation
from lmgame_serving import resolve

from .conftest import needs_mario

Run = Callable[..., "CompletedProcess[str]"]


def test_it_plays_from_frames_and_is_marked(lmgame: Run, tmp_path: Path):
    done = lmgame("play", "-m", "pico", "--max-decisions", "3", "--out", "here")
    assert done.returncode == 0, done.stderr
    assert "| **pico** (reference) |" in done.stdout
    assert "pico is a reference: it was trained on these very games." in done.stdout
    assert json.loads((tmp_path / "here" / "run.json").read_text())["reference"] is True
    record = tmp_path / "here" / "episodes" / "tetris-standard-0.jsonl"
    header, *decisions, _ = (json.loads(line) for line in record.read_text().splitlines())
    assert header["observation"] == "image"
    assert header["endpoint"] == {"model": "pico", "provider": "pico", "structured": False, "reference": True}
    assert [decision["usage"]["prompt_tokens"] for decision in decisions] == [68] * 3
    shown = lmgame("show", str(record))
    assert "pico (reference: trained on this game)" in shown.stdout
    assert "text view (the model saw the frame instead)" in shown.stdout
    assert lmgame("export", "here").returncode == 0
    with (tmp_path / "here" / "episodes.csv").open(newline="") as file:
        assert [row["reference"] for row in csv.DictReader(file)] == ["1"]


def test_other_players_are_not_marked(lmgame: Run, tmp_path: Path):
    done = lmgame("play", "-m", "random", "--max-decisions", "1", "--out", "here", "--json")
    assert json.loads(done.stdout)["run"]["reference"] is False
    assert "reference" not in lmgame("play", "-m", "random", "--max-decisions", "1", "--out", "here").stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--observation", "text"), "reads no text"),
        (("--observation", "both"), "reads no text"),
        (("--history", "2"), "reads no text"),
        (("--preset", "lmgame-bench-2025"), "tetris/lmgame-bench-2025 was asked for"),
        pytest.param(("-g", "mario", "--preset", "lmgame-bench-2025"), "can't play anything else", marks=needs_mario),
        (("--observation", "text", "--dry-run"), "reads no text"),
    ],
)
def test_what_it_cannot_do_is_refused_before_anything_starts(
    lmgame: Run, tmp_path: Path, arguments: tuple[str, ...], complaint: str
):
    done = lmgame("play", "-m", "pico", *arguments)
    assert done.returncode == 2 and complaint in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())


def test_schemas_are_refused_by_the_preflight(lmgame: Run):
    done = lmgame("play", "-m", "pico", "--structured")
    assert done.returncode == 3 and "Structured output is not supported here; leave it off" in done.stderr


def test_the_dry_run_shows_the_frame_alone(lmgame: Run):
    done = lmgame("play", "-m", "pico", "--dry-run")
    assert done.returncode == 0
    assert "[image: PNG data URI" in done.stdout and "Each turn you get a picture" in done.stdout
    assert "takes the frame and the game's name, and drops the rest" in done.stdout


def test_lists_say_what_it_is(lmgame: Run):
    listed = " ".join(lmgame("models").stdout.split())
    assert "a reference" in listed and "never ranked" in listed
    assert "pico" in lmgame("doctor").stdout


@pytest.mark.parametrize(
    ("model", "vision", "kind"),
    [("pico", True, "image"), ("smollm2", False, "text"), ("http://host/v1#m", True, "both")],
)
def test_what_a_model_is_shown_by_default(model: str, vision: bool, kind: str):
    assert usual_observation(resolve(model, env={}), vision=vision) == kind
