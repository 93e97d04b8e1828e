"""pico on the command line: frames alone, its own games alone, and marked as a reference wherever its scores go."""

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from lmgame.players import usual_observation
from lmgame.request import Request
from lmgame.run import play_request
from lmgame_common import EndpointError, UsageError
from lmgame_serving import resolve
from lmgame_serving.pico_engine import FOLDER
from lmgame_serving.testing import Reply, StubServer

from .conftest import needs_mario

doctor: Any = import_module("lmgame.cli.doctor")  # in the package the command has the module's name

Run = Callable[..., "CompletedProcess[str]"]


def test_it_plays_from_frames_and_is_marked(lmgame: Run, tmp_path: Path):
    done = lmgame("play", "-m", "pico", "--max-decisions", "3", "--out", "here")
    assert done.returncode == 0, done.stderr
    assert "| **pico** (reference) |" in done.stdout
    assert "pico is a reference: it was trained on these very games." in done.stdout
    run = json.loads((tmp_path / "here" / "run.json").read_text())
    assert run["reference"] is True
    assert run["versions"]["weights"] == hashlib.sha256((FOLDER / "model.safetensors").read_bytes()).hexdigest()
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
    run = json.loads(done.stdout)["run"]
    assert run["reference"] is False and run["versions"]["weights"] is None
    printed = lmgame("play", "-m", "random", "--max-decisions", "1", "--out", "here").stdout
    assert "**random** (reference)" not in printed and "is a reference" not in printed
    assert "| pico (reference)" in printed  # the fixed point that it is compared with


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
    games = lmgame("games").stdout
    assert games.splitlines()[1].split()[-3:] == ["random", "scripted", "pico"]
    assert "pico is a reference" in games


def test_the_doctor_looks_at_its_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert list(doctor._pico()) == [doctor.Finding("pico", True, "its files are as they were shipped")]
    copied = Path(shutil.copytree(doctor.FOLDER, tmp_path / "pico"))
    monkeypatch.setattr(doctor, "FOLDER", copied)
    for damaged in ("SHA256SUMS", "tokenizer.json"):
        (copied / damaged).write_bytes(b"")
        (finding,) = doctor._pico()
        assert (finding.what, finding.fine, finding.cure) == ("pico", False, "reinstall lmgame")
        assert damaged in finding.seen
        shutil.copyfile(FOLDER / damaged, copied / damaged)
    (copied / "config.json").unlink()
    (finding,) = doctor._pico()
    assert finding.fine is False and "config.json" in finding.seen


SHOWN = {"prompt_tokens": 68, "completion_tokens": 2, "total_tokens": 70}


@pytest.mark.parametrize("form", ["{url}#pico", "{url}#/models/pico", "{url}", "--base-url"])
async def test_behind_a_server_it_is_marked_all_the_same(form: str, tmp_path: Path):
    async with StubServer(Reply(usage=SHOWN), models=["/models/pico"] if "#" not in form else None) as server:
        base_url = server.base_url if form == "--base-url" else None
        model = "/models/pico" if base_url else form.format(url=server.base_url)
        request = Request(model=model, base_url=base_url, max_decisions=2, out=tmp_path / "here")
        done = await play_request(request)
        sent = [message["content"] for message in server.requests[-1].json["messages"]]
    assert done.complete and done.run.reference
    assert json.loads((tmp_path / "here" / "run.json").read_text())["reference"] is True
    header = json.loads(done.episode_path(done.episodes[0].id).read_text().splitlines()[0])
    assert header["observation"] == "image" and header["endpoint"]["reference"] is True
    assert "image_url" in json.dumps(sent[-1])
    # A finished run is read without its server.
    assert (await play_request(request)).complete


@pytest.mark.parametrize("form", ["{url}#pico", "{url}"])
async def test_behind_a_server_it_is_asked_for_no_more_than_it_can(form: str, tmp_path: Path):
    async with StubServer(models=["pico"]) as server:
        for wrong in ({"observation": "text"}, {"history": 2}, {"preset": "lmgame-bench-2025"}):
            with pytest.raises(UsageError, match=r"reads no text|was asked for"):
                await play_request(Request(model=form.format(url=server.base_url), out=tmp_path / "here", **wrong))
    assert not list(tmp_path.iterdir()) and not server.requests


async def test_a_server_that_does_not_say_what_it_has_leaves_no_run(tmp_path: Path):
    async with StubServer(models=["a", "b"]) as server:
        with pytest.raises(EndpointError, match="has 2 models"):
            await play_request(Request(model=server.base_url, out=tmp_path / "here"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("model", "vision", "kind"),
    [("pico", True, "image"), ("smollm2", False, "text"), ("http://host/v1#m", True, "both")],
)
def test_what_a_model_is_shown_by_default(model: str, vision: bool, kind: str):
    assert usual_observation(resolve(model, env={}), vision=vision) == kind
