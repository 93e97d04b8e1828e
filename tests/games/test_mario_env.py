"""Super Mario Bros as an environment: honest frames, scores, starts, endings, errors."""

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

import lmgame_games
from lmgame_common import GameError, UnknownNameError, UsageError
from lmgame_games import Move, frame_of
from lmgame_games.mario import ram
from lmgame_games.mario.buttons import COMBINATIONS, NAMES
from lmgame_games.mario.cards import IDLE_FRAMES, STAGES, card

pytest.importorskip("nes_py")

from nes_py import NESEnv

from lmgame_games.mario.env import SuperMarioBrosEnv

PRESETS = ["standard", "lmgame-bench-2025"]
each_preset = pytest.mark.parametrize("preset", PRESETS)

J, R, S, L, N = "right+a+b:32", "right+b:12", "right+a+b:14", "left:16", "noop:16"
FINISH_1_1 = [
    *(J, J, J, R, S, J, S, L, S, J, J, R, S, J, N, J, J, R, S, J, J, S, L, J, J, J, S, L, R, J, N, J, J, S, L, J, N, R),
    *(J, S, R, J, J, R, J, R, R, S, J, N, R, S, N, J, J, J, L, J, J, R, J, R, J, N, J, J, S, R, J),
]
"""Finishes 1-1 from seed 0; found by searching over the emulator's states."""


def play(env: SuperMarioBrosEnv, *moves: str) -> tuple[Any, ...]:
    """Play moves until the game ends; what the last step returned."""
    result: tuple[Any, ...] = ()
    for move in moves:
        result = env.step(env.action(Move.parse(move)))
        if result[2]:
            break
    return result


def die(env: SuperMarioBrosEnv) -> tuple[Any, ...]:
    """Run right until a life is lost."""
    lives = ram.lives(env.memory)
    while True:
        result = play(env, "right+b:60")
        if result[2] or ram.lives(env.memory) < lives:
            return result


class Recorder:
    """Keeps the RAM after every frame an environment runs, and every button byte it reports."""

    def __init__(self, env: SuperMarioBrosEnv) -> None:
        self.frames: list[bytes] = []
        self.held = b""
        console = env.console
        advance = console.advance

        def recording(held: int) -> None:
            advance(held)
            self.frames.append(bytes(console.memory))

        console.advance = recording

    def note(self, info: dict[str, Any]) -> None:
        self.held += info["buttons"]


def raw_frames(env: SuperMarioBrosEnv, held: bytes) -> list[bytes]:
    """The RAM after every frame of a plain `NESEnv` fed the start's buttons and writes and then these buttons."""
    raw = NESEnv(env.cartridge.path)
    raw.reset()
    for byte in env.start.before:
        raw.step(byte)
    for address, value in env.start.writes:
        raw.ram[address] = value
    for byte in env.start.after:
        raw.step(byte)
    frames = []
    for byte in held:
        raw.step(byte)
        frames.append(raw.ram.tobytes())
    return frames


@pytest.mark.filterwarnings("ignore:.*not having a spec")
def test_gymnasium_accepts_it() -> None:
    check_env(SuperMarioBrosEnv(), skip_render_check=True)


def test_make_needs_no_import() -> None:
    env = gymnasium.make("lmgame_games:lmgame/SuperMarioBros-v1", stage="2-1")
    observation, info = env.reset(seed=0)
    assert observation in env.observation_space
    assert info["stage"] == "2-1"
    assert env.action_space == gymnasium.spaces.MultiDiscrete([len(NAMES), 60])


def test_raw_emulator_agrees_frame_by_frame_through_a_new_stage() -> None:
    env = SuperMarioBrosEnv(stage="1-1")
    _, info = env.reset(seed=0)
    idle = info["buttons"]
    recorder, stages, score = Recorder(env), [], 0.0
    for move in FINISH_1_1:
        _, reward, terminated, _, info = env.step(env.action(Move.parse(move)))
        recorder.note(info)
        score += reward
        stages.append(info["stage"])
        assert not terminated
    assert stages[-2:] == ["1-1", "1-2"]
    assert info["turn_over"]
    assert ram.phase(env.memory) is ram.Phase.PLAY
    assert env.score == score
    assert 3110 < score < 3125  # the flagpole of 1-1 is caught about 3,120 pixels from the start
    assert len(recorder.held) == len(recorder.frames)
    assert raw_frames(env, idle + recorder.held)[len(idle) :] == recorder.frames


