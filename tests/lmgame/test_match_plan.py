import pytest

from lmgame import Request, play
from lmgame.identity import begin_record, player_record, told_hash
from lmgame.match_plan import check_shared, one_player_only, raced_id
from lmgame_agents import system_prompt
from lmgame_common import UsageError
from lmgame_games import card, registry
from lmgame_leaderboards import PlayerRecord

from .shared_toys import COUNTING, GAMES, RUNNING


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {**registry.games(), **GAMES}
    monkeypatch.setattr(registry, "games", lambda: known)


def test_games_without_time_have_no_real_time_clock():
    check_shared(COUNTING, "paused", ["a", "b"])
    check_shared(RUNNING, "realtime", ["a", "b"])
    with pytest.raises(UsageError, match="No time passes in counting"):
        check_shared(COUNTING, "realtime", ["a", "b"])


def test_people_play_no_matches():
    with pytest.raises(UsageError, match="People can't play"):
        check_shared(COUNTING, "paused", ["a", "human"])


def test_play_says_what_to_do_with_a_shared_game():
    one_player_only(["tetris", "mario/standard"])
    for name in ("counting", "counting/standard"):
        with pytest.raises(UsageError, match="lmgame match --model A --model B --game counting"):
            play("random", name)


def test_the_record_of_a_raced_side_is_named_by_its_player():
    player = PlayerRecord(model="a")
    assert raced_id(card("tetris"), 3, player) == f"tetris-standard-3-{player.key[:8]}"


def test_a_player_is_the_same_in_a_run_and_in_a_match():
    request = Request(model="http://127.0.0.1:1/v1#some-model", temperature=0.5, history=2)
    run = begin_record(request, None)
    player = player_record(request, None)
    asked = run.request
    same = PlayerRecord(
        model=asked.model, history=asked.history, sampling=asked.sampling, structured=asked.structured, weights=None
    )
    assert player.key == same.key
    assert player.name == "some-model"
    assert player.key != player_record(Request(model=request.model, temperature=0.6, history=2), None).key


def test_the_prompts_hash_is_that_of_runs():
    request = Request(model="random")
    assert len(told_hash(request, card("tetris"))) == 16
    assert told_hash(request, card("tetris")) != told_hash(Request(model="random", clock="realtime"), card("tetris"))


@pytest.mark.parametrize(
    ("told", "cost"),
    [
        (COUNTING, "is not played, and you are asked again. 3 such answers in a row lose the game."),
        (RUNNING, "costs you a turn. 3 such answers in a row lose the game."),
    ],
    ids=lambda value: getattr(value, "game", ""),
)
def test_the_prompt_of_a_shared_game_says_what_an_unusable_answer_costs(told, cost: str):
    assert cost in system_prompt(told, "text")
