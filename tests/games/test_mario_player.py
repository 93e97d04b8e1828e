"""The scripted Mario player: its model of the game against the game itself, and whole stages."""

from collections.abc import Iterator
from itertools import product
from typing import cast

import pytest

pytest.importorskip("nes_py")

import lmgame_games
from lmgame_games import Move
from lmgame_games.mario import ram
from lmgame_games.mario.buttons import COMBINATIONS
from lmgame_games.mario.env import SuperMarioBrosEnv
from lmgame_games.mario.player import TEST_STAGES, MarioPlayer
from lmgame_games.mario.player_objects import GOOMBA, movers
from lmgame_games.mario.player_physics import DEAD, advance, game_order, read_body
from lmgame_games.mario.player_world import World


def make(stage: str, preset: str = "standard") -> SuperMarioBrosEnv:
    env = cast(SuperMarioBrosEnv, lmgame_games.make("mario", preset, stage=stage, render_mode=None))
    env.reset(seed=0)
    return env


@pytest.fixture(scope="module")
def env() -> Iterator[SuperMarioBrosEnv]:
    made = make("1-1")
    yield made
    made.close()


SCRIPTS = {
    "walk": [("right", 40)],
    "run": [("right+b", 40)],
    "jump at a run": [("right+b", 20), ("right+a+b", 30), ("right+b", 20)],
    "short hop": [("right+b", 12), ("right+a+b", 4), ("right+b", 30)],
    "jump standing": [("a", 40), ("noop", 20)],
    "skid": [("right+b", 40), ("left+b", 40)],
    "coast": [("right+b", 30), ("right", 8), ("noop", 40)],
    "turn in the air": [("right+a+b", 8), ("left+a+b", 20), ("noop", 30)],
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_mario_moves_as_predicted(env: SuperMarioBrosEnv, script: list[tuple[str, int]]) -> None:
    env.reset(seed=0)
    env.console.rewind()  # no enemy is near yet
    before = bytes(env.memory)
    world, body = World(before), read_body(before)
    for name, frames in script:
        for _ in range(frames):
            body = advance(world, body, game_order(COMBINATIONS[name]), 1)
            env.console.advance(COMBINATIONS[name])
            actual = ram.mario(env.memory)
            assert (body.px, body.py) == (actual.x, actual.y), f"after {body.t} frames"


def test_a_move_predicted_at_once_or_frame_by_frame_ends_alike(env: SuperMarioBrosEnv) -> None:
    env.reset(seed=0)
    before = bytes(env.memory)
    for name, frames in product(("right+a+b", "left", "noop"), (7, 31)):
        pad = game_order(COMBINATIONS[name])
        at_once = advance(World(before), read_body(before), pad, frames)
        step, world = read_body(before), World(before)
        for _ in range(frames):
            step = advance(world, step, pad, 1)
        assert step == at_once


def test_goombas_move_as_predicted(env: SuperMarioBrosEnv) -> None:
    env.reset(seed=0)
    env.console.rewind()
    while not any(mover.kind == GOOMBA for mover in movers(bytes(env.memory))):
        env.step(env.action(Move("right", 8)))
    world = World(bytes(env.memory))
    for t in range(1, 41):
        predicted = world.at(t)[1]
        actual = [thing for thing in movers(bytes(env.memory)) if thing.kind == GOOMBA]
        assert abs(predicted[0].left - actual[0].x - 3) <= 1
        env.console.advance(0)


def test_walking_into_a_goomba_is_foreseen(env: SuperMarioBrosEnv) -> None:
    env.reset(seed=0)
    env.console.rewind()
    while not movers(bytes(env.memory)):
        env.step(env.action(Move("right", 8)))
    before = bytes(env.memory)
    run = advance(World(before), read_body(before), game_order(COMBINATIONS["right"]), 120)
    jump = advance(World(before), read_body(before), game_order(COMBINATIONS["noop"]), 10)
    assert run.status == DEAD
    assert jump.status != DEAD


def test_the_player_depends_on_the_state_alone(env: SuperMarioBrosEnv) -> None:
    env.reset(seed=3)
    first = MarioPlayer(env)
    for _ in range(12):
        moves = first.act()
        assert moves == first.act() == MarioPlayer(env).act()
        assert 1 <= len(moves) <= env.card.max_moves
        for move in moves:
            assert env.card.problem(move) is None
            env.step(env.action(move))


def play(env: SuperMarioBrosEnv, most: int) -> bool:
    """Whether the player finishes the stage within that many decisions."""
    player, stage, over = MarioPlayer(env), ram.stage(env.memory), False
    for _ in range(most):
        for move in player.act():
            _, _, over, _, info = env.step(env.action(move))
            if ram.stage(env.memory) != stage:
                return True
            if over or info["turn_over"]:
                break
        if over:
            return False
    return False


@pytest.mark.parametrize("idle", [0, 7, 20])
def test_finishes_1_1(env: SuperMarioBrosEnv, idle: int) -> None:
    env.reset(seed=0)
    env.console.rewind()
    env.wait(idle)
    assert play(env, 500)


@pytest.mark.parametrize("stage", ["3-2", "4-1", "5-1"])
def test_finishes_other_stages(stage: str) -> None:
    assert stage in TEST_STAGES
    env = make(stage)
    env.console.rewind()
    assert play(env, 500)
    env.close()


def test_plays_one_move_at_a_time_where_idle_frames_part_them() -> None:
    env = make("1-1", "lmgame-bench-2025")
    player = MarioPlayer(env)
    for _ in range(20):
        moves = player.act()
        assert len(moves) == 1
        env.step(env.action(moves[0]))
    assert env.score >= 0
    assert ram.mario_x(env.memory) > 300
