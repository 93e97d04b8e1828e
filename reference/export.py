"""From a trained folder to the one that is shipped: `python -m reference.export TRAINED`.

`reference.parity` compares the answers of the engines that load it.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import Idefics3Config

from lmgame_serving.pico_engine import FOLDER
from lmgame_serving.pico_engine.model import CONFIGURATION, FILES, GRAPHS, WEIGHTS, write_sums
from reference.graphs import decoder_graph, vision_graph


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


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m reference.export", description=__doc__.split("\n")[0])
    parser.add_argument("trained", type=Path, help="the folder that training wrote")
    parser.add_argument("--to", type=Path, default=FOLDER, help="the folder to write")
    given = parser.parse_args()
    export(given.trained, given.to)
    print(json.dumps(size(given.to), indent=1))


if __name__ == "__main__":
    main()
