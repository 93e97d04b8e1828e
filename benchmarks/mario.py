"""Frames a second of Super Mario Bros, as a ratio to the emulator's own loop.

    uv run python benchmarks/mario.py

Both run the same frames with the same buttons: `NESEnv.step` once a frame, against moves of this project's environment
with the picture returned once a move. They take turns in short rounds, and CPU time counts, so that whatever else the
machine does hits neither. The bar is 0.95 for moves of 8 frames or more. The second table, in wall time, says what
worker threads bring.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from time import perf_counter, process_time

import numpy as np

from lmgame_games import make
from lmgame_games.mario.buttons import BYTES, NAMES
from lmgame_games.mario.env import SuperMarioBrosEnv

PLAN = ("left", "a", "left+a", "noop")
"""What is played in turn: Mario jumps about at the left edge of 1-1, where nothing can happen to him."""


def actions(length: int) -> list[np.ndarray]:
    """One round's moves, each `length` frames long."""
    return [np.array([NAMES.index(name), length - 1]) for name in PLAN]


def ours(env: SuperMarioBrosEnv, length: int, repeats: int) -> tuple[float, int]:
    """Seconds of CPU, and frames run."""
    env.reset(seed=0)
    moves, frames = actions(length), 0
    begun = process_time()
    for _ in range(repeats):
        for move in moves:
            frames += env.step(move)[4]["frames"]
    return process_time() - begun, frames


def theirs(env: SuperMarioBrosEnv, length: int, repeats: int) -> tuple[float, int]:
    """The same frames through `NESEnv.step`."""
    env.reset(seed=0)
    console = env.console
    held = [BYTES[NAMES.index(name)] for name in PLAN]
    begun = process_time()
    for _ in range(repeats):
        for byte in held:
            for _ in range(length):
                console.step(byte)
    return process_time() - begun, repeats * length * len(PLAN)


def threads(count: int, length: int, moves: int) -> float:
    """Frames a second of `count` environments, each in a thread of its own."""
    envs = [make("mario", stage="1-1") for _ in range(count)]
    for env in envs:
        env.reset(seed=0)

    def play(env: SuperMarioBrosEnv) -> int:
        return sum(env.step(actions(length)[index % len(PLAN)])[4]["frames"] for index in range(moves))

    begun = perf_counter()
    with ThreadPoolExecutor(count) as pool:
        frames = sum(pool.map(play, envs))
    return frames / (perf_counter() - begun)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each kind; the median counts")
    parser.add_argument("--frames", type=int, default=480, help="frames a round")
    options = parser.parse_args()
    env = make("mario", stage="1-1")
    assert isinstance(env, SuperMarioBrosEnv)
    print("move length | ours, frames/s | NESEnv.step, frames/s | ratio")
    for length in (1, 8, 16, 30, 60):
        repeats = max(1, options.frames // (length * len(PLAN)))
        rates: tuple[list[float], list[float]] = [], []
        for _ in range(options.rounds):
            for kind, run in enumerate((ours, theirs)):
                seconds, frames = run(env, length, repeats)
                rates[kind].append(frames / seconds)
        own, raw = (median(kind) for kind in rates)
        ratio = median(one / other for one, other in zip(*rates, strict=True))
        print(f"{length:11} | {own:14,.0f} | {raw:21,.0f} | {ratio:.3f}")
    alone = threads(1, 16, 60)
    print("\nthreads | frames/s | ratio to one")
    for count in (1, 2, 4):
        rate = alone if count == 1 else threads(count, 16, 60)
        print(f"{count:7} | {rate:8,.0f} | {rate / alone:.2f}")


if __name__ == "__main__":
    main()
