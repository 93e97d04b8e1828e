"""What models are told, and the schema of their answers."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from lmgame_agents import Observation, answer_schema, parse_answer, prompt_hash, system_prompt, turn
from lmgame_agents.images import data_uri, png
from lmgame_agents.prompt import turn_content
from lmgame_games import Card, Control, card


@pytest.mark.parametrize("name", ["tetris", "mario"])
def test_the_rules_say_everything_on_the_card(name: str) -> None:
    of = card(name)
    told = system_prompt(of, "both")
    for needed in (of.title, of.rules, *of.answers, *(f"- {c.name}: {c.does}" for c in of.controls)):
        assert needed in told
    assert of.notes not in told, "notes are for people"
    assert len(told) < 6_000


def test_the_rules_differ_by_what_is_shown_and_how_it_is_answered(held: Card) -> None:
    told = {kind: system_prompt(held, kind) for kind in ("text", "image", "both")}
    assert len(set(told.values())) == 3
    assert "picture" not in told["text"] and "text view" not in told["image"]
    assert "1 to 60 frames" in told["text"] and "held for 12" in told["text"]
    assert "think" not in system_prompt(held, "text", structured=True)
    assert "60 frames a second" in system_prompt(held, "text", realtime=True)


def test_a_turn_has_feedback_view_and_what_is_left(plain: Card) -> None:
    text = turn(Observation("VIEW", None, ("left",), "it was empty", 7), plain)
    assert "it was empty" in text and "VIEW" in text and "left: 7" in text and "Possible now: left" in text
    assert turn(Observation("VIEW", None), plain) == "VIEW\n\nYour moves?"
    assert turn_content(Observation("VIEW", None), plain) == "VIEW\n\nYour moves?"


def test_the_hash_changes_with_all_that_is_told(plain: Card) -> None:
    hashes = [
        prompt_hash(plain, "text"),
        prompt_hash(plain, "both"),
        prompt_hash(plain, "text", structured=True),
        prompt_hash(plain, "text", history=4),
        prompt_hash(plain, "text", realtime=True),
        prompt_hash(replace(plain, rules="Other rules."), "text"),
        prompt_hash(replace(plain, controls=(*plain.controls, Control("swap", "swap pieces"))), "text"),
    ]
    assert len(set(hashes)) == len(hashes)
    assert prompt_hash(plain, "text") == hashes[0]
    assert re.fullmatch("[0-9a-f]{16}", hashes[0])


@pytest.mark.parametrize("name", ["tetris", "mario"])
@pytest.mark.parametrize("preset", ["standard", "lmgame-bench-2025"])
def test_the_schema_takes_the_examples_and_what_it_takes_is_legal(name: str, preset: str) -> None:
    of = card(name, preset)
    schema = answer_schema(of)
    assert json.loads(json.dumps(schema)) == schema
    moves = schema["properties"]["moves"]
    assert (moves["minItems"], moves["maxItems"]) == (1, of.max_moves)
    for answer in of.answers:
        for move in json.loads(answer)["moves"]:
            if of.hold is None:
                assert move in moves["items"]["enum"]
            else:
                assert re.search(moves["items"]["pattern"], move)
    if of.hold is not None:
        for wrong in ("right:61", "right:0", "right", "xright:5", "right:5 ", "right+z:5"):
            assert not re.search(moves["items"]["pattern"], wrong)
    for move in moves["items"].get("enum", ["right+a:60", "noop:1"]):
        assert parse_answer(json.dumps({"moves": [move]}), of).problem is None


@pytest.mark.parametrize("shape", [(1, 1, 3), (240, 256, 3), (7, 13, 3)])
def test_frames_are_encoded_without_loss(shape: tuple[int, int, int]) -> None:
    from io import BytesIO

    from PIL import Image

    frame = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    for view in (frame, frame[::-1], np.asfortranarray(frame)):
        image = Image.open(BytesIO(png(view)))
        assert (image.mode, image.size) == ("RGB", (shape[1], shape[0]))
        assert np.array_equal(np.asarray(image), view)
    assert data_uri(frame).startswith("data:image/png;base64,iVBORw0KGgo")
