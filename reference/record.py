"""Pico's answers in games of its own, recorded, so that the package can be held to them.

    python -m reference.record tests/serving/pico_answers.json

Super Mario Bros needs its emulator (Python 3.13); `--games tetris` records without it. Needs the package alone, not
what training needs.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from PIL import Image

from lmgame_agents.parser import parse_answer
from lmgame_games import card, frame_of, make, play_moves
from lmgame_serving.pico_engine import FOLDER
from lmgame_serving.pico_engine.loaded import Loaded

PLAYED: dict[str, tuple[dict[str, Any], ...]] = {"tetris": ({},), "mario": ({}, {"stage": "1-1"})}
"""The options that each game is played with, besides the preset `standard`."""
CLEAR = 0.05
"""Lead, in logits, of a token over the next best, under which rounding may change an answer."""


def record(loaded: Loaded, game: str, options: dict[str, Any], seed: int, decisions: int) -> dict[str, Any]:
    """The first decisions of a game in the preset `standard`; answers that can't be used idle.

    Returns:
        `game`, `options`, `seed`, `close` (the numbers of decisions that rounding may change), `answers`.
    """
    env, rules = make(game, **options), card(game)
    answers: list[str] = []
    close: list[int] = []
    try:
        env.reset(seed=seed)
        for number in range(decisions):
            written = loaded.answer(game, Image.fromarray(frame_of(env)))
            answers.append(written.text)
            if written.lead < CLEAR:
                close.append(number)
            if play_moves(env, parse_answer(written.text, rules).moves or (rules.idle,))[1]:
                break
    finally:
        env.close()
    return {"game": game, "options": options, "seed": seed, "close": close, "answers": answers}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m reference.record", description=__doc__.split("\n")[0])
    parser.add_argument("answers", type=Path, help="the file to write")
    parser.add_argument("--model", type=Path, default=FOLDER, help="the exported folder")
    parser.add_argument("--games", nargs="+", default=list(PLAYED), choices=PLAYED, help="default: all of them")
    parser.add_argument("--seeds", type=int, default=3, help="recorded games of each kind")
    parser.add_argument("--decisions", type=int, default=30, help="recorded decisions of each game")
    given = parser.parse_args()
    loaded = Loaded.of(given.model, threads=2)
    recorded = [
        record(loaded, game, options, seed, given.decisions)
        for game in given.games
        for options in PLAYED[game]
        for seed in range(given.seeds)
    ]
    given.answers.write_text(json.dumps(recorded, indent=1) + "\n")


if __name__ == "__main__":
    main()
