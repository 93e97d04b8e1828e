"""`lmgame compare`, over a store of games whose scores are known."""

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import lmgame
from lmgame.cli import main
from lmgame_common import UsageError
from lmgame_leaderboards import PlayedGame, PlayedSeat, PlayerRecord
from lmgame_leaderboards.ratings import ErrorRates
from lmgame_leaderboards.store import Store


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ended]

GOOD = PlayerRecord(model="openai/good", sampling={"temperature": 0.25, "request_timeout": 600.0})
BAD = PlayerRecord(model="openai/bad", sampling={"temperature": 0.25, "request_timeout": 600.0})
OTHER = PlayerRecord(model="openai/good", sampling={"temperature": 1.0, "request_timeout": 600.0})
RANDOM = PlayerRecord(model="random")


def seat(player: PlayerRecord, score: float, prompt: str = "p") -> PlayedSeat:
    told = None if player.model == "random" else prompt
    return PlayedSeat(player=player, score=score, decisions=10, prompt_hash=told)


def game(seed: int, *seats: PlayedSeat, name: str = "tetris", **more: Any) -> PlayedGame:
    fields = {"preset": "standard", "version": 1, "max_decisions": 100, "outcome": "over", "finished": 1.0} | more
    return PlayedGame(game=name, seed=seed, seats=seats, run="run", episode=f"{name}-{seed}", **fields)


def race(*played: tuple[PlayerRecord, Sequence[float]]) -> list[PlayedGame]:
    """Each player alone on seeds 0, 1, …"""
    return [game(n, seat(player, score)) for player, own in played for n, score in enumerate(own)]


def duel(*results: tuple[float, float]) -> list[PlayedGame]:
    """Games of Connect Four in which GOOD has the first seat, then the second one, with its points in both."""
    found: list[PlayedGame] = []
    for seed, (first, second) in enumerate(results):
        found.append(game(seed, seat(GOOD, first), seat(BAD, 1 - first), name="connect4"))
        found.append(game(seed, seat(BAD, 1 - second), seat(GOOD, second), name="connect4"))
    return found


def put(*games: PlayedGame) -> None:
    with Store.open() as store:
        store.put(games)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `lmgame …` to its end, in this process, since it takes long to start."""

    def to_its_end(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["lmgame", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Ended(int(ended.value.code or 0), out, err)

    return to_its_end


def test_two_models_are_compared_game_by_game(run: Run) -> None:
    put(*race((GOOD, [10, 14, 12, 13, 18, 16]), (BAD, [4, 6, 5, 9, 11, 8])), *duel((1, 0), (1, 1), (0, 1)))
    shown = run("compare", "openai/good", "openai/bad")
    assert shown.code == 0, shown.err
    lines = shown.out.splitlines()
    assert lines[0].startswith("connect4/standard: openai/good – openai/bad: +0.3333 [")
    assert lines[0].endswith("(3 pairs: 1 won, 2 drawn, 0 lost)"), "both seat orders are one pair"
    assert "Not told apart" in lines[1] and "more pairs would do (power 80 %)" in lines[1]
    assert lines[2].startswith("tetris/standard") and "(6 pairs: 6 won, 0 drawn, 0 lost)" in lines[2]
    assert "openai/good scores higher" in lines[3]

    only = run("compare", "openai/bad", "openai/good", "--game", "tetris", "--json")
    (found,) = json.loads(only.out)["games"]
    assert found["mean"] == pytest.approx(-40 / 6) and found["told_apart"] is True
    assert (found["n"], found["losses"], found["seeds"], found["sequential"]) == (6, 6, [0, 1, 2, 3, 4, 5], None)
    (same,) = lmgame.compare("openai/bad", "openai/good", "tetris")
    assert same.document() == found


def test_the_sequential_test_runs_over_what_is_stored(run: Run) -> None:
    put(*race((GOOD, [2.0] * 40), (BAD, [1.0] * 40), (RANDOM, [1.0, 2.0] * 4)))
    decided = run("compare", "openai/good", "openai/bad", "--until-decided").out
    (stopped,) = lmgame.compare("openai/good", "openai/bad", rates=ErrorRates())
    assert stopped.decided is not None and stopped.decided.pairs < 40
    assert f"after {stopped.decided.pairs} pairs: openai/good takes more points" in decided
    assert "lmgame match" not in decided

    rates = ("--until-decided", "--alpha", "0.01", "--margin", "0.1")
    more = run("compare", "random", "openai/good", *rates).out
    assert "after 8 pairs: not decided" in more
    (command,) = [line.partition("needed: ")[2] for line in more.splitlines() if "lmgame match" in line]
    assert shlex.split(command) == shlex.split(
        "lmgame match --model random --model openai/good --game tetris/standard --temperature 0.25 "
        "--alpha 0.01 --margin 0.1 --until-decided"
    )
    assert "A match wants two" in run(*shlex.split(command)[1:], "--model", "scripted").err, "it knows all the options"


def test_no_command_plays_two_with_settings_of_their_own(run: Run) -> None:
    put(*race((GOOD, [1.0, 2.0]), (OTHER, [2.0, 1.0])))
    ambiguous = run("compare", "openai/good", "openai/bad")
    assert ambiguous.code == 2 and "'openai/good (T=0.25)'" in ambiguous.err and GOOD.key[:8] in ambiguous.err
    shown = run("compare", GOOD.key[:8], "openai/good (T=1.0)", "--until-decided").out
    assert "openai/good (T=0.25) – openai/good (T=1.0): +0 " in shown
    assert "No difference was seen" in shown and "lmgame match" not in shown and "settings" in shown


def test_a_player_and_its_copy_are_a_mirror_match(run: Run) -> None:
    copy = GOOD.model_copy(update={"copy_number": 1})
    put(*race((GOOD, [1.0, 2.0]), (copy, [2.0, 1.5])))
    shown = run("compare", "openai/good", "openai/good (copy)", "--until-decided").out
    assert "lmgame match --model openai/good --mirror --game tetris/standard" in shown


def test_what_does_not_count_is_told(run: Run) -> None:
    put(*duel((1, 0), (1, 1))[:3], *race((GOOD, [1.0, 2.0]), (BAD, [0.0, 0.0])))
    put(game(2, seat(GOOD, 5.0, prompt="old"), finished=0.5))
    shown = run("compare", "openai/good", "openai/bad").out
    assert "  1 match without the one with swapped seats not counted." in shown
    assert "  One pair tells nothing" in shown
    assert "  1 game not counted" in shown


def test_names_can_do_no_harm(run: Run) -> None:
    evil = GOOD.model_copy(update={"model": "x\x1b[31m\ny"})
    put(*race((evil, [1.0, 2.0]), (BAD, [0.0, 1.5])))
    shown = run("compare", "x\x1b[31m\ny", "openai/bad", "--until-decided").out
    assert "\x1b" not in shown and shown.splitlines()[0].startswith("tetris/standard: x\\x1b[31m y – openai/bad")


def test_an_empty_store_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Play: lmgame match --model a --model 'b c' --game tetris"):
        lmgame.compare("a", "b c", db=str(tmp_path / "empty.sqlite"))
    with pytest.raises(UsageError, match="leave one out"):
        lmgame.compare("a", "b", "tetris/standard", preset="lmgame-bench-2025", db=str(tmp_path / "empty.sqlite"))