def test_raw_emulator_agrees_frame_by_frame_through_deaths_to_the_end() -> None:
    env = SuperMarioBrosEnv("lmgame-bench-2025")
    _, info = env.reset(seed=5)
    idle, recorder, terminated, lives = info["buttons"], Recorder(env), False, []
    while not terminated:
        _, _, terminated, _, info = play(env, "right+b:60")
        recorder.note(info)
        lives.append(info["lives"])
    assert sorted(set(lives)) == [0, 1, 2, 3]
    assert env.outcome() == "game_over"
    assert raw_frames(env, idle + recorder.held)[len(idle) :] == recorder.frames


def test_the_same_ground_never_counts_twice() -> None:
    env = SuperMarioBrosEnv(stage="1-1", lives=3)
    env.reset(seed=1)
    recorder, scores = Recorder(env), []
    for _ in range(3):
        die(env)
        scores.append(env.score)
    assert scores[0] > 100
    # Counted independently: the furthest x at which Mario was ever in control, from his first one.
    reached = max(ram.mario_x(frame) for frame in recorder.frames if ram.playing(frame))
    assert scores[-1] == reached - 40
    assert sum(scores[:1]) <= scores[1] <= scores[2]


def test_bench_scores_the_furthest_scroll() -> None:
    env = SuperMarioBrosEnv("lmgame-bench-2025")
    env.reset(seed=0)
    recorder = Recorder(env)
    die(env)
    lefts = [frame[0x071C] + 255 * frame[0x071A] for frame in recorder.frames]
    assert env.score == max(lefts) > 0


def test_bench_lets_one_idle_frame_pass_before_a_move() -> None:
    env = SuperMarioBrosEnv("lmgame-bench-2025")
    env.reset(seed=0)
    assert play(env, "right+a:5")[4]["buttons"] == bytes([0] + [COMBINATIONS["right+a"]] * 5)
    env = SuperMarioBrosEnv(stage="1-1")
    env.reset(seed=0)
    assert play(env, "right+a:5")[4]["buttons"] == bytes([COMBINATIONS["right+a"]] * 5)


def test_a_step_goes_on_until_the_buttons_matter_again() -> None:
    env = SuperMarioBrosEnv(stage="1-1", lives=3)
    env.reset(seed=0)
    info = die(env)[4]
    assert info["turn_over"]
    assert info["lives"] == 2
    assert ram.phase(env.memory) is ram.Phase.PLAY
    held = info["buttons"]
    assert len(held) == info["frames"] > 200
    assert set(held[60:]) == {0}


def test_one_life_ends_with_the_first_death() -> None:
    env = SuperMarioBrosEnv(stage="1-1")
    env.reset(seed=0)
    _, _, terminated, truncated, info = die(env)
    assert (terminated, truncated, info["lives"], env.outcome()) == (True, False, 0, "died")
    before = env.text(), env.score
    _, reward, terminated, _, info = env.wait(50)
    assert (terminated, reward, info["frames"]) == (True, 0, 0)
    assert (env.text(), env.score) == before
    with pytest.raises(GameError, match="over: call reset"):
        play(env, "right:1")
    env.reset(seed=0)
    assert play(env, "right:1")[4]["lives"] == 1


def test_an_extra_life_does_not_outlast_one_life() -> None:
    env = SuperMarioBrosEnv(stage="1-1", lives=1)
    env.reset(seed=0)
    env.console.ram[0x075A] += 1  # what a 1-up mushroom does
    assert die(env)[2]


def test_the_princess_ends_the_game() -> None:
    env = SuperMarioBrosEnv(stage="8-4")
    env.reset(seed=0)
    env.console.ram[0x0770] = 2  # what touching the axe does
    _, _, terminated, _, info = env.wait(10)
    assert (terminated, info["turn_over"], env.outcome()) == (True, True, "completed")


INTO_A_PIPE_OF_1_1 = [
    *(J, J, J, S, "right:6", J, R, J, J, J, "right:6", J, S, N, J, J, J, R, J, "down:6"),
]
"""Down the pipe of 1-1 that leads to its bonus room, from seed 0."""


def test_a_bonus_room_is_a_new_turn_and_counts_nothing() -> None:
    env = SuperMarioBrosEnv(stage="1-1")
    env.reset(seed=0)
    info = play(env, *INTO_A_PIPE_OF_1_1)[4]
    assert ram.area(env.memory) == 0x42
    assert info["turn_over"]
    assert set(info["buttons"]) == {COMBINATIONS["down"], 0}
    score, x = env.score, ram.mario_x(env.memory)
    assert play(env, "right:60", "right+a:30", "right:60")[1] == 0
    assert ram.mario_x(env.memory) > x
    assert env.score == score


