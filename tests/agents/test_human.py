"""Human play: keys in, decisions out, on SDL's dummy display."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lmgame_agents import human
from lmgame_agents.core import Decision, Observation, Verdict
from lmgame_agents.human import HELD_FRAMES, HumanAgent, combination, layout
from lmgame_common import InterruptedRunError, UsageError
from lmgame_games import Card, Control, GameEnv, Move, card, make

NOTHING = Observation(text=None, frame=None)
HELD = Card(
    game="runner",
    preset="standard",
    env_id="runner/Runner-v1",
    version=1,
    title="Runner",
    rules="Run.",
    controls=tuple(Control(name, "") for name in ("noop", "right", "right+a", "right+a+b", "left", "a", "down")),
    hold=(1, 60),
    max_moves=10,
    answers=('{"moves": ["right:10"]}',),
    idle=Move("noop", 4),
    fps=60,
    move_frames="as many as it is held",
    score="distance",
    illegal="an unknown move",
    seed="nothing",
    max_decisions=100,
)


class Runner(GameEnv[Any, Any]):
    """No more of a game than the agent looks at."""

    card = HELD

    def render(self) -> np.ndarray:
        return np.full((24, 32, 3), 90, np.uint8)

    def step(self, action: Any) -> Any: ...
    def wait(self, frames: int) -> Any: ...
    def text(self) -> str: ...
    def action(self, move: Move) -> Any: ...
    def move(self, action: Any) -> Move: ...
    @property
    def score(self) -> float: ...


class Clock:
    """Time that passes by being read or slept through, so that no test waits."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 0.0001
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


class Keyboard:
    """Posts what a person at the keyboard would."""

    def __init__(self, pygame: Any) -> None:
        self.pygame = pygame

    def down(self, key: str) -> None:
        self.pygame.event.post(self.pygame.event.Event(self.pygame.KEYDOWN, key=self.pygame.key.key_code(key)))

    def up(self, key: str) -> None:
        self.pygame.event.post(self.pygame.event.Event(self.pygame.KEYUP, key=self.pygame.key.key_code(key)))

    def tap(self, *keys: str) -> None:
        for key in keys:
            self.down(key)
            self.up(key)

    def post(self, kind: str) -> None:
        self.pygame.event.post(self.pygame.event.Event(getattr(self.pygame, kind)))


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyboard]:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    import pygame

    pygame.display.quit()
    pygame.display.init()
    pygame.display.set_mode((1, 1))
    pygame.event.clear()
    yield Keyboard(pygame)
    pygame.display.quit()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(human, "asyncio", clock)
    return clock


@pytest.fixture
def tetris() -> GameEnv[Any, Any]:
    env = make("tetris")
    env.reset(seed=5)
    return env


async def moves(agent: HumanAgent, number: int) -> list[str]:
    return [str((await agent.act(NOTHING)).moves[0]) for _ in range(number)]


async def started(env: GameEnv[Any, Any], keyboard: Keyboard, clock: Clock) -> HumanAgent:
    """An agent that has made its first decision."""
    agent = HumanAgent(env, scale=1, clock=clock)
    keyboard.tap("return")
    await agent.act(NOTHING)
    return agent


async def test_the_first_key_starts_the_game_and_is_no_move(tetris: GameEnv, keyboard: Keyboard, clock: Clock) -> None:
    keyboard.tap("space")
    assert await moves(HumanAgent(tetris, clock=clock), 1) == ["no_op"]


async def test_each_press_is_one_move_and_none_is_an_idle_one(
    tetris: GameEnv, keyboard: Keyboard, clock: Clock
) -> None:
    agent = await started(tetris, keyboard, clock)
    keyboard.tap("left", "up", "z", "q", "space", "c", "down")
    played = await moves(agent, 7)
    assert played == ["left", "rotate_cw", "rotate_ccw", "hard_drop", "hold", "soft_drop", "no_op"]


