"""`lmgame compare` on a store that short matches of players of known strength have filled."""

import json

import pytest

import lmgame
from lmgame_common import LmgameError, UnknownNameError, UsageError
from lmgame_serving.testing import Reply, StubServer

from .conftest import Run

TETRIS = ("match", "-m", "random", "-m", "scripted", "--pairs", "4", "--max-decisions", "10")


def test_paired_differences_in_raced_and_shared_games(run: Run):
    run(*TETRIS)
    run("match", "-m", "random", "-m", "scripted", "-g", "connect4", "--pairs", "3")
    document = json.loads(run("compare", "random", "scripted", "--json"))
    found = {game["conditions"].partition(" (")[0]: game for game in document["games"]}
    raced, shared = found["tetris/standard"], found["connect4/standard"]
    assert raced["n"] == 4 and raced["seeds"] == [0, 1, 2, 3] and raced["losses"] == 4 and raced["mean"] < 0
    # Both seat orders on a seed are one pair.
    assert shared["n"] == 3 and shared["losses"] == 3 and shared["mean"] < 0

    turned = json.loads(run("compare", "scripted", "random", "--json", "-g", "tetris"))["games"]
    assert len(turned) == 1 and turned[0]["mean"] == -raced["mean"] and turned[0]["wins"] == 4
    told = run("compare", "random", "scripted")
    assert "scripted scores higher" in told and "(4 pairs: 0 won, 0 drawn, 4 lost)" in told
    assert [versus.comparison.n for versus in lmgame.compare("random", "scripted", "connect4")] == [3]


def test_a_sequential_test_over_what_is_stored(run: Run):
    run("match", "-m", "random", "-m", "scripted", "-g", "connect4", "--pairs", "14")
    found = json.loads(run("compare", "random", "scripted", "--json", "--until-decided"))["games"][0]
    assert found["sequential"]["verdict"] == "second" and 1 < found["sequential"]["pairs"] <= 14
    assert "scripted takes more points" in run("compare", "random", "scripted", "--until-decided")
    # One that may err less often needs more than there is.
    strict = ("--until-decided", "--alpha", "1e-9", "--beta", "1e-9")
    told = run("compare", "random", "scripted", *strict)
    assert "not decided" in told and "lmgame match" in told and "--until-decided" in told


def test_a_model_against_its_copy(run: Run):
    run("match", "-m", "scripted", "--mirror", "-g", "tetris", "--pairs", "2", "--max-decisions", "5")
    found = json.loads(run("compare", "scripted", "scripted (copy)", "--json"))["games"][0]
    assert found["mean"] == 0 and found["draws"] == found["n"] == 2


async def test_names_that_may_mean_several_players(run: Run):
    async with StubServer(Reply('{"moves": ["hard_drop"]}')) as server:
        model = f"{server.base_url}#stub"
        for temperature in (0.2, 0.8):
            await lmgame.match_async(
                [model, "random"], "tetris", pairs=2, observation="text", max_decisions=2, temperature=temperature
            )
    with pytest.raises(UsageError, match=r"may mean any of .*T=0\.2.*T=0\.8"):
        run("compare", model, "random")
    found = json.loads(run("compare", "stub (T=0.2)", "stub (T=0.8)", "--json"))["games"][0]
    assert found["n"] == 2 and found["draws"] == 2


def test_players_without_a_seed_in_common(run: Run):
    for model, seed in (("random", "0"), ("scripted", "7")):
        run("play", "--model", model, "--seed", seed, "--max-decisions", "2")
    told = run("compare", "random", "scripted")
    assert "in common yet" in told and "lmgame match --model random --model scripted" in told
    assert json.loads(run("compare", "random", "scripted", "--json"))["games"] == []


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        (("random", "scriptd"), UnknownNameError, "'scripted'"),
        (("random", "random"), UsageError, "named twice"),
        (("random", "scripted", "--until-decided", "--alpha", "2"), UsageError, "--alpha"),
        (("random", "scripted", "--clock", "real"), UsageError, "paused or realtime"),
        (("random", "scripted", "--game", "conect4"), UnknownNameError, "connect4"),
        (("random", "scripted", "--game", "connect4"), LmgameError, "random"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, arguments: tuple[str, ...], error: type[Exception], complaint: str):
    run("match", "-m", "random", "-m", "scripted", "--pairs", "1", "--max-decisions", "1")
    with pytest.raises(error, match=complaint):
        run("compare", *arguments)
