"""The conformance kit: a sound game passes, and each way of breaking the contract is told apart."""

import random
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from lmgame_common import GameError
from lmgame_games import Baseline, Card, Control, GameEnv, Move, games
from lmgame_games.testing import ConformanceError, check_card, check_game

BASELINE = Baseline(n=10, mean=1.0, sd=0.5, ci95=(0.7, 1.3))
CARD = Card(
    game="toy",
    preset="standard",
    env_id="toy/Toy-v1",
    version=1,
    title="Toy",
    rules="Walk onto the coin. A coin is worth one point and then lies elsewhere. After 90 frames it is over.",
    controls=(Control("stay", "nothing"), Control("left", "one to the left", ("west",)), Control("right", "one right")),
    max_moves=3,
    answers=('{"moves": ["left", "left"]}', '{"moves": ["stay"]}'),
    idle=Move("stay"),
    fps=30,
    move_frames="one",
    score="coins",
    illegal="an unknown move",
    seed="where the coins lie",
    max_decisions=100,
    baselines={"random": BASELINE, "scripted": BASELINE},
)


class Toy(GameEnv[np.ndarray, Any]):
    """A corridor of 8 cells with a walker and a coin; the whole of a third-party game."""

    card = CARD
    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.observation_space = spaces.Box(0, 7, (2,), np.int64)
        self.action_space = spaces.Discrete(3)
        self.cells = np.zeros(2, np.int64)
        self.canvas = np.zeros((4, 32, 3), np.uint8)

    @property
    def score(self) -> float:
        return self.coins

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.coins, self.frames = 0, 0
        self.cells[0] = 4
        self.new_coin()
        return self.observe(), {"score": self.score}

    def new_coin(self) -> None:
        self.cells[1] = self.np_random.integers(8)

    def observe(self) -> np.ndarray:
        return self.cells.copy()

    def result(self, before: float) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        info = {"score": self.score, "turn_over": self.score > before}
        return self.observe(), float(self.score - before), self.frames >= 90, False, info

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        before = self.coins
        self.frames += 1
        self.cells[0] = min(7, max(0, self.cells[0] + (0, -1, 1)[action]))
        if self.cells[0] == self.cells[1]:
            self.coins += 1
            self.new_coin()
        return self.result(before)

    def wait(self, frames: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.frames = max(self.frames, min(90, self.frames + frames))
        return self.result(self.coins)

    def text(self) -> str:
        return f"you {self.cells[0]} coin {self.cells[1]} frame {self.frames} coins {self.coins}"

    def render(self) -> np.ndarray:
        self.canvas[:] = 0
        self.canvas[:, 4 * self.cells[1] : 4 * self.cells[1] + 4] = (255, 200, 0)
        self.canvas[1:3, 4 * self.cells[0] : 4 * self.cells[0] + 2] = 255
        return self.canvas.copy()

    def action(self, move: Move) -> np.int64:
        if problem := self.card.problem(move):
            raise GameError(problem)
        return np.int64(["stay", "left", "right"].index(move.name))

    def move(self, action: np.int64) -> Move:
        return Move(("stay", "left", "right")[action])


class HeldToy(Toy):
    """The same with moves that are held for 1 to 4 frames."""

    card = replace(CARD, hold=(1, 4), idle=Move("stay", 1), answers=('{"moves": ["left:3", "right:1"]}',))

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.action_space = spaces.MultiDiscrete([3, 4])

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        before = self.coins
        for _ in range(action[1] + 1):
            super().step(action[0])
        return self.result(before)

    def action(self, move: Move) -> Any:
        if problem := self.card.problem(move):
            raise GameError(problem)
        assert move.frames is not None
        return np.array([["stay", "left", "right"].index(move.name), move.frames - 1])

    def move(self, action: Any) -> Move:
        return Move(("stay", "left", "right")[action[0]], int(action[1]) + 1)


@pytest.mark.parametrize("toy", [Toy, HeldToy])
def test_a_sound_game_of_somebody_else_passes(toy: type[Toy]) -> None:
    check_game(toy)


class NoCard(Toy):
    card = None  # pyright: ignore[reportAssignmentType]


class GlobalNumpy(Toy):
    def new_coin(self) -> None:
        self.cells[1] = np.random.randint(8)  # noqa: NPY002


class GlobalRandom(Toy):
    def new_coin(self) -> None:
        self.cells[1] = random.randrange(8)


class SeedsNothing(Toy):
    """Every reset brings another coin, whatever the seed."""

    coin = 0

    def new_coin(self) -> None:
        SeedsNothing.coin = (SeedsNothing.coin + 1) % 8
        self.cells[1] = SeedsNothing.coin


class DiffersByCopy(Toy):
    """Deterministic in itself, yet no two copies play the same."""

    made = 0

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        DiffersByCopy.made += 1
        self.number = DiffersByCopy.made

    def text(self) -> str:
        return f"{super().text()} in world {self.number}"


class LeavesTraces(Toy):
    resets = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        result = super().reset(seed=seed, options=options)
        self.best = max(getattr(self, "best", 0), self.resets)
        return result

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.resets += 1
        return super().step(action)

    def text(self) -> str:
        return f"{super().text()} best {self.best}"


class ViewOfObservation(Toy):
    def observe(self) -> np.ndarray:
        return self.cells


class LateViewOfObservation(Toy):
    """Another array object each time, on the same memory, and only once play is under way."""

    def observe(self) -> np.ndarray:
        return self.cells[:] if self.frames > 5 else self.cells.copy()


class LockedViewOfObservation(LateViewOfObservation):
    """Nobody can write into it, yet it changes under its reader."""

    def observe(self) -> np.ndarray:
        observation = super().observe()
        observation.flags.writeable = False
        return observation


class ViewOfFrame(Toy):
    def render(self) -> np.ndarray:
        super().render()
        return self.canvas


class FrameReadBack(Toy):
    """Hands out its canvas and looks at it again."""

    def render(self) -> np.ndarray:
        if not self.canvas.any():
            super().render()
        return self.canvas


class TextCounts(Toy):
    asked = 0

    def text(self) -> str:
        self.asked += 1
        return f"{super().text()} asked {self.asked}"


class TextMoves(Toy):
    def text(self) -> str:
        text = super().text()
        self.cells[0] = 0
        return text


class TextDraws(Toy):
    def text(self) -> str:
        self.np_random.integers(8)
        return super().text()


class WrongInverse(Toy):
    def move(self, action: np.int64) -> Move:
        return Move(("stay", "right", "left")[action])


class UnplayableControl(Toy):
    card = replace(CARD, controls=(*CARD.controls, Control("jump", "up")))


class TakesAnything(Toy):
    def action(self, move: Move) -> np.int64:
        return np.int64(["left", "right"].index(move.name) + 1 if move.name in ("left", "right") else 0)


class WaitMoves(Toy):
    def wait(self, frames: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        return super().wait(frames + 1)


class WaitRounds(Toy):
    def wait(self, frames: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        return super().wait(frames // 2 * 2)


class MovesAfterTheEnd(Toy):
    def wait(self, frames: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.coins += frames if self.frames >= 90 else 0
        return super().wait(frames)


class NoScore(Toy):
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        return super().reset(seed=seed, options=options)[0], {}


class OtherScore(Toy):
    def result(self, before: float) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        *rest, info = super().result(before)
        return *rest, {**info, "score": -1}  # pyright: ignore[reportReturnType]


class NoTurnOver(Toy):
    def result(self, before: float) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        *rest, _ = super().result(before)
        return *rest, {"score": self.score}  # pyright: ignore[reportReturnType]


class OutsideItsSpace(Toy):
    def observe(self) -> np.ndarray:
        return self.cells + (10 if self.coins > 1 else 0)


class NoFrame(Toy):
    def render(self) -> np.ndarray:
        return super().render()[:, :, 0]


@pytest.mark.parametrize(
    ("toy", "message"),
    [
        (NoCard, "`card` must be a Card"),
        (GlobalNumpy, "global random state of `numpy.random`"),
        (GlobalRandom, "global random state of `random`"),
        (SeedsNothing, "check_env found: .*not equivalent"),
        (DiffersByCopy, "Two copies reset with seed 0 are not the same: text"),
        (LeavesTraces, r"reset\(seed=…\) of a used environment"),
        (ViewOfObservation, "share an object"),
        (LateViewOfObservation, "Writing into a returned array changed the game"),
        (LockedViewOfObservation, "An observation changed after it was returned"),
        (ViewOfFrame, "A frame changed after it was returned"),
        (FrameReadBack, "Writing into a returned array changed the game"),
        (TextCounts, r"text\(\) must be pure: two calls"),
        (TextMoves, r"text\(\) must be pure|must be pure: the game went on"),
        (TextDraws, "must be pure: the game went on differently"),
        (WrongInverse, r"action\(move\(a\)\) must be a"),
        (UnplayableControl, "The card has 'jump', but playing it fails"),
        (TakesAnything, "unknown move must raise GameError; it returned"),
        (WaitMoves, r"wait\(0\) must change nothing"),
        (WaitRounds, r"wait\(.\) then wait\(.\) must equal"),
        (MovesAfterTheEnd, "finished episode must be a no-op"),
        (NoScore, r"info of reset\(\) has no 'score'"),
        (OtherScore, "says score -1"),
        (NoTurnOver, r"info\['turn_over'\]"),
        (OutsideItsSpace, "outside of its space"),
        (NoFrame, "must return a uint8 array of shape"),
    ],
)
def test_each_breach_is_told(toy: type[Toy], message: str) -> None:
    with pytest.raises(GameError, match=message):
        check_game(toy)


def test_a_breach_is_a_failure_to_test_runners_and_an_error_of_ours() -> None:
    with pytest.raises(AssertionError) as caught:
        check_game(NoCard)
    assert isinstance(caught.value, GameError)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rules": " "}, "card.rules is empty"),
        ({"controls": ()}, "card.controls is empty"),
        ({"controls": (Control("a", ""), Control("b", "", ("a",)))}, r"\['a'\] more than once"),
        ({"max_moves": 0}, "card.max_moves"),
        ({"max_decisions": 0}, "card.max_decisions"),
        ({"fps": 0}, "card.fps"),
        ({"hold": (4, 1)}, "card.hold is"),
        ({"default_hold": 3}, "card.default_hold"),
        ({"idle": Move("sleep")}, "card.idle sleep is illegal"),
        ({"answers": ()}, "card.answers is empty"),
        ({"answers": ("left",)}, "isn't a JSON object"),
        ({"answers": ('{"move": "left"}',)}, "isn't a JSON object"),
        ({"answers": ('{"moves": [1]}',)}, "isn't a JSON object"),
        ({"answers": ('{"moves": []}',)}, "1 to 3 moves"),
        ({"answers": ('{"moves": ["up"]}',)}, "which is illegal"),
        ({"baselines": {"random": BASELINE}}, "no 'scripted'"),
        ({"baselines": {"scripted": BASELINE}}, "no 'random'"),
        ({"baselines": {"random": replace(BASELINE, n=1), "scripted": BASELINE}}, "rests on 1"),
        ({"baselines": {"random": replace(BASELINE, mean=2.0), "scripted": BASELINE}}, "outside its interval"),
    ],
)
def test_an_incomplete_card_is_told(change: dict[str, Any], message: str) -> None:
    check_card(CARD)
    with pytest.raises(ConformanceError, match=message):
        check_card(replace(CARD, **change))


def test_a_card_that_lets_bad_moves_pass_is_told() -> None:
    class Lenient(Card):
        def problem(self, move: Move) -> str | None:
            return None

    fields = {name: getattr(CARD, name) for name in Card.__dataclass_fields__}
    with pytest.raises(ConformanceError, match="must say why 'no-such-move' is illegal"):
        check_card(Lenient(**fields))


def test_a_held_move_without_bounds_is_told() -> None:
    class NeverTooLong(HeldToy):
        def problem(self, move: Move) -> str | None:
            return None if move.frames and move.frames > 4 else super().problem(move)

    with pytest.raises(ConformanceError, match="must say why 'stay:5' is illegal"):
        check_game(NeverTooLong)


def test_options_and_preset_reach_the_environment() -> None:
    got = SimpleNamespace()

    def make_toy(**named: Any) -> Toy:
        got.named = named
        return Toy(named["render_mode"])

    check_game(make_toy, "hard", seeds=(0,), steps=5, length=9)
    assert got.named == {"render_mode": "rgb_array", "preset": "hard", "length": 9}


@pytest.mark.parametrize("preset", games()["tetris"].presets)
def test_tetris_conforms(preset: str) -> None:
    check_game("tetris", preset)


@pytest.mark.parametrize("preset", games()["mario"].presets)
def test_mario_conforms(preset: str) -> None:
    pytest.importorskip("nes_py", reason="Super Mario Bros needs the extra lmgame[mario]")
    check_game("mario", preset, seeds=(0,), steps=12)


@pytest.mark.parametrize("name", ["tetris", "mario"])
def test_the_gymnasium_id_needs_no_import(name: str) -> None:
    if name == "mario":
        pytest.importorskip("nes_py", reason="Super Mario Bros needs the extra lmgame[mario]")
    env = gymnasium.make(f"lmgame_games:{games()[name].env_id}")
    observation, info = env.reset(seed=3)
    assert env.observation_space.contains(observation)
    assert "score" in info
    env.close()
