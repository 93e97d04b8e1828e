"""The curve of a training: `python -m reference.plot reference/trained/log.jsonl reference/trained/curve.png`."""

import argparse
import json
from pathlib import Path

import matplotlib.pyplot as plt

PANELS = (
    ("agree", "agreement with the teacher\nin the model's own games", (0.0, 1.0)),
    ("regret", "regret, units of the\nteacher's value", (0.0, 30.0)),
    ("seen", "loss of reading the board", (0.0, 2.0)),
    ("mario_x", "Super Mario Bros 1-1: median x\nof the last 40 games", (0.0, 3200.0)),
)
"""Field of the log, label, range."""


def main() -> None:
    """Draw one panel a quantity over the share of the training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    lines = [json.loads(line) for line in options.log.read_text().splitlines()]
    lines = [line for line in lines if "progress" in line]
    figure, axes = plt.subplots(1, len(PANELS), figsize=(13, 2.8), layout="constrained")
    for axis, (field, label, limits) in zip(axes, PANELS, strict=True):
        points = [(line["progress"], line[field]) for line in lines if field in line]
        axis.plot(*zip(*points, strict=True), color="#2b6cb0")
        axis.set(xlabel="share of the training", ylim=limits, xlim=(0, 1))
        axis.set_title(label, fontsize=9)
        axis.grid(alpha=0.3)
    figure.savefig(options.picture, dpi=110)


if __name__ == "__main__":
    main()
