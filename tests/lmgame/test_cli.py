import asyncio
import importlib
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from lmgame_serving.testing import Reply, StubServer

from .conftest import Command, deterministic, needs_mario

Run = Callable[..., "CompletedProcess[str]"]


@needs_mario
def test_json_is_one_document_and_nothing_else(lmgame: Run, tmp_path: Path):
    done = lmgame("play", "--model", "random", "--game", "tetris", "--game", "mario", "-n", "2", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert set(document) == {"schema_version", "run", "episodes", "summary"}
    assert [(row["game"], row["seed"]) for row in document["episodes"]] == [
        (game, seed) for game in ("tetris", "mario") for seed in (0, 1)
    ]
    for row in document["episodes"]:
        assert set(row) == {
            *("id", "game", "preset", "seed", "score", "decisions", "verdicts"),
            *("infrastructure_faults", "usage", "outcome"),
        }
        assert row["verdicts"] == {"ok": row["decisions"]}
        assert row["outcome"]
    for summary in document["summary"]:
        assert summary["n"] == 2
        low, high = summary["ci95"]
        assert low <= summary["mean"] <= high
        assert summary["baselines"]["random"]["n"] > 1


def test_one_episode_has_no_interval(lmgame: Run):
    document = json.loads(lmgame("play", "-m", "random", "--json").stdout)
    assert document["summary"][0]["ci95"] is None


def test_the_table_the_folder_and_the_replay(lmgame: Run, tmp_path: Path):
    done = lmgame("play", "-m", "scripted", "-n", "2", "--max-decisions", "5")
    assert done.returncode == 0, done.stderr
    assert re.search(r"\| tetris +\| standard +\| \*\*scripted\*\* +\| +2 \|", done.stdout)
    folder = re.search(r"run folder: (\S+)", done.stdout)
    replay = re.search(r"replay of \S+: (\S+)", done.stdout)
    assert folder and (tmp_path / folder[1] / "run.json").exists()
    assert replay and (tmp_path / replay[1]).stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("play", "-m", "random", "-g", "tetriss"), "Did you mean 'tetris'"),
        (("play", "-m", "random", "--preset", "standart"), "Did you mean 'standard'"),
        (("play", "-m", "smolm2"), "Did you mean 'smollm2'"),
        (("play", "-m", "randm"), "Did you mean 'random'"),
        (("play", "-m", "random", "-n", "0"), "at least 1"),
        (("play", "-m", "random", "-n", "-2"), "at least 1"),
        (("play", "-m", "random", "-c", "0"), "--concurrency"),
        (("play", "-m", "random", "--max-decisions", "0"), "--max-decisions"),
        (("play", "-m", "random", "--seeds", "3-1"), "--seeds"),
        (("play", "-m", "random", "--seeds", "1", "-n", "2"), "leave out --episodes"),
        pytest.param(
            ("play", "-m", "random", "-g", "mario", "--stage", "9-1"), "Unknown stage '9-1'", marks=needs_mario
        ),
        pytest.param(("play", "-m", "random", "-g", "mario", "--lives", "2"), "1 or 3 lives", marks=needs_mario),
        pytest.param(("play", "-m", "random", "-g", "mario", "--rom", "nowhere.nes"), "nowhere.nes", marks=needs_mario),
        (("play", "-m", "random", "--stage", "1-1"), "no option 'stage'"),
        (("play", "-m", "random", "--option", "stage"), "NAME=VALUE"),
        pytest.param(
            ("play", "-m", "smollm2", "-g", "mario", "--preset", "lmgame-bench-2025"),
            "takes no images",
            marks=needs_mario,
        ),
        (("play", "-m", "smollm2", "--observation", "image"), "Use --observation text"),
        (("play", "-m", "human"), "display"),
        (("play", "-m", "random", "--price", "1"), "--price"),
        (("play", "-m", "random", "--clock", "sundial"), "--clock"),
        (("play", "-m", "openai/gpt-5"), "OPENAI_API_KEY"),
        (("replay", "nothing.jsonl"), "nothing.jsonl"),
        (("show", "nothing.jsonl"), "nothing.jsonl"),
        (("export", "nothing"), "nothing"),
        (("games", "chess"), "Unknown game 'chess'"),
    ],
)
def test_wrong_usage_gets_one_clear_message(
    lmgame: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...], complaint: str
):
    for name in ("OPENAI_API_KEY", "DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    done = lmgame(*arguments)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert complaint in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "nothing may be left behind"


def test_out_must_be_usable(lmgame: Run, tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    done = lmgame("play", "-m", "random", "--out", "file")
    assert done.returncode == 2 and "is a file" in done.stderr
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    done = lmgame("play", "-m", "random", "--out", "full")
    assert done.returncode == 2 and "thesis.tex" in done.stderr
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.tex"]


def test_a_run_of_another_request_is_not_mixed_in(lmgame: Run):
    assert lmgame("play", "-m", "random", "--out", "here").returncode == 0
    done = lmgame("play", "-m", "random", "--seed", "5", "--out", "here")
    assert done.returncode == 2 and "seeds" in done.stderr


def test_a_damaged_record_is_named_and_kept(lmgame: Run, tmp_path: Path):
    assert lmgame("play", "-m", "random", "-n", "2", "--out", "here").returncode == 0
    record = tmp_path / "here" / "episodes" / "tetris-standard-1.jsonl"
    damaged = record.read_text().replace('"type":"decision"', '"type":"dec', 1)
    record.write_text(damaged)
    done = lmgame("play", "-m", "random", "-n", "2", "--out", "here")
    assert done.returncode == 2
    assert "tetris-standard-1.jsonl, line 2" in " ".join(done.stderr.split())
    assert record.read_text() == damaged


def test_a_disk_that_takes_no_more_is_said_so(lmgame: Run, tmp_path: Path):
    """A limit on the size of files stands for a full disk: writes fail in the middle of a record."""
    arguments = ["play", "-m", "random", "--out", "here"]
    limited = subprocess.run(
        [sys.executable, "-m", "lmgame", *arguments],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert limited.returncode == 2
    assert "tetris-standard-0.jsonl" in " ".join(limited.stderr.split()) and "Traceback" not in limited.stderr
    kept = (tmp_path / "here" / "episodes" / "tetris-standard-0.jsonl").read_bytes()
    assert 4000 < len(kept) <= 8000 and kept.endswith(b"\n")
    assert lmgame(*arguments).returncode == 0
    assert (tmp_path / "here" / "episodes" / "tetris-standard-0.jsonl").read_bytes().startswith(kept)


async def test_infrastructure_leaves_exit_code_3_and_the_way_on(command: Command):
    def down(request: dict, n: int) -> Reply:
        return Reply(deterministic(request, n), fault="http_500" if n > 5 else None)

    async with StubServer(down) as server:
        process = command("play", "-m", f"{server.base_url}#stub", "--max-retries", "0", "--out", "here")
        _, err = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 3, err
    assert "To go on: lmgame play" in " ".join(err.split())
    assert "500" in err


async def test_dry_run_prints_the_prompt_and_asks_nobody(command: Command, tmp_path: Path):
    async with StubServer() as server:
        process = command("play", "-m", f"{server.base_url}#stub", "--game", "tetris", "--dry-run")
        out, err = await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 0, err
        assert server.count == 0
    assert "hard_drop" in out and "PNG data URI" in out and "decisions at most: 2000" in out
    assert not list(tmp_path.iterdir())


@needs_mario
def test_dry_run_needs_no_key_and_shows_what_will_be_sent(lmgame: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    remote = lmgame("play", "-m", "openai/gpt-5-mini", "-g", "mario", "--dry-run")
    assert remote.returncode == 0 and "OPENAI_API_KEY (not set)" in remote.stdout
    local = lmgame("play", "-m", "smollm2", "-g", "mario", "--dry-run", "--json")
    messages = json.loads(local.stdout)["prompts"]["mario/standard"]
    assert (
        isinstance(messages[1]["content"], str) and "picture" not in messages[0]["content"].split("Each turn")[1][:60]
    )


@needs_mario
def test_options_go_to_the_game_they_belong_to(lmgame: Run):
    done = lmgame(
        *("play", "-m", "random", "-g", "tetris", "-g", "mario", "--stage", "1-2"), "--max-decisions", "1", "--json"
    )
    assert done.returncode == 0, done.stderr
    games = json.loads(done.stdout)["run"]["request"]["games"]
    assert [game["options"] for game in games] == [{}, {"stage": "1-2"}]


async def test_show_pages_through_and_obeys_nothing(command: Command, lmgame: Run, tmp_path: Path):
    hostile = 'ok \x1b[2J\u202e [bold]markup[/bold]\n{"moves": ["hard_drop"]}'
    async with StubServer(hostile) as server:
        process = command("play", "-m", f"{server.base_url}#stub", "--max-decisions", "3", "--out", "here")
        _, err = await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 0, err
    record = "here/episodes/tetris-standard-0.jsonl"
    shown = lmgame("show", record)
    assert shown.returncode == 0, shown.stderr
    assert "\x1b[2J" not in shown.stdout and "\\x1b[2J" in shown.stdout
    assert "\u202e" not in shown.stdout
    assert "[bold]markup[/bold]" in shown.stdout
    assert shown.stdout.count("moves: hard_drop (1 played)") == 3
    one = lmgame("show", record, "-d", "1")
    assert one.stdout.count("moves: hard_drop") == 1
    assert lmgame("show", record, "-d", "3").returncode == 2


def test_export(lmgame: Run, tmp_path: Path):
    assert lmgame("play", "-m", "random", "-n", "3", "--out", "here").returncode == 0
    assert lmgame("export", "here").returncode == 0
    assert len((tmp_path / "here" / "episodes.csv").read_text().splitlines()) == 4
    assert lmgame("export", "here", "--to", "parquet", "--out", "table.parquet").returncode == 0
    import pyarrow.parquet

    assert pyarrow.parquet.read_table(tmp_path / "table.parquet").num_rows == 3


def test_catalogue_and_doctor(lmgame: Run):
    listed = lmgame("games")
    assert listed.returncode == 0 and "tetris" in listed.stdout and "lmgame-bench-2025" in listed.stdout
    card = lmgame("games", "mario")
    assert card.returncode == 0 and "right+b" in card.stdout and "Baselines" in card.stdout
    models = lmgame("models")
    assert models.returncode == 0 and "smollm2" in models.stdout and "ANTHROPIC_API_KEY" in models.stdout
    doctor = lmgame("doctor")
    assert doctor.returncode == 0 and "Python" in doctor.stdout


def test_options_come_from_the_environment_too(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "lmgame", "play", "-m", "random", "--json"],
        env={**os.environ, "LMGAME_PLAY_EPISODES": "2", "LMGAME_PLAY_MAX_DECISIONS": "2"},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert len(json.loads(done.stdout)["episodes"]) == 2


def test_a_fresh_run_is_continued_in_its_own_folder(lmgame: Run, tmp_path: Path):
    arguments = ("play", "-m", "random", "--max-decisions", "3")
    assert lmgame(*arguments, "--out", "here").returncode == 0
    assert lmgame(*arguments, "--out", "here", "--fresh").returncode == 0
    command = json.loads((tmp_path / "here-2" / "run.json").read_text())["command"]
    assert command == "lmgame play -m random --max-decisions 3 --out here-2"


async def test_what_a_server_says_is_shown_and_not_obeyed(command: Command):
    nasty = Reply(status=500, body='{"error": {"message": "\\u001b]0;PWNED\\u0007\\u202e"}}')
    async with StubServer(lambda request, n: nasty if n else deterministic(request, n)) as server:
        process = command("play", "-m", f"{server.base_url}#stub", "--max-retries", "0", "--out", "here")
        out, err = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 3
    assert "PWNED" in err
    assert "\x1b" not in out + err and "\u202e" not in out + err


def test_doctor_names_the_exact_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    module = importlib.import_module("lmgame.cli.doctor")

    def installed(package: str) -> str:
        if package in ("av", "nes-py"):
            raise PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(module, "version", installed)
    monkeypatch.setenv("COLUMNS", "200")
    module.doctor()
    shown = capsys.readouterr().out
    assert "uv pip install 'lmgame[video]'" in shown and "uv pip install 'lmgame[mario]'" in shown