async def test_idle_moves_keep_the_time_of_the_game(tetris: GameEnv, keyboard: Keyboard, clock: Clock) -> None:
    agent = await started(tetris, keyboard, clock)
    before = clock.now
    assert await moves(agent, 30) == ["no_op"] * 30
    assert clock.now - before == pytest.approx(30 * 4 / 60, rel=0.02)


async def test_presses_come_no_faster_than_moves_take(tetris: GameEnv, keyboard: Keyboard, clock: Clock) -> None:
    agent = await started(tetris, keyboard, clock)
    before = clock.now
    keyboard.tap(*["left"] * 10)
    assert await moves(agent, 10) == ["left"] * 10
    assert clock.now - before == pytest.approx(10 * 4 / 60, rel=0.05)


async def test_a_game_that_fell_behind_does_not_hurry(tetris: GameEnv, keyboard: Keyboard, clock: Clock) -> None:
    agent = await started(tetris, keyboard, clock)
    clock.now += 30
    await moves(agent, 1)
    before = clock.now
    await moves(agent, 5)
    assert clock.now - before > 4.5 * 4 / 60


async def test_where_a_move_is_slow_presses_need_not_wait_for_it(keyboard: Keyboard, clock: Clock) -> None:
    env = make("tetris", "lmgame-bench-2025")
    env.reset(seed=1)
    agent = await started(env, keyboard, clock)
    before = clock.now
    assert await moves(agent, 4) == ["no_op"] * 4
    idle = clock.now - before
    keyboard.tap("left", "up", "z", "left")
    before = clock.now
    assert await moves(agent, 4) == ["left", "rotate_right", "rotate_left", "left"]
    assert clock.now - before < idle / 2


async def test_a_key_kept_down_repeats_where_that_makes_sense(
    tetris: GameEnv, keyboard: Keyboard, clock: Clock
) -> None:
    agent = await started(tetris, keyboard, clock)
    keyboard.down("right")
    played = await moves(agent, 8)
    assert played[:2] == ["right", "no_op"]
    assert played[3:] == ["right"] * 5
    keyboard.up("right")
    keyboard.down("space")
    assert await moves(agent, 8) == ["hard_drop"] + ["no_op"] * 7


async def test_keys_down_are_forgotten_when_another_window_takes_over(
    tetris: GameEnv, keyboard: Keyboard, clock: Clock
) -> None:
    agent = await started(tetris, keyboard, clock)
    keyboard.down("right")
    await moves(agent, 8)
    keyboard.post("WINDOWFOCUSLOST")
    assert await moves(agent, 2) == ["no_op"] * 2


async def test_a_move_that_is_illegal_now_is_not_played(keyboard: Keyboard, clock: Clock) -> None:
    class Picky(Runner):
        card = replace(HELD, hold=None, idle=Move("noop"))

        def problem(self, move: Move) -> str | None:
            return "not now" if move.name == "left" else super().problem(move)

    agent = await started(Picky(), keyboard, clock)
    keyboard.tap("left", "right")
    keyboard.down("left")
    assert set(await moves(agent, 30)) == {"right", "noop"}


@pytest.mark.parametrize("way", ["escape", "close"])
async def test_escape_and_closing_the_window_end_the_run(
    tetris: GameEnv, keyboard: Keyboard, way: str, clock: Clock
) -> None:
    agent = await started(tetris, keyboard, clock)
    if way == "escape":
        keyboard.tap("escape")
    else:
        keyboard.post("QUIT")
    with pytest.raises(InterruptedRunError, match="to go on"):
        await agent.act(NOTHING)
    assert not keyboard.pygame.display.get_init()


async def test_held_buttons_are_sampled(keyboard: Keyboard, clock: Clock) -> None:
    agent = await started(Runner(), keyboard, clock)
    keyboard.down("right")
    assert await moves(agent, 2) == [f"right:{HELD_FRAMES}"] * 2
    keyboard.down("a")
    assert await moves(agent, 1) == [f"right+a:{HELD_FRAMES}"]
    keyboard.up("right")
    assert await moves(agent, 1) == [f"a:{HELD_FRAMES}"]
    keyboard.up("a")
    assert await moves(agent, 1) == [f"noop:{HELD_FRAMES}"]