def dying() -> SuperMarioBrosEnv:
    """A game of three lives in which Mario has run into the first enemy."""
    env = SuperMarioBrosEnv(stage="1-1", lives=3)
    env.reset(seed=0)
    while ram.playing(env.memory):
        env.console.advance(COMBINATIONS["right"])
    assert ram.phase(env.memory) is ram.Phase.DYING
    return env


@pytest.mark.parametrize("latency", [6, 60, 300])
def test_at_most_one_late_answer_is_lost_with_a_life(latency: int) -> None:
    env = dying()
    lost = 0
    while ram.in_scene(env.memory):  # an answer that comes with the first black frame
        lost += env.wait(1)[4]["turn_over"]
    for _ in range(30):
        info = env.wait(latency)[4]
        if not info["turn_over"]:
            info = play(env, "right+b:30")[4]
        if COMBINATIONS["right+b"] in info["buttons"]:
            break
        lost += 1
    assert lost == 1
    assert ram.lives(env.memory) == 2


def test_a_move_on_the_black_screen_is_played_after_it() -> None:
    env, whole = dying(), dying()
    waited = 0
    while ram.in_scene(env.memory):
        waited += env.wait(1)[4]["frames"]
    info = play(env, "right+b:30")[4]
    assert not info["turn_over"]
    idle = info["frames"] - 30
    assert idle > 30
    assert info["buttons"] == bytes(idle) + bytes([COMBINATIONS["right+b"]]) * 30
    assert whole.wait(waited + idle)[4]["turn_over"]
    play(whole, "right+b:30")
    assert bytes(whole.memory) == bytes(env.memory)


def test_a_move_for_a_dying_mario_is_not_played_by_the_next_one() -> None:
    env = dying()
    info = play(env, "right+b:30")[4]
    assert info["turn_over"]
    assert set(info["buttons"]) == {0}
    assert ram.playing(env.memory)


def test_waiting_counts_frames_even_while_nobody_is_asked() -> None:
    env = dying()
    info = env.wait(400)[4]
    assert info["frames"] == 400
    assert info["turn_over"]
    with pytest.raises(GameError, match="-1 frames"):
        env.wait(-1)


def test_the_same_seed_and_moves_give_the_same_game() -> None:
    used, fresh = SuperMarioBrosEnv(), SuperMarioBrosEnv()
    used.reset(seed=3)
    play(used, "right+b:60", "right+a+b:30")
    used.reset(seed=11)
    play(used, "left:5")
    first, second = used.reset(seed=3), fresh.reset(seed=3)
    for move in ("noop:1", "right+b:40", "right+a+b:25", "left+a:9", "right+b:60"):
        assert (first[0] == second[0]).all()
        assert first[1:] == second[1:]
        assert used.text() == fresh.text()
        assert bytes(used.memory) == bytes(fresh.memory)
        first, second = play(used, move), play(fresh, move)


def test_environments_in_threads_do_not_meddle() -> None:
    def game(number: int) -> bytes:
        env = SuperMarioBrosEnv(stage="1-1")
        env.reset(seed=number)
        play(env, *["right+b:10", "right+a+b:20"] * (2 + number % 2))
        return bytes(env.memory)

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(game, range(4)))
    assert together == [game(number) for number in range(4)]


def test_frames_are_fresh_rgb_copies() -> None:
    env = SuperMarioBrosEnv(render_mode="rgb_array", stage="1-1")
    observation, _ = env.reset(seed=0)
    frame = frame_of(env)
    kept = frame.copy()
    assert frame.shape == (240, 256, 3)
    assert frame.flags.owndata
    assert frame.flags.c_contiguous
    assert (frame == observation).all()
    assert frame is not observation
    assert tuple(frame[100, 200]) == (104, 136, 252)  # the sky: blue last
    play(env, "right:60")
    assert (frame == kept).all()
    assert (frame_of(env) != kept).any()


def test_rendering_is_asked_for_and_needs_a_started_game() -> None:
    assert SuperMarioBrosEnv().render_mode is None
    assert SuperMarioBrosEnv().render() is None
    for env in (SuperMarioBrosEnv(render_mode="rgb_array"), lmgame_games.make("mario")):
        with pytest.raises(GameError, match="call reset"):
            env.render()


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_game_cannot_be_copied(started: bool, duplicate: Callable[[Any], Any]) -> None:
    env = SuperMarioBrosEnv(stage="1-1")
    if started:
        env.reset(seed=0)
    with pytest.raises(GameError, match="replay the moves"):
        duplicate(env)


