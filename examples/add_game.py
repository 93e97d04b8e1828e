"""Add a game of your own: an environment, a card, and the conformance kit that holds it to the contract.

In a package, name `GAME` under the entry point group `lmgame.games` and `lmgame play --game countdown` finds it:

    [project.entry-points."lmgame.games"]
    countdown = "my_package:GAME"

    uv run python examples/add_game.py
"""

from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium import spaces

from lmgame_common import GameError
from lmgame_games import Baseline, Card, Control, Game, GameEnv, Move, frame_of
from lmgame_games.baselines import random_action, summary
from lmgame_games.testing import check_game

CONTROLS = (Control("one", "take one"), Control("two", "take two"))

CARD = Card(
    game="countdown",
    preset="standard",
    env_id="example/Countdown-v1",
    version=1,
    title="Countdown",
    rules="A heap of sticks. Take one or two at a time; a point for each, ten more for taking the last one exactly.",
    controls=CONTROLS,
    max_moves=1,
    answers=('{"moves": ["one"]}', '{"moves": ["two"]}'),
    idle=Move("one"),
    fps=1,
    move_frames="1 frame",
    score="sticks taken, and ten for an exact end",
    illegal="anything but one or two",
    seed="the size of the heap, 5 to 20",
    max_decisions=30,
)


class Countdown(GameEnv[np.ndarray, Any]):
    """Take sticks. Observation: the sticks left, int64 of shape (1,). Actions: 0 takes one, 1 takes two."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 1}  # noqa: RUF012 (Gymnasium's own contract)
    card = CARD

    def __init__(self, preset: str = "standard", render_mode: str | None = "rgb_array") -> None:
        self.render_mode = render_mode
        self.observation_space = spaces.Box(-1, 20, (1,), np.int64)
        self.action_space = spaces.Discrete(2)
        self._left, self._score = 0, 0.0

    @property
    def score(self) -> float:
        return self._score

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self._left, self._score = int(self.np_random.integers(5, 21)), 0.0
        return self._observe(), {"score": 0.0}

    def step(self, action: int):
        taken = action + 1
        gain = float(min(taken, self._left) + (10 if taken == self._left else 0))
        self._left -= taken
        self._score += gain
        return self._observe(), gain, self._left <= 0, False, self._info(frames=1)

    def wait(self, frames: int):
        return self._observe(), 0.0, self._left <= 0, False, self._info(frames)

    def _observe(self) -> np.ndarray:
        return np.array([self._left])

    def _info(self, frames: int) -> dict[str, Any]:
        return {"score": self._score, "turn_over": False, "frames": frames}

    def text(self) -> str:
        return f"Sticks left: {self._left}"

    def render(self) -> np.ndarray:  # pyright: ignore[reportIncompatibleMethodOverride]
        frame = np.zeros((32, 8 * 20, 3), np.uint8)
        for stick in range(max(0, self._left)):
            frame[4:28, 8 * stick + 2 : 8 * stick + 6] = (230, 200, 120)
        return frame

    def action(self, move: Move) -> int:
        if problem := self.problem(move):
            raise GameError(problem)
        return [control.name for control in CONTROLS].index(move.name)

    def move(self, action: int) -> Move:
        return Move(CONTROLS[action].name)


class Taker:
    """The scripted player: twos, and a one where a two would be too many."""

    def __init__(self, env: Countdown) -> None:
        self._env = env

    def act(self) -> list[Move]:
        return [Move("one" if self._env.text().endswith(" 1") else "two")]


GAME = Game(
    name="countdown",
    title="Countdown",
    env_id="example/Countdown-v1",
    entry_point="add_game:Countdown",
    presets=("standard",),
    cards=lambda preset: CARD,
    scripted="add_game:Taker",
)


def measure(player: str, episodes: int = 30) -> Baseline:
    """A baseline over the first seeds. A registered game has `python -m lmgame_games.baselines` for this."""
    scores = []
    for seed in range(episodes):
        env = Countdown()
        env.reset(seed=seed)
        over, decision = False, 0
        while not over:
            scripted = env.action(Taker(env).act()[0])
            action = scripted if player == "scripted" else random_action(env.action_space, seed, decision)
            _, _, over, _, _ = env.step(action)
            decision += 1
        scores.append(env.score)
    return summary(scores)


def main() -> None:
    Countdown.card = replace(CARD, baselines={player: measure(player) for player in ("random", "scripted")})
    check_game(Countdown)
    for player, baseline in Countdown.card.baselines.items():
        print(f"{player}: {baseline.mean:.1f} (95 % CI {baseline.ci95[0]:.1f} to {baseline.ci95[1]:.1f})")
    env = Countdown()
    env.reset(seed=1)
    print(env.text(), frame_of(env).shape)
    print("the conformance kit finds no fault")


if __name__ == "__main__":
    main()
