"""`lmgame leaderboard` on a store that short arenas of players of known strength have filled."""

import csv
import io
import json

import pytest

import lmgame
from lmgame_common import LmgameError, UnknownNameError, UsageError

from .conftest import Run

PLAY = ("arena", "-m", "random", "-m", "scripted", "-g", "connect4", "-g", "tic-tac-toe", "--pairs", "2")


def test_an_empty_store_says_what_to_run(run: Run):
    told = run("leaderboard")
    assert "lmgame arena" in told and "lmgame results import" in told
    assert json.loads(run("leaderboard", "--format", "json"))["rows"] == []
    assert len(run("leaderboard", "--format", "csv").splitlines()) == 1
    assert "--clock realtime" in run("leaderboard", "--game", "tetris-versus", "--clock", "realtime")


def test_the_stronger_player_leads_in_every_format(run: Run):
    run(*PLAY)
    found = json.loads(run("leaderboard", "--format", "json"))
    played = [row for row in found["rows"] if not row["baseline"]]
    assert [row["model"] for row in played] == ["scripted", "random"]
    assert played[0]["n"] == played[1]["n"] == 8 and played[0]["wins"] == played[1]["losses"] >= 6
    assert found["anchor"] == "random" and played[1]["rating"] == 0 < played[0]["rating"]
    assert found["matrix"]["scripted"]["random"]["n"] == 8
    assert sorted(found["games"]) == ["connect4/standard", "tic-tac-toe/standard"]

    rows = list(csv.DictReader(io.StringIO(run("leaderboard", "--format", "csv"))))
    scores = {(row["model"], row["conditions"]): float(row["mean"]) for row in rows if row["baseline"] == "0"}
    assert len(scores) == 4
    assert scores["scripted", "connect4/standard"] > scores["random", "connect4/standard"]

    for told in (run("leaderboard"), run("leaderboard", "--format", "markdown")):
        lines = told.splitlines()
        first = next(number for number, line in enumerate(lines) if "scripted" in line)
        assert "Rank" in told and "random" in lines[first + 1]
    assert json.loads(run("leaderboard", "--format", "json", "-g", "connect4"))["games"] == ["connect4/standard"]
    assert json.loads(run("leaderboard", "--format", "json", "--min-games", "9"))["rows"] == []
    assert [row.model for row in lmgame.leaderboard("connect4/standard").rows][:2] == ["scripted", "random"]


@pytest.mark.parametrize("columns", [80, 100])
def test_tables_fit_the_terminal(run: Run, monkeypatch: pytest.MonkeyPatch, columns: int):
    run(*PLAY, "-g", "tetris", "--max-decisions", "3")
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    lines = run("leaderboard").splitlines()
    assert max(len(line) for line in lines if "\x1b" not in line) <= columns


def test_copies_are_no_competitors(run: Run):
    run(*PLAY, "--mirror")
    found = json.loads(run("leaderboard", "--format", "json"))
    assert [row["name"] for row in found["rows"] if not row["baseline"]] == ["scripted", "random"]
    assert found["anchor"] == "random" and {row["n"] for row in found["rows"] if row["n"]} == {8}


def test_published_scores_stand_beside_and_never_among(run: Run):
    run("match", "-m", "random", "-m", "scripted", "-g", "tetris/lmgame-bench-2025", "--max-decisions", "3")
    run("results", "import", "--published")
    found = json.loads(run("leaderboard", "--format", "json"))
    assert found["published"] and {score["game"] for score in found["published"]} == {"tetris"}
    models = {score["model"] for score in found["published"]}
    assert not models & {row["model"] for row in found["rows"]} and not models & found["matrix"].keys()
    assert "Published elsewhere" in run("leaderboard", "--format", "markdown")


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        (("--game", "tetri"), UnknownNameError, "tetris"),
        (("--game", "tetris/standrad"), UnknownNameError, "standard"),
        (("--clock", "real"), UsageError, "paused or realtime"),
        (("--db", "none"), UsageError, "turned off"),
        (("--db", "."), LmgameError, "is a directory"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, arguments: tuple[str, ...], error: type[Exception], complaint: str):
    with pytest.raises(error, match=complaint):
        run("leaderboard", *arguments)
