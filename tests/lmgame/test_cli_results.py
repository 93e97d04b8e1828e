"""`lmgame results`, and what `lmgame play` puts into the store."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lmgame import play
from lmgame.cli import main
from lmgame_leaderboards.store import Store
from tests.lmgame.conftest import Command

Run = Callable[..., "subprocess.CompletedProcess[str]"]

PLAY = ("play", "--model", "random", "--max-decisions", "3")


@pytest.fixture
def lmgame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `lmgame …` to its end, in this process, since it takes long to start."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        monkeypatch.setattr(sys, "argv", ["lmgame", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), out, err)

    return run


def test_play_import_export(lmgame: Run, tmp_path: Path) -> None:
    first = lmgame(*PLAY, "-n", "2")
    assert first.returncode == 0, first.stderr
    with Store.open() as store:
        games = store.games()
    assert [(game.seed, game.max_decisions, game.seats[0].player.model) for game in games] == [
        (0, 3, "random"),
        (1, 3, "random"),
    ]
    assert all(Path(game.source).is_file() for game in games)

    again = lmgame("results", "import", "runs")
    assert again.returncode == 0 and "games: 0 added, 0 replaced, 2 there already" in again.stdout
    elsewhere = lmgame("results", "import", "runs", "--published", "--db", "new.sqlite")
    assert "games: 2 added" in elsewhere.stdout and "published scores: 145 added" in elsewhere.stdout

    out = lmgame("results", "export", "--out", "all.jsonl")
    assert out.returncode == 0 and "all.jsonl (2 games)" in out.stdout
    for file in ("all.csv", "all.parquet"):
        assert lmgame("results", "export", "--out", file, "--game", "tetris/standard").returncode == 0
    assert lmgame("results", "export", "--out", "none.csv", "-g", "mario").stdout == "none.csv (0 games)\n"
    taken = lmgame("results", "import", "all.jsonl", "--db", "third.sqlite")
    assert "games: 2 added" in taken.stdout
    with Store.open(str(tmp_path / "third.sqlite")) as store:
        assert [game.key for game in store.games()] == [game.key for game in games]


def test_what_can_not_be_imported_is_named(lmgame: Run, tmp_path: Path) -> None:
    assert lmgame(*PLAY, "-n", "2", "--db", "none", "--out", "run").returncode == 0
    record = tmp_path / "run" / "episodes" / "tetris-standard-0.jsonl"
    record.write_text(record.read_text().replace("\n", "}\n", 1))
    found = lmgame("results", "import", "run", "missing", str(record))
    assert found.returncode == 2
    assert "games: 1 added" in found.stdout
    assert len(found.stderr.splitlines()) == 3 and found.stderr.count("left out: ") == 3
    assert "tetris-standard-0.jsonl, line 1 is damaged" in found.stderr
    assert lmgame("results", "import").returncode == 2
    assert lmgame("results", "export", "--out", "x.csv", "--clock", "realtme").returncode == 2


def test_a_store_that_fails_costs_no_result(lmgame: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    played = lmgame(*PLAY, "--out", "run", "--db", "file/results.sqlite")
    assert played.returncode == 0 and "| tetris | standard | **random**" in played.stdout
    assert "not in the results store" in played.stderr and "lmgame results import run" in played.stderr
    with Store.open() as store:
        assert store.count() == 0
    assert lmgame(*PLAY, "--out", "run").returncode == 0  # finished before, and stored now
    with Store.open() as store:
        assert store.count() == 1


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_what_was_finished_before_an_interruption_is_stored(command: Command, tmp_path: Path) -> None:
    process = command("play", "--model", "scripted", "-n", "500", "-c", "1", "--max-decisions", "40", "--out", "run")
    assert process.stderr
    for line in process.stderr:
        if ": done" in line:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    with Store.open() as store:
        assert 0 < store.count() < 500


def test_fresh_runs_replace_earlier_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for fresh in (False, True):
        result = play("scripted", episodes=1, max_decisions=3, fresh=fresh, db="own.sqlite")
    with Store.open("own.sqlite") as store:
        (game,) = store.games()
    assert Path(game.source).parent.parent == tmp_path / result.folder
    assert result.folder.name.endswith("-2")


def test_postgres_by_url(lmgame: Run, postgres_url: str) -> None:
    assert lmgame(*PLAY, "-n", "2", "--db", postgres_url).returncode == 0
    found = lmgame("results", "export", "--out", "all.jsonl", "--db", postgres_url)
    assert "all.jsonl (2 games)" in found.stdout
    with Store.open(postgres_url) as store:
        assert store.count() == 2
    with Store.open() as store:
        assert store.count() == 0
