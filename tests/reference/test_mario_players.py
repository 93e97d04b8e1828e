"""Super Mario Bros in pico's training: answers as tokens, the teacher, and the players' channel."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from reference.mario_answers import LENGTH, code, tokens
from reference.mario_channel import SLOTS, Channel, decode, encode
from reference.vocabulary import EOS, OPENING, PAD, token_id

ANSWERS = (
    (("right+b", 12), ("right+a+b", 20), ("noop", 48)),
    (("noop", 60),),
    (("right+b", 1), ("right+a+b", 2), ("left+b", 3), ("noop", 4)),
)


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_survives_the_channel_and_the_tokens(answer: tuple[tuple[str, int], ...]) -> None:
    assert decode(encode(answer)) == answer
    ids = tokens(encode(answer)).tolist()
    assert len(ids) == LENGTH
    assert ids[0] == token_id(OPENING)
    assert ids[1 + 2 * len(answer)] == token_id(EOS)
    assert set(ids[2 + 2 * len(answer) :]) <= {token_id(PAD)}
    assert decode(code(ids[1:])) == answer


def test_an_answer_without_an_end_is_none() -> None:
    ids = tokens(encode(ANSWERS[0])).tolist()
    assert not code(ids[1:4]).any()
    assert not code(ids[2:]).any()
    assert decode(code([])) == (("noop", 30),)


def test_the_teacher_finishes_1_1() -> None:
    pytest.importorskip("nes_py")
    from reference.mario_worker import Game, advise

    game = Game("1-1")
    game.begin(idle=11)
    for _ in range(60):
        advice = advise(game)
        assert advice is not None
        assert advice.chances.sum() == pytest.approx(1)
        before = bytes(game.memory)
        assert advice.future.answer == advice.answers[0]
        state = game.play(advice.future.answer)
        assert state == advice.future.state
        if state == "finished":
            break
        assert bytes(game.memory) != before
        after = bytes(game.memory)
        game.load(advice.future.after)
        assert bytes(game.memory) == after
    assert state == "finished"
    assert game.x > 3000


def test_a_player_offers_states_and_stops(tmp_path: Path) -> None:
    pytest.importorskip("nes_py")
    channel = Channel(tmp_path / "channel", create=True)
    channel["share"] = 1.0
    command = [sys.executable, "-m", "reference.mario_worker", str(tmp_path / "channel"), "0", "1-1:1"]
    with subprocess.Popen(command) as player:
        try:
            deadline = time.monotonic() + 60
            while channel["written"] < 2 and time.monotonic() < deadline:
                if channel["asked"] > channel["answered"]:
                    channel["answer"] = encode(ANSWERS[0])
                    channel["answered"] += 1
                time.sleep(0.01)
            assert channel["written"] >= 2
            state = channel["states"][(channel["written"] - 1) % SLOTS]
            assert state["frame"].any()
            assert np.isclose(state["chances"].sum(), 1)
            channel["stop"] = 1
            assert player.wait(30) == 0
        finally:
            player.kill()
