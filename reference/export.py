"""From a trained folder to the one that is shipped, and the proof that both give the same answers.

    python -m reference.export TRAINED                 # writes serving/lmgame_serving/pico
    python -m reference.export TRAINED --frames DIR    # and compares the answers on the pictures DIR/GAME-*.png

`reference.record` makes such pictures. The comparison is between the package's engine on the CPU, in float32, and
`transformers` on the CPU, in float32, with greedy decoding, from the same bfloat16 weights.
"""

import argparse
import base64
import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3ImageProcessorPil, Idefics3Processor
from transformers import PreTrainedTokenizerFast as Tokenizer

from lmgame_agents.prompt import system_prompt
from lmgame_games import card
from lmgame_serving.pico_engine import FOLDER
from lmgame_serving.pico_engine.chat import ChatRequest, Completion
from lmgame_serving.pico_engine.loaded import Loaded
from lmgame_serving.pico_engine.model import CONFIGURATION, FILES, GRAPHS, WEIGHTS, write_sums
from reference.graphs import decoder_graph, vision_graph

TOLERANCE = 1e-3
"""Largest difference of two logits that counts as rounding."""
LONGEST_ANSWER = 64
"""Tokens."""


def export(source: Path, target: Path) -> None:
    """Write the shipped folder; a README.md that is there already stays.

    Args:
        source: A folder as `reference.model.save` writes it, its weights in any precision.
        target: The folder to write.
    """
    target.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in load_file(source / WEIGHTS).items()}
    save_file(weights, target / WEIGHTS, metadata={"format": "pt"})
    for name in CONFIGURATION:
        shutil.copyfile(source / name, target / name)
    config = json.loads((target / "config.json").read_text())
    config["dtype"] = "bfloat16"
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name, graph in zip(GRAPHS, (vision_graph, decoder_graph), strict=True):
        (target / name).write_bytes(graph(Idefics3Config.from_pretrained(target), shapes).SerializeToString())
    for name in FILES:
        (target / name).chmod(0o644)
    write_sums(target)


def size(folder: Path) -> dict[str, int]:
    """Numbers of parameters and of bytes of a folder's weights."""
    with safe_open(folder / WEIGHTS, "pt") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118 (it is no dictionary)
    return {
        "parameters": sum(int(np.prod(shape)) for shape in shapes),
        "bytes": (folder / WEIGHTS).stat().st_size,
        "bytes_of_folder": sum(file.stat().st_size for file in folder.iterdir()),
    }


def conversation(game: str, picture: Path) -> list[dict[str, Any]]:
    """What the suite asks about a frame, but for the text of the turn, which no template keeps."""
    uri = "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()
    return [
        {"role": "system", "content": system_prompt(card(game), "image")},
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": uri}}, {"type": "text", "text": "Your moves?"}],
        },
    ]


class Stock:
    """The folder in `transformers`, in float32 on the CPU."""

    def __init__(self, folder: Path) -> None:
        self.model = Idefics3ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
        # With torchvision installed, transformers would resize by other means, which differ by a grey level or two.
        images = Idefics3ImageProcessorPil.from_pretrained(folder)
        template = (folder / "chat_template.jinja").read_text()
        tokens = json.loads((folder / "processor_config.json").read_text())["image_seq_len"]
        tokenizer = Tokenizer.from_pretrained(folder)
        self.processor = Idefics3Processor(images, tokenizer, image_seq_len=tokens, chat_template=template)

    @torch.no_grad()
    def answer(self, messages: list[dict[str, Any]], picture: Path) -> dict[str, Any]:
        """What the model reads, writes, and thinks: `prompt`, `pixels`, `tokens`, `text`, `logits` of each token."""
        prompt = self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        inputs = self.processor(text=prompt, images=[Image.open(picture)], return_tensors="pt")
        made = self.model.generate(
            **inputs,
            do_sample=False,
            top_k=None,
            max_new_tokens=LONGEST_ANSWER,
            return_dict_in_generate=True,
            output_logits=True,
        )
        tokens = made.sequences[0, inputs["input_ids"].shape[1] :].tolist()
        return {
            "prompt": inputs["input_ids"][0].tolist(),
            "pixels": inputs["pixel_values"][0].numpy(),
            "tokens": tokens,
            "text": self.processor.tokenizer.decode(tokens, skip_special_tokens=True),
            "logits": np.array([step[0].numpy() for step in made.logits]),
        }


def compare(folder: Path, pictures: Iterable[Path]) -> dict[str, Any]:
    """Compare engine and transformers, picture by picture.

    Returns:
        Numbers of pictures, of those with another prompt, other pixels, another answer; the largest difference of two
        logits; the smallest lead of a chosen token over the next best; the differing answers.
    """
    stock, engine = Stock(folder), Loaded.of(folder, threads=2)
    found: dict[str, Any] = {"pictures": 0, "other_prompt": 0, "other_pixels": 0, "other_answer": 0}
    worst, lead, differing = 0.0, float("inf"), []
    for picture in pictures:
        messages = conversation(picture.name.partition("-")[0], picture)
        request = json.dumps({"model": "pico", "messages": messages, "max_tokens": LONGEST_ANSWER})
        expected = stock.answer(messages, picture)  # which changes the messages
        completion = Completion(engine, "pico", ChatRequest.read(request.encode()))
        answer = "".join(piece.text for piece in completion.pieces())
        pixels = engine.sight.pixels(Image.open(picture).convert("RGB"))
        found["pictures"] += 1
        found["other_prompt"] += completion.prompt != expected["prompt"]
        found["other_pixels"] += not np.array_equal(pixels, expected["pixels"])
        if answer != expected["text"]:
            found["other_answer"] += 1
            differing.append({"picture": picture.name, "transformers": expected["text"], "engine": answer})
        drawn = engine.model.read(expected["prompt"], pixels)
        for place, token in enumerate(expected["tokens"]):
            logits = expected["logits"][place]
            worst = max(worst, float(np.abs(logits - drawn.logits).max()))
            best = np.sort(logits)[-2:]
            lead = min(lead, float(best[1] - best[0]))
            if token != engine.model.end and place + 1 < len(expected["tokens"]):
                drawn.go_on(token)
    return {**found, "largest_difference": worst, "smallest_lead": lead, "differing": differing}


def main() -> None:
    """Export, compare, and end with exit code 1 if the answers differ."""
    parser = argparse.ArgumentParser(prog="python -m reference.export", description=__doc__.split("\n")[0])
    parser.add_argument("trained", type=Path, help="the folder that training wrote")
    parser.add_argument("--to", type=Path, default=FOLDER, help="the folder to write")
    parser.add_argument("--frames", type=Path, help="a folder of pictures to compare the answers on")
    arguments = parser.parse_args()
    export(arguments.trained, arguments.to)
    report: dict[str, Any] = size(arguments.to)
    good = True
    if arguments.frames:
        report |= compare(arguments.to, sorted(arguments.frames.glob("*.png")))
        good = not (report["other_prompt"] or report["other_answer"]) and report["largest_difference"] < TOLERANCE
    print(json.dumps(report, indent=1))
    sys.exit(not good)


if __name__ == "__main__":
    main()
