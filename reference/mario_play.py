"""How far a player gets in Super Mario Bros: `python -m reference.mario_play PLAYER [--stages 1-1] [--offsets 0 7 …]`.

PLAYER is `teacher`, or `pico` on the package's engine. Each game is one life on one stage of the suite's own
environment, from a number of idle frames to the stage's end, a death or 300 decisions; answers are read by the suite's
own parser, and what it can't read costs what it costs there.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from PIL import Image

from lmgame_agents.parser import parse_answer
from lmgame_games.core import Move
from lmgame_games.mario import cards, ram
from lmgame_games.mario.env import SuperMarioBrosEnv
from lmgame_serving.pico_engine import FOLDER
from lmgame_serving.pico_engine.loaded import Loaded
from reference.mario_worker import Game, advise

Policy = Callable[[np.ndarray, SuperMarioBrosEnv], list[Move]]
"""The moves that a player makes of a frame (240, 256, 3); the teacher alone looks at the environment."""
LONGEST = 300
"""Decisions, by the card."""


class Played(NamedTuple):
    """One game."""

    stage: str
    idle: int
    x: int
    """Pixels to the right of the start."""
    decisions: int
    faults: int
    """Answers that could not be used."""
    finished: bool


def play(env: SuperMarioBrosEnv, policy: Policy, stage: str, idle: int) -> Played:
    """Play one stage."""
    env.reset(seed=0)
    env.console.rewind()
    frame, _, over, _, info = env.wait(idle)
    decisions = faults = 0
    while not over and info["stage"] == stage and decisions < LONGEST:
        moves = policy(frame, env)
        decisions += 1
        faults += not moves
        for move in moves or [env.card.idle]:
            frame, _, over, _, info = env.step(env.action(move))
            if over or info["turn_over"]:
                break
    return Played(stage, idle, int(env.score), decisions, faults, info["stage"] != stage)


def teacher(frame: np.ndarray, env: SuperMarioBrosEnv) -> list[Move]:
    """The teacher's best answer."""
    world, stage = ram.stage(env.memory)
    advice = advise(Game(f"{world}-{stage}", env.console))
    return [Move(*move) for move in advice.future.answer] if advice else []


def pico(folder: Path) -> Policy:
    """A model's exported folder, on the package's engine."""
    loaded, card = Loaded.of(folder, threads=2), cards.card("standard")

    def policy(frame: np.ndarray, env: SuperMarioBrosEnv) -> list[Move]:
        return list(parse_answer(loaded.answer("mario", Image.fromarray(frame)).text, card).moves)

    return policy


def summary(stage: str, games: list[Played]) -> str:
    """A row of the table."""
    x = sorted(game.x for game in games)
    finished = sum(game.finished for game in games)
    decisions, faults = sum(game.decisions for game in games), sum(game.faults for game in games)
    return f"| {stage} | {finished}/{len(games)} | {x[0]}, {median(x):.0f}, {x[-1]} | {decisions} | {faults} |"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("player", choices=("teacher", "pico"))
    parser.add_argument("--model", type=Path, default=FOLDER, help="pico's exported folder")
    parser.add_argument("--stages", nargs="+", default=["1-1"], choices=cards.STAGES)
    parser.add_argument("--offsets", nargs="+", type=int, default=list(range(0, cards.IDLE_FRAMES, 6)))
    parser.add_argument("--each", action="store_true", help="print each game")
    options = parser.parse_args()
    policy = teacher if options.player == "teacher" else pico(options.model)
    print("| stage | finished | pixels: least, median, most | decisions | unusable |\n|---|---|---|---|---|")
    for stage in options.stages:
        env = SuperMarioBrosEnv(stage=stage, render_mode="rgb_array")
        games = []
        for idle in options.offsets:
            games.append(play(env, policy, stage, idle))
            if options.each:
                print(games[-1], flush=True)
        print(summary(stage, games), flush=True)


if __name__ == "__main__":
    main()
