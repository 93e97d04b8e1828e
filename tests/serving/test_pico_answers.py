"""pico answers as it did when it was exported, whatever ONNX Runtime, numpy and Pillow have become since.

`python -m reference.record --answers tests/serving/pico_answers.json` records: games by its own answers, from their
seeds. Answers with a close call among their tokens are played but not compared: rounding may change them.
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
from lmgame_serving.pico_engine.text import IMAGE

RECORDED: list[dict[str, Any]] = json.loads(Path(__file__).with_name("pico_answers.json").read_text())


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return Loaded.of(FOLDER, threads=1)


def answer(loaded: Loaded, game: str, picture: Image.Image) -> str:
    model, decoder, text = loaded.model, loaded.text.decoder(), ""
    drawn = model.read(loaded.text.prompt(f"{IMAGE}{game}\n"), loaded.sight.pixels(picture))
    while (token := int(drawn.logits.argmax())) != model.end and drawn.length < 200:
        text += decoder.feed(token)
        drawn.go_on(token)
    return text


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: f"{recorded['game']}-{recorded['seed']}")
def test_it_answers_as_recorded(loaded: Loaded, recorded: dict[str, Any]):
    game = recorded["game"]
    if game == "mario" and find_spec("nes_py") is None:
        pytest.skip("Super Mario Bros needs Python 3.13")
    assert len(recorded["answers"]) > 2 * len(recorded["close"])
    env = make(game)
    try:
        env.reset(seed=recorded["seed"])
        for number, expected in enumerate(recorded["answers"]):
            if number not in recorded["close"]:
                assert answer(loaded, game, Image.fromarray(frame_of(env))) == expected, f"decision {number}"
            parsed = parse_answer(expected, card(game))
            assert parsed.verdict == "ok", expected
            play_moves(env, parsed.moves)
    finally:
        env.close()
