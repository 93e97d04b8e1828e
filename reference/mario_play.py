"""How far a player gets in Super Mario Bros: `python -m reference.mario_play PLAYER [--stages 1-1] [--offsets 0 7 …]`.

PLAYER is a model's folder, the base URL of a server that speaks chat completions (`http://localhost:8000/v1`), or
`teacher`. Each game is one life on one stage of the suite's own environment, from a number of idle frames to the
stage's end, a death or 300 decisions; answers are read by the suite's own parser, and what it can't read costs what it
costs there.
"""

import argparse
import base64
import io
import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from lmgame_agents.parser import parse_answer
from lmgame_games.core import Move
from lmgame_games.mario import cards, ram
from lmgame_games.mario.env import SuperMarioBrosEnv
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


def reads(complete: Callable[[Image.Image], str]) -> Policy:
    """A player that answers a picture with text."""
    card = cards.card("standard")

    def policy(frame: np.ndarray, env: SuperMarioBrosEnv) -> list[Move]:
        parsed = parse_answer(complete(Image.fromarray(frame)), card)
        return list(parsed.moves)

    return policy


def folder(path: Path) -> Policy:
    """A model's folder, by transformers in float32 on the CPU."""
    import torch
    from transformers import AutoProcessor, Idefics3ForConditionalGeneration

    processor: Any = AutoProcessor.from_pretrained(path)
    model: Any = Idefics3ForConditionalGeneration.from_pretrained(path, dtype=torch.float32)
    asked = [{"role": "user", "content": [{"type": "text", "text": "Super Mario Bros"}, {"type": "image"}]}]
    prompt = processor.apply_chat_template(asked, add_generation_prompt=True)

    @torch.no_grad()
    def complete(picture: Image.Image) -> str:
        inputs = processor(text=prompt, images=[picture], return_tensors="pt")
        written = model.generate(**inputs, max_new_tokens=24, do_sample=False)
        return processor.decode(written[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    return reads(complete)


def server(url: str, name: str) -> Policy:
    """A server's model."""

    def complete(picture: Image.Image) -> str:
        png = io.BytesIO()
        picture.save(png, "PNG")
        image = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
        content = [
            {"type": "text", "text": "Super Mario Bros"},
            {"type": "image_url", "image_url": {"url": image}},
        ]
        body = {"model": name, "temperature": 0, "messages": [{"role": "user", "content": content}]}
        request = urllib.request.Request(
            url.rstrip("/") + "/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.load(response)["choices"][0]["message"]["content"] or ""

    return reads(complete)


def summary(stage: str, games: list[Played]) -> str:
    """A row of the table."""
    x = sorted(game.x for game in games)
    finished = sum(game.finished for game in games)
    decisions, faults = sum(game.decisions for game in games), sum(game.faults for game in games)
    return f"| {stage} | {finished}/{len(games)} | {x[0]}, {median(x):.0f}, {x[-1]} | {decisions} | {faults} |"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("player", help="a model's folder, a server's base URL, or teacher")
    parser.add_argument("--name", default="pico", help="the model's name on the server")
    parser.add_argument("--stages", nargs="+", default=["1-1"], choices=cards.STAGES)
    parser.add_argument("--offsets", nargs="+", type=int, default=list(range(0, cards.IDLE_FRAMES, 6)))
    parser.add_argument("--each", action="store_true", help="print each game")
    options = parser.parse_args()
    policy = (
        teacher
        if options.player == "teacher"
        else server(options.player, options.name)
        if options.player.startswith("http")
        else folder(Path(options.player))
    )
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
