from typing import Any

import pytest

from lmgame.turn import Turn, play_turn
from lmgame_games import Move, make


@pytest.fixture
def env():
    env = make("tetris", "standard")
    env.reset(seed=3)
    return env


def moves(*names: str) -> list[Move]:
    return [Move(name) for name in names]


def test_moves_left_over_when_a_piece_locks_are_dropped(env: Any):
    infos: list[dict[str, Any]] = []
    turn = play_turn(env, moves("left", "hard_drop", "left", "hard_drop"), usable=True, after_step=infos.append)
    assert turn == Turn(played=2, over=False)
    assert [info["pieces"] for info in infos] == [0, 1]


def test_an_unusable_answer_costs_one_idle_move(env: Any):
    infos: list[dict[str, Any]] = []
    assert play_turn(env, [], usable=False, after_step=infos.append) == Turn(0, over=False)
    assert [info["frames"] for info in infos] == [4]


def test_moves_before_the_fault_are_played_and_then_the_idle_one(env: Any):
    infos: list[dict[str, Any]] = []
    assert play_turn(env, moves("left", "left"), usable=False, after_step=infos.append) == Turn(2, over=False)
    assert len(infos) == 3


def test_no_idle_move_on_the_next_piece(env: Any):
    infos: list[dict[str, Any]] = []
    assert play_turn(env, moves("hard_drop"), usable=False, after_step=infos.append) == Turn(1, over=False)
    assert len(infos) == 1


def test_time_goes_by_before_the_moves(env: Any):
    top = env.picture().active[0][0]
    play_turn(env, moves("no_op"), usable=True, waited=120)
    assert env.picture().active[0][0] == top + 2


def test_moves_that_come_too_late_are_not_played_on_the_next_piece(env: Any):
    late = play_turn(env, moves("left", "hard_drop"), usable=True, waited=60 * 30)
    assert late == Turn(0, over=False)
    assert env.picture().pieces >= 1


def test_the_end_of_the_game_ends_the_turn(env: Any):
    turn = Turn(0, over=False)
    for _ in range(30):
        turn = play_turn(env, moves("hard_drop"), usable=True)
        if turn.over:
            break
    assert turn == Turn(1, over=True)
    env.reset(seed=3)
    assert play_turn(env, moves("left"), usable=True, waited=60 * 60 * 20) == Turn(0, over=True)
