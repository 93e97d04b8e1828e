"""pico answers as it did when it was exported, whatever ONNX Runtime, numpy and Pillow have become since.

`python -m reference.record tests/serving/pico_answers.json` records: games by its own answers, from their seeds.
Answers with a close call among their tokens are played but not compared: rounding may change them.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lmgame_agents.parser import parse_answer
from lmgame_games import card, frame_of, make, play_moves
from lmgame_serving.pico_engine import FOLDER
from lmgame_serving.pico_engine.loaded import Loaded

RECORDED: list[dict[str, Any]] = json.loads(Path(__file__).with_name("pico_answers.json").read_text())


def _name(recorded: dict[str, Any]) -> str:
    return "-".join(str(part) for part in (recorded["game"], *recorded["options"].values(), recorded["seed"]))


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return Loaded.of(FOLDER, threads=1)


@pytest.mark.parametrize("recorded", RECORDED, ids=_name)
def test_it_answers_as_recorded(loaded: Loaded, recorded: dict[str, Any]):
    game = recorded["game"]
    if game == "mario" and find_spec("nes_py") is None:
        pytest.skip("Super Mario Bros needs Python 3.13")
    assert len(recorded["answers"]) > 2 * len(recorded["close"])
    env = make(game, **recorded["options"])
    try:
        env.reset(seed=recorded["seed"])
        for number, expected in enumerate(recorded["answers"]):
            if number not in recorded["close"]:
                written = loaded.answer(game, Image.fromarray(frame_of(env)))
                assert written.text == expected, f"decision {number}"
            parsed = parse_answer(expected, card(game))
            assert parsed.verdict == "ok", expected
            play_moves(env, parsed.moves)
    finally:
        env.close()
