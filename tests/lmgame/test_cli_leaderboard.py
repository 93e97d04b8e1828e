"""`lmgame leaderboard`, over a store that `lmgame play` filled."""

import csv
import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

import lmgame
from lmgame.cli import main
from lmgame.standings import card_baselines
from lmgame_games import card
from lmgame_leaderboards.store import Store


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `lmgame …` to its end, in this process, since it takes long to start."""
    monkeypatch.chdir(tmp_path)

    def to_its_end(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["lmgame", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Ended(int(ended.value.code or 0), out, err)

    return to_its_end


@pytest.fixture
def filled(run: Run) -> Run:
    """The same, with a store in which two players have played three seeds of Tetris."""
    for model in ("scripted", "random"):
        assert run("play", "--model", model, "-n", "3", "--max-decisions", "15").code == 0
    return run


def test_what_was_played_alone_is_raced(filled: Run) -> None:
    shown = filled("leaderboard")
    assert shown.code == 0, shown.err
    head, first, second = shown.out.splitlines()[:3]
    assert head.split()[:4] == ["Rank", "Model", "Harness", "Rating"]
    assert "scripted" in first and "3 / 0 / 0" in first and "≥" in first
    assert "random" in second and "0 / 0 / 3" in second
    assert "Points taken" in shown.out and "100 % of 3" in shown.out
    assert "Rating: Elo points, random is 0" in shown.out

    document = json.loads(filled("leaderboard", "-f", "json").out)
    assert document["matrix"]["scripted"] == {"random": {"share": 1.0, "n": 3}}
    assert lmgame.leaderboard("tetris").document() == document

    rows = list(csv.DictReader(io.StringIO(filled("leaderboard", "-f", "csv").out)))
    assert [row["name"] for row in rows if row["baseline"] == "0"] == ["scripted", "random"]
    assert rows[0]["conditions"] == "tetris/standard" and rows[0]["games"] == "3"


def test_clocks_are_never_ranked_together(filled: Run) -> None:
    with Store.open() as store:
        alone = [game for game in store.games() if game.seats[0].player.model == "random"]
        store.put([replace(game, clock="realtime") for game in alone])
    assert "realtime" not in filled("leaderboard").out
    timed = filled("leaderboard", "--clock", "realtime")
    assert "Clock: realtime" in timed.out and "100 % of" not in timed.out, "one player alone has met nobody"


def test_baselines_of_the_card_are_rows_where_the_game_was_played_as_the_card_has_it(filled: Run) -> None:
    with Store.open() as store:
        known = [game for game in store.games() if game.seats[0].player.model == "random"]
    assert not card_baselines(known), "15 decisions are not the card's limit"
    with Store.open("whole.sqlite") as store:
        store.put([replace(game, max_decisions=card("tetris").max_decisions) for game in known])
    rows = {row.name: row for row in lmgame.leaderboard(db="whole.sqlite").rows}
    assert rows["scripted"].baseline and rows["scripted"].rank is None
    assert not rows["random"].baseline, "it has played itself"
    shown = filled("leaderboard", "--db", "whole.sqlite").out
    assert "scripted (card)" in shown and "pico (card, reference)" in shown


def test_names_of_models_can_do_no_harm(filled: Run) -> None:
    with Store.open() as store:
        (game, *_) = store.games()
        player = game.seats[0].player.model_copy(update={"model": "=cmd|x\x1b[31m\n| <b>"})
        store.put([replace(game, seats=(replace(game.seats[0], player=player),))])
    shown = {form: filled("leaderboard", "--format", form).out for form in ("table", "markdown", "csv")}
    assert not any("\x1b" in text for text in shown.values())
    assert "\\<b\\>" in shown["markdown"]
    rows = csv.DictReader(io.StringIO(shown["csv"]))
    assert any(row["model"].startswith("'=cmd") for row in rows)
