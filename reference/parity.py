"""Do transformers, vLLM and the package's CPU engine give the same answers to the same 200 frames of both games?

Each step writes a JSON file, so that they can run on different machines:

    python -m reference.parity frames frames.json
    python -m reference.parity transformers frames.json f32.json
    python -m reference.parity transformers frames.json bf16.json --dtype bfloat16 --device cuda
    python -m reference.parity url frames.json vllm.json --url http://127.0.0.1:8000/v1#pico
    python -m reference.parity engine frames.json cpu.json
    python -m reference.parity compare f32.json bf16.json vllm.json cpu.json

Every engine is asked as the suite asks, with its whole prompt and no temperature, and so has to find the picture, the
game's name and greedy decoding by itself. The leads (by how many logits a token was ahead of the next best) are
those of the first file that `compare` is given.
"""

import argparse
import asyncio
import base64
import io
import json
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lmgame_agents import ChatClient, Sampling, system_prompt
from lmgame_agents.images import png
from lmgame_games import Move, card, frame_of, make, play_moves, scripted_player
from lmgame_games.mario.buttons import NAMES
from lmgame_games.tetris.env import TetrisEnv
from lmgame_serving.pico_engine import FOLDER

PLAYED = ("tetris", "mario")
"""The games; Super Mario Bros needs its emulator (Python 3.13)."""
PER_GAME = 5
"""Frames taken of one game."""
DECISIONS = 60
"""Decisions that a game is played on for; its frames are drawn from these."""
RANDOM = 0.1
"""Share of decisions that are made by chance, so that pictures are not always those of good play."""
IN_FLIGHT = 32
MAX_TOKENS = 64
"""Of an answer; the folder's own limit, which transformers goes by."""
LONGEST = 120
"""Characters of an answer that are shown."""
CLOSE = 0.25
"""Lead, in logits, under which two engines' rounding may well decide differently."""