def test_who_films_sees_every_frame() -> None:
    env = SuperMarioBrosEnv(render_mode="rgb_array", stage="1-1")
    env.reset(seed=0)
    seen: list[np.ndarray] = []
    env.on_frame = lambda: seen.append(frame_of(env))
    observation, *_, info = play(env, "right+a:9")
    assert len(seen) == info["frames"] == 9
    assert (seen[-1] == observation).all()
    assert all((one != other).any() for one, other in pairwise(seen[3:]))
    env.wait(4)
    assert len(seen) == 13


def test_seeds_in_a_row_go_through_the_stages_in_turn() -> None:
    env = SuperMarioBrosEnv()
    infos = [env.reset(seed=seed)[1] for seed in range(len(STAGES) + 1)]
    assert [info["stage"] for info in infos] == [*STAGES, STAGES[0]]
    idle = [info["frames"] for info in infos]
    assert len(set(idle)) > 5
    assert all(0 <= frames < IDLE_FRAMES for frames in idle)


@pytest.mark.parametrize("stage", STAGES)
def test_the_longest_idling_at_a_start_harms_nobody(stage: str) -> None:
    env = SuperMarioBrosEnv(stage=stage)
    env.reset(seed=0)
    info = env.wait(IDLE_FRAMES)[4]
    assert ram.phase(env.memory) is ram.Phase.PLAY
    assert not info["turn_over"]


def test_no_seed_means_a_stage_at_random() -> None:
    env = SuperMarioBrosEnv()
    env.reset(seed=0)
    drawn = [env.reset()[1]["stage"] for _ in range(4)]
    assert len(set(drawn)) > 1
    assert set(drawn) <= set(STAGES)


def test_bench_games_start_alike() -> None:
    env = SuperMarioBrosEnv("lmgame-bench-2025")
    one, other = env.reset(seed=1), env.reset(seed=2)
    assert (one[0] == other[0]).all()
    assert one[1] == other[1]
    assert (one[1]["stage"], one[1]["lives"], one[1]["frames"]) == ("1-1", 3, 0)


@given(st.sampled_from(NAMES), st.integers(1, 60))
@settings(max_examples=50, deadline=None)
def test_actions_and_moves_are_inverse(env: SuperMarioBrosEnv, name: str, frames: int) -> None:
    move = Move(name, frames)
    action = env.action(move)
    assert action in env.action_space
    assert env.move(action) == move


@pytest.fixture(scope="module")
def env() -> SuperMarioBrosEnv:
    return SuperMarioBrosEnv()


@pytest.mark.parametrize("move", ["right", "right:0", "right:61", "start:5", "a+right:5"])
def test_illegal_moves(env: SuperMarioBrosEnv, move: str) -> None:
    with pytest.raises(GameError):
        env.action(Move.parse(move))


@pytest.mark.parametrize("action", [[13, 0], [0, 60], [-1, 5], [3]])
def test_actions_outside_of_the_space(env: SuperMarioBrosEnv, action: list[int]) -> None:
    env.reset(seed=0)
    with pytest.raises(GameError, match="is no action"):
        env.step(np.array(action))


@pytest.mark.parametrize("stage", ["0-1", "1-5", "9-1", "1", "1-1-1", "one"])
def test_unknown_stages(stage: str) -> None:
    with pytest.raises(UnknownNameError, match="Unknown stage"):
        lmgame_games.make("mario", stage=stage)


@pytest.mark.parametrize("lives", [0, 2, -1, "many"])
def test_other_numbers_of_lives(lives: Any) -> None:
    with pytest.raises(UsageError, match="1 or 3 lives"):
        lmgame_games.make("mario", lives=lives)


def test_options_may_come_as_text() -> None:
    env = lmgame_games.make("mario", stage="1-1", lives="3")
    assert env.reset(seed=0)[1]["lives"] == 3


def test_other_errors(tmp_path: Any) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        lmgame_games.make("mario", rom=str(tmp_path / "none.nes"))
    with pytest.raises(UnknownNameError, match="Did you mean 'standard'"):
        SuperMarioBrosEnv("standart")
    with pytest.raises(UsageError, match="rgb_array"):
        SuperMarioBrosEnv(render_mode="human")
    with pytest.raises(GameError, match="call reset"):
        SuperMarioBrosEnv().text()


@each_preset
def test_cards_say_what_the_environment_does(preset: str) -> None:
    made = card(preset)
    assert tuple(control.name for control in made.controls) == NAMES
    assert made.hold == (1, 60)
    assert all(name in made.rules for name in ("right+b", "60 frames"))
    assert np.array_equal(SuperMarioBrosEnv(preset).action(made.idle), [0, (made.idle.frames or 0) - 1])
    assert ("intervals" in made.seed.lower()) == (preset != "standard")
    assert all(stage in made.seed for stage in STAGES) == (preset == "standard")
