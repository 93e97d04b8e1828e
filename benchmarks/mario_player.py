"""How often the scripted Mario player finishes each stage, and how long it thinks.

    python benchmarks/mario_player.py [--stages 1-1 1-2 …] [--offsets 0 3 6 …]

Each game starts on one stage with one life, after a number of idle frames; it ends with the stage, Mario's life, or
when the game's clock has run out. 1-1 and the eight stages of `TEST_STAGES`, which were named before the player was
first run on any of them, are the default.
"""

import argparse
from time import perf_counter
from typing import cast

import lmgame_games
from lmgame_games.mario.env import SuperMarioBrosEnv
from lmgame_games.mario.player import TEST_STAGES, MarioPlayer

CLOCK = 400 * 24
"""Frames that the game's clock gives a stage."""


def play(env: SuperMarioBrosEnv, offset: int) -> tuple[bool, float, list[float]]:
    """Play one stage: whether it was finished, the pixels covered, and the seconds of each decision."""
    env.reset(seed=0)
    env.console.rewind()
    _, _, over, _, info = env.wait(offset)
    stage, player, seconds, frames = info["stage"], MarioPlayer(env), [], 0
    while not over and frames < CLOCK and info["stage"] == stage:
        began = perf_counter()
        moves = player.act()
        seconds.append(perf_counter() - began)
        for move in moves:
            _, _, over, _, info = env.step(env.action(move))
            frames += info["frames"]
            if over or info["turn_over"]:
                break
    return info["stage"] != stage, env.score, seconds


def main() -> None:
    """Print one row a stage as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", nargs="+", default=["1-1", *TEST_STAGES])
    parser.add_argument("--offsets", nargs="+", type=int, default=list(range(0, 30, 3)))
    options = parser.parse_args()
    print("| stage | finished | pixels: least, mean, most | ms a decision: mean, most |")
    print("|---|---|---|---|")
    for stage in options.stages:
        env = cast(SuperMarioBrosEnv, lmgame_games.make("mario", "standard", stage=stage, render_mode=None))
        games = [play(env, offset) for offset in options.offsets]
        pixels = [game[1] for game in games]
        seconds = [second for game in games for second in game[2]]
        print(
            f"| {stage} | {sum(game[0] for game in games)}/{len(games)} "
            f"| {min(pixels):.0f}, {sum(pixels) / len(pixels):.0f}, {max(pixels):.0f} "
            f"| {1000 * sum(seconds) / len(seconds):.1f}, {1000 * max(seconds):.0f} |",
            flush=True,
        )
        env.close()


if __name__ == "__main__":
    main()