def frames(count: int, games: Iterable[str] = PLAYED) -> list[dict[str, Any]]:
    """Frames of games, preset `standard`, played by the scripted player and by chance.

    Returns:
        `count` frames in all, the same number of each game: `game`, `seed`, `decision` and the `png` in base64.
    """
    games = list(games)
    return [shot for game in games for shot in _frames(game, count // len(games))]


def _frames(game: str, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    env, seed = make(game, "standard"), 0
    while len(found) < count:
        rng = np.random.default_rng([seed, 200])
        env.reset(seed=seed)
        taken = set(rng.choice(DECISIONS, PER_GAME, replace=False).tolist())
        player = scripted_player(env)
        for decision in range(DECISIONS):
            if decision in taken:
                data = base64.b64encode(png(frame_of(env))).decode("ascii")
                found.append({"game": game, "seed": seed, "decision": decision, "png": data})
            if isinstance(env, TetrisEnv):
                env.engine.hold_used = True  # pico never holds a piece, so neither does the player
            moves = _anything(game, rng) if rng.random() < RANDOM else player.act()
            if play_moves(env, moves)[1]:
                break
        seed += 1
    env.close()
    return found[:count]


def _anything(game: str, rng: np.random.Generator) -> list[Move]:
    """An answer drawn at random, as pico would write it."""
    if game == "mario":
        return [Move(str(rng.choice(NAMES)), int(rng.integers(1, 31)))]
    shift = int(rng.integers(-5, 6))
    turns = ["rotate_cw"] * int(rng.integers(0, 4))
    return [Move(name) for name in (*turns, *["left" if shift < 0 else "right"] * abs(shift), "hard_drop")]


def conversation(shot: dict[str, Any]) -> list[dict[str, Any]]:
    """What the suite sends with a frame."""
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{shot['png']}"}}
    rules = system_prompt(card(shot["game"], "standard"), "image")
    turn = {"type": "text", "text": "Answers left: 1000\n\nYour moves?"}
    return [{"role": "system", "content": rules}, {"role": "user", "content": [image, turn]}]


def with_transformers(shots: list[dict[str, Any]], folder: Path, dtype: str, device: str) -> list[dict[str, Any]]:
    """Answers of transformers' own `generate`: `text`, its `tokens`, and for each its `lead` and `next` best token."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor, Idefics3ImageProcessorPil

    processor = AutoProcessor.from_pretrained(folder)
    # With torchvision there, transformers chooses its resize, which differs from Pillow's, the one that pico was
    # trained with, by a grey level or two.
    processor.image_processor = Idefics3ImageProcessorPil.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=getattr(torch, dtype)).to(device).eval()
    end = model.generation_config.eos_token_id
    answers: list[dict[str, Any]] = []
    for begin in range(0, len(shots), IN_FLIGHT):
        batch = [_opened(shot) for shot in shots[begin : begin + IN_FLIGHT]]
        inputs = processor.apply_chat_template(
            batch, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        ).to(device, dtype=getattr(torch, dtype))
        with torch.inference_mode():
            out = model.generate(**inputs, return_dict_in_generate=True, output_logits=True)
        best = torch.stack(out.logits, 1).float().topk(2, -1)  # (batch, steps, 2)
        written = out.sequences[:, inputs["input_ids"].shape[1] :].tolist()
        for ids, values, pairs in zip(written, best.values.tolist(), best.indices.tolist(), strict=True):
            length = ids.index(end) + 1 if end in ids else len(ids)
            tokens = [processor.tokenizer.decode([token]) for token in ids[:length]]
            answers.append(
                {
                    "text": processor.tokenizer.decode(ids[:length], skip_special_tokens=True),
                    "tokens": tokens,
                    "lead": [round(first - second, 4) for first, second in values[:length]],
                    "next": [processor.tokenizer.decode([pair[1]]) for pair in pairs[:length]],
                }
            )
    return answers


def _opened(shot: dict[str, Any]) -> list[dict[str, Any]]:
    """The conversation as transformers takes it, with the picture itself."""
    system, user = conversation(shot)
    picture = _picture(shot)
    content = [{"type": "image", "image": picture}, user["content"][1]]
    return [
        {"role": "system", "content": [{"type": "text", "text": system["content"]}]},
        {"role": "user", "content": content},
    ]


def _picture(shot: dict[str, Any]) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(shot["png"]))).convert("RGB")


async def with_client(shots: list[dict[str, Any]], client: ChatClient) -> list[dict[str, Any]]:
    """Answers of a server, asked through the suite's client: `text` and `finish_reason`."""
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def ask(shot: dict[str, Any]) -> dict[str, Any]:
        async with gate:
            session = f"{shot['game']}-{shot['seed']}-{shot['decision']}"
            reply = await client.ask(conversation(shot), Sampling(max_tokens=MAX_TOKENS), session_id=session)
        return {"text": reply.text, "finish_reason": reply.finish_reason}

    return list(await asyncio.gather(*(ask(shot) for shot in shots)))


async def with_url(shots: list[dict[str, Any]], url: str) -> list[dict[str, Any]]:
    """Answers of the server at `URL#NAME`."""
    base, _, name = url.partition("#")
    async with ChatClient(base, None, name) as client:
        return await with_client(shots, client)


async def with_engine(shots: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Answers of the package's CPU engine, over HTTP like everybody else's."""
    from lmgame_serving.pico_engine.server import serve  # which loads an engine that other steps don't need

    async with AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(serve(name="pico", model="pico", folder=folder))
        client = await stack.enter_async_context(ChatClient(endpoint.base_url, endpoint.api_key, endpoint.model))
        return await with_client(shots, client)


def compare(names: list[str], answers: list[list[dict[str, Any]]]) -> str:
    """How many answers are the same, pair by pair, and each one that differs from the first engine's."""
    count = len(answers[0])
    if any(len(one) != count for one in answers):
        raise SystemExit(f"The files hold different numbers of answers: {[len(one) for one in answers]}.")
    lines = [f"Same answers, of {count}:", "", f"| | {' | '.join(names)} |", "|---|" + "--:|" * len(names)]
    for name, mine in zip(names, answers, strict=True):
        same = [sum(a["text"] == b["text"] for a, b in zip(mine, other, strict=True)) for other in answers]
        lines.append(f"| {name} | {' | '.join(str(number) for number in same)} |")
    leads = [min(answer["lead"]) for answer in answers[0] if answer.get("lead")]
    if leads:
        close = sum(lead < CLOSE for lead in leads)
        lines += ["", f"Smallest lead in an answer of {names[0]}: median {np.median(leads):.3g} logits, "]
        lines[-1] += f"least {min(leads):.3g}; {close} answers have one under {CLOSE:g}."
    for name, mine in zip(names[1:], answers[1:], strict=True):
        for number, (first, other) in enumerate(zip(answers[0], mine, strict=True)):
            if first["text"] != other["text"]:
                texts = f"{names[0]} {first['text'][:LONGEST]!r}, {name} {other['text'][:LONGEST]!r}"
                lines.append(f"frame {number}: {texts}{_where(first, other)}")
    return "\n".join(lines)


def _where(first: dict[str, Any], other: dict[str, Any]) -> str:
    """Where another answer leaves the first one, if tokens and leads of that are known."""
    sofar = ""
    for token, lead, runner in zip(*(first.get(key, ()) for key in ("tokens", "lead", "next")), strict=True):
        if not other["text"].startswith(sofar + token) or first["text"] == sofar:
            return f"; there {token!r} leads {runner!r} by {lead:g}"
        sofar += token
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    step = steps.add_parser("frames", help="make the frames")
    step.add_argument("out", type=Path)
    step.add_argument("--count", type=int, default=200)
    step.add_argument("--games", nargs="+", default=list(PLAYED), choices=PLAYED)
    for name in ("transformers", "url", "engine"):
        step = steps.add_parser(name, help=f"ask {name}")
        step.add_argument("frames", type=Path)
        step.add_argument("out", type=Path)
        if name == "url":
            step.add_argument("--url", required=True, help="the model, as URL#NAME")
        else:
            step.add_argument("--folder", type=Path, default=FOLDER, help="the model's folder")
        if name == "transformers":
            step.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
            step.add_argument("--device", default="cpu")
    step = steps.add_parser("compare", help="compare the answers")
    step.add_argument("files", type=Path, nargs="+")
    given = parser.parse_args()
    if given.step == "compare":
        print(compare([file.stem for file in given.files], [json.loads(file.read_text()) for file in given.files]))
        return
    if given.step == "frames":
        result = frames(given.count, given.games)
    else:
        shots = json.loads(given.frames.read_text())
        if given.step == "transformers":
            result = with_transformers(shots, given.folder, given.dtype, given.device)
        else:
            asked = with_url(shots, given.url) if given.step == "url" else with_engine(shots, given.folder)
            result = asyncio.run(asked)
    given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