async def test_a_tap_between_two_samples_is_not_missed(keyboard: Keyboard, clock: Clock) -> None:
    agent = await started(Runner(), keyboard, clock)
    keyboard.tap("a")
    assert await moves(agent, 2) == [f"a:{HELD_FRAMES}", f"noop:{HELD_FRAMES}"]


@pytest.mark.parametrize(
    ("buttons", "name"),
    [
        ((), "noop"),
        (("right",), "right"),
        (("b", "right"), "right"),
        (("b", "a", "right"), "right+a+b"),
        (("down", "left"), "left"),
        (("b",), "noop"),
    ],
)
def test_the_combination_with_the_most_buttons_is_taken(buttons: tuple[str, ...], name: str) -> None:
    assert combination(HELD, buttons) == name


async def test_what_a_person_did_replays(tetris: GameEnv, keyboard: Keyboard, clock: Clock) -> None:
    agent = await started(tetris, keyboard, clock)
    keyboard.tap("left", "up", "space", "right", "right", "space", "c", "z", "space")
    decisions: list[Decision] = [await agent.act(NOTHING)]
    for _ in range(20):
        decision = await agent.act(NOTHING)
        tetris.step(tetris.action(decision.moves[0]))
        decisions.append(decision)
    assert all(decision.verdict is Verdict.OK and len(decision.moves) == 1 for decision in decisions)
    again = make("tetris")
    again.reset(seed=5)
    for decision in decisions[1:]:
        again.step(again.action(Move.parse(str(decision.moves[0]))))
    assert again.text() == tetris.text()


async def test_the_window_shows_the_frame_and_the_keys(tetris: GameEnv, keyboard: Keyboard, clock: Clock) -> None:
    agent = HumanAgent(tetris, scale=2, clock=clock)
    keyboard.tap("return")
    await agent.act(NOTHING)
    shown = keyboard.pygame.surfarray.array3d(keyboard.pygame.display.get_surface()).swapaxes(0, 1)
    frame = tetris.render()
    assert isinstance(frame, np.ndarray)
    enlarged = frame.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(shown[: enlarged.shape[0]], enlarged)
    assert (shown[enlarged.shape[0] :] > 200).any()
    agent.close()


def test_every_control_of_the_built_in_games_has_a_key() -> None:
    for name, preset in [("tetris", "standard"), ("tetris", "lmgame-bench-2025"), ("mario", "standard")]:
        shown = card(name, preset)
        keys = layout(shown).keys
        for control in shown.controls:
            parts = control.name.split("+") if shown.hold else [control.name]
            assert control.name == shown.idle.name or all(keys[part] for part in parts)
        pressed = [key for names in keys.values() for key in names]
        assert len(pressed) == len(set(pressed))


def test_games_of_others_get_letters() -> None:
    names = ("stay", "left", "jump", "jab", "jj", "up")
    controls = tuple(Control(name, "") for name in names)
    shown = replace(HELD, controls=controls, hold=None, idle=Move("stay"))
    expected = {"left": ("left",), "jump": ("j",), "jab": ("a",), "jj": ("b",), "up": ("up",)}
    assert layout(shown).keys == expected


def test_more_controls_than_keys_is_told() -> None:
    controls = (Control("stay", ""), *(Control(f"x{number}", "") for number in range(40)))
    with pytest.raises(UsageError, match="No key is left for 'x36'"):
        layout(replace(HELD, controls=controls, hold=None, idle=Move("stay")))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a screen can't be hidden from SDL")
async def test_no_display_is_told(keyboard: Keyboard, tetris: GameEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    keyboard.pygame.display.quit()
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match=r"no display .* SDL_VIDEODRIVER"):
        await HumanAgent(tetris).act(NOTHING)


def test_importing_it_opens_and_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    import subprocess

    code = "import sys, lmgame_agents.human; sys.exit('pygame' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert capfd.readouterr().out == ""
