"""Frames from pico's own games, and its answers to them: for comparing engines, and for holding ours to its answers.

    python -m reference.record --frames DIR --count 200          # pictures for `reference.export --frames`
    python -m reference.record --answers tests/serving/pico_answers.json

Needs the package alone, not what training needs.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lmgame_agents.parser import parse_answer
from lmgame_games import card, frame_of, games, make, play_moves
from lmgame_serving.pico_engine import FOLDER
from lmgame_serving.pico_engine.loaded import Loaded
from lmgame_serving.pico_engine.text import IMAGE

PLAYED = ("tetris", "mario")
CLEAR = 0.05
"""Lead, in logits, of a token over the next best, under which rounding may change an answer."""
LONGEST_ANSWER = 64


@dataclass(frozen=True)
class Turn:
    """A frame, uint8 (height, width, 3), the answer to it, and the least lead of its tokens over the next best."""

    frame: np.ndarray
    answer: str
    lead: float


class Player:
    """Pico, asked without a server in between."""

    def __init__(self, folder: Path) -> None:
        self._loaded = Loaded.of(folder, threads=2)

    def turn(self, game: str, frame: np.ndarray) -> Turn:
        """Answer one frame."""
        model, text = self._loaded.model, self._loaded.text
        drawn = model.read(text.prompt(f"{IMAGE}{game}\n"), self._loaded.sight.pixels(Image.fromarray(frame)))
        decoder, answer, lead = text.decoder(), "", float("inf")
        for _ in range(LONGEST_ANSWER):
            second, first = np.sort(drawn.logits)[-2:]
            lead = min(lead, float(first - second))
            token = int(drawn.logits.argmax())
            if token == model.end:
                break
            answer += decoder.feed(token)
            drawn.go_on(token)
        return Turn(frame, answer, lead)

    def play(self, game: str, seed: int, decisions: int) -> Iterator[Turn]:
        """A game in the preset `standard`, at most so many decisions of it. Answers that can't be used idle."""
        env, rules = make(game), card(game)
        try:
            env.reset(seed=seed)
            for _ in range(decisions):
                turn = self.turn(game, frame_of(env))
                yield turn
                moves = parse_answer(turn.answer, rules).moves or (rules.idle,)
                _, over, _ = play_moves(env, moves)
                if over:
                    return
        finally:
            env.close()


def record(player: Player, episodes: int, decisions: int) -> list[dict[str, Any]]:
    """The first decisions of games: `game`, `seed`, `answers`, and `close`, the numbers of the close ones."""
    recorded = []
    for game in _there():
        for seed in range(episodes):
            turns = list(player.play(game, seed, decisions))
            close = [number for number, turn in enumerate(turns) if turn.lead < CLEAR]
            answers = [turn.answer for turn in turns]
            recorded.append({"game": game, "seed": seed, "close": close, "answers": answers})
    return recorded


def save_frames(player: Player, folder: Path, count: int) -> None:
    """Write `count` pictures, shared among the games, as GAME-SEED-NUMBER.png: every fifth of the games' turns."""
    folder.mkdir(parents=True, exist_ok=True)
    there = _there()
    for game in there:
        wanted, seed = count // len(there), 0
        while wanted > 0:
            for number, turn in enumerate(player.play(game, seed, 100)):
                if number % 5 == 0 and wanted > 0:
                    Image.fromarray(turn.frame).save(folder / f"{game}-{seed}-{number}.png")
                    wanted -= 1
            seed += 1


def _there() -> list[str]:
    """Those of the games that run here."""
    return [name for name in PLAYED if name in games() and _runs(name)]


def _runs(name: str) -> bool:
    check = games()[name].check
    try:
        if check:
            check()
    except Exception:
        return False
    return True


def main() -> None:
    """Record what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m reference.record", description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=FOLDER, help="the exported folder")
    parser.add_argument("--frames", type=Path, help="folder to write pictures to")
    parser.add_argument("--count", type=int, default=200, help="number of pictures")
    parser.add_argument("--answers", type=Path, help="file to write answers to")
    parser.add_argument("--episodes", type=int, default=3, help="recorded games of each kind")
    parser.add_argument("--decisions", type=int, default=30, help="recorded decisions of each game")
    arguments = parser.parse_args()
    player = Player(arguments.model)
    if arguments.frames:
        save_frames(player, arguments.frames, arguments.count)
    if arguments.answers:
        recorded = record(player, arguments.episodes, arguments.decisions)
        arguments.answers.write_text(json.dumps(recorded, indent=1) + "\n")


if __name__ == "__main__":
    main()
