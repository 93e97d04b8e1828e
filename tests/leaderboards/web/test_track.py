"""What the player in the browser is handed: words of models, as data."""

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmgame_common import RecordError
from lmgame_leaderboards import EpisodeLog, PlayerRecord, read_episode
from lmgame_leaderboards.web.projection import PART
from lmgame_leaderboards.web.track import (
    LONGEST,
    LONGEST_MOVES,
    index_document,
    names_of,
    players_of,
    script,
    shown,
    standing,
    whole_words,
    words_document,
)
from tests.leaderboards.conftest import make_decision, make_header

from .builders import HOSTILE, append, header_line, line, outcome_line, seats_of, write_record

TEXTS = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]>",
    "\u2028\u2029",
    "\u202eevil\u2066\u200b\ufeff",
    "\x00\x07\x1b[31m\x7f\x9b",
    "\ud800x\udfff\ud83d",
    "'\"\\`${x}",
    "🎲 模型 µ",
    HOSTILE,
]


def arguments(written: bytes, call: str) -> list[Any]:
    """What a script hands over, read as JSON, which is stricter than JavaScript."""
    text = written.decode("ascii")
    found = re.fullmatch(re.escape(call) + r"\((.*)\);\n", text)
    assert found, text[:200]
    return json.loads(f"[{found[1]}]")


def log_of(*decisions: dict[str, Any], outcome: dict[str, Any] | None = None, **header: Any) -> EpisodeLog:
    lines = [make_decision(index) | one for index, one in enumerate(decisions)]
    return EpisodeLog(Path("x.jsonl"), make_header(**header), lines, outcome=outcome)


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_a_script_hands_over_what_it_was_given(text: str):
    written = script("lmgame.part", text, 3, {"a": [text, None, 0.5], text: True})
    assert arguments(written, "lmgame.part") == [text, 3, {"a": [text, None, 0.5], text: True}]
    assert not any(sign in written for sign in b"<>&\x00\x7f")
    assert written.count(b"\n") == 1, "nothing in it can begin a line of its own"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=4)))
def test_any_value_comes_back(value: Any):
    assert arguments(script("f", value), "f") == [value]


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_what_is_shown_is_printable(text: str):
    found = shown(text)
    assert found is not None
    assert not any(
        unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") and sign not in "\n\t" for sign in found
    )


def test_what_is_shown_is_cut():
    assert shown(None) is None and shown("") == ""
    assert shown("a" * LONGEST) == "a" * LONGEST
    assert shown("a" * (LONGEST + 1)) == "a" * LONGEST + "\n… 1 more characters"
    assert shown("abcdef", 2) == "ab\n… 4 more characters"
    long = shown("\x00" * 10_000_000)
    assert long is not None and len(long) < 5 * LONGEST and long.endswith("9,980,000 more characters")


def test_ten_megabytes_of_an_answer(tmp_path: Path):
    huge = {"raw": "<" * 10_000_000, "thought": "\x1b" * 100_000, "moves": ["left"] * 100_000}
    log = read_episode(write_record(tmp_path / "x.jsonl", 1, **huge))
    parts = script("lmgame.part", words_document(log, 0)), script("lmgame.track", index_document(log, "x"))
    assert all(len(part) < 20 * LONGEST for part in parts)
    (words,) = arguments(parts[0], "lmgame.part")
    assert words["long"] == [True]
    (index,) = arguments(parts[1], "lmgame.track")
    assert index["moves"] == [" ".join(["left"] * LONGEST_MOVES) + " … 99,800 more"]


@pytest.mark.parametrize("decisions", [0, 1, PART - 1, PART, PART + 1, 2 * PART])
def test_parts_of_words_hold_each_decision_once(decisions: int):
    log = log_of(*({"raw": f"answer {index}", "thought": None} for index in range(decisions)))
    parts = [words_document(log, number) for number in range(decisions // PART + 1)]
    assert [raw for part in parts for raw in part["raw"]] == [f"answer {index}" for index in range(decisions)]
    assert all(len(part["raw"]) == PART for part in parts[:-1]) and len(parts[-1]["raw"]) == decisions % PART
    for part in parts:
        assert {len(column) for column in part.values()} == {len(part["raw"])}
    beyond = words_document(log, decisions // PART + 1)
    assert not any(beyond.values())


def test_words_of_a_decision():
    bare = {"raw": None, "thought": None, "problem": None, "finish_reason": None}
    log = log_of({"raw": "µ", "thought": "hm", "problem": "no", "finish_reason": "length", "played": 0}, bare)
    words = words_document(log, 0)
    assert (words["raw"], words["thought"], words["problem"]) == (["µ", None], ["hm", None], ["no", None])
    assert words["finish"] == ["length", None] and words["played"] == [0, 2] and words["long"] == [False, False]


def test_the_index_of_an_episode(tmp_path: Path):
    path = tmp_path / "x.jsonl"
    append(path, header_line(seed=7))
    append(path, line("fault", index=0, kind="reset\x1b", message="m" * 1000))
    append(path, line("decision", **make_decision(0, 2.5, moves=["a", "b"], verdict="ok", waited=4)))
    append(path, line("decision", **make_decision(1, 3.0, moves=[], verdict="unparsable", usage=None, latency=None)))
    index = index_document(read_episode(path), "f/r")
    arrays = [value for key, value in index.items() if isinstance(value, list) and key not in ("names", "faults")]
    assert all(len(array) == 2 for array in arrays) and len(arrays) == 11
    assert index["id"] == "f/r" and index["names"] == ["stub"] and not index["shared"] and index["seat"] is None
    assert (index["n"], index["parts"], index["part"], index["seed"]) == (2, 1, PART, 7)
    assert index["moves"] == ["a b", ""] and index["score"] == [2.5, 3.0] and index["waited"] == [4, 0]
    assert index["latency"] == [0.5, None] and index["prompt"] == [100, None] and index["completion"] == [7, None]
    assert index["outcome"] is None and index["scores"] is None
    (fault,) = index["faults"]
    assert "\x1b" not in fault["kind"] and len(fault["message"]) < 500 and fault["seat"] == 0
    append(path, outcome_line(3.0, 2))
    index = index_document(read_episode(path), "f/r")
    assert index["outcome"] == "topped_out" and index["scores"] == [3.0]


def test_the_index_of_a_shared_match():
    players = PlayerRecord(model="same"), PlayerRecord(model="same")
    log = log_of(
        {"seat": 1}, {"seat": 0}, seats=seats_of(*players), outcome={"outcome": "x", "score": 1, "scores": [1, 0]}
    )
    index = index_document(log, "f/r")
    assert index["names"] == ["same (1)", "same (2)"] and index["shared"]
    assert index["seat"] == [1, 0] and index["scores"] == [1, 0]


def test_scores_of_both_seats():
    lines = [
        {"seat": 0, "score": 1.0},
        {"seat": 1, "score": 4.0},
        {"seat": 0, "score": 2.0, "scores": [2.0, -2.0]},
        {"seat": 7, "score": 9.0},
        {"seat": 1, "score": -3.0, "scores": [1.0, 2.0, 3.0]},
    ]
    assert standing(lines, 2) == [[1.0, 0.0], [1.0, 4.0], [2.0, -2.0], [2.0, -2.0], [2.0, -3.0]]


@pytest.mark.parametrize("seats", [1, 2])
def test_hostile_names(seats: int):
    players = [PlayerRecord(model=HOSTILE), PlayerRecord(model="n" * 5000)][:seats]
    log = log_of({}, seats=seats_of(*players), game=HOSTILE, preset=HOSTILE)
    assert all(len(name) <= 220 and "\x00" not in name and "\u202e" not in name for name in names_of(log))
    written = script("lmgame.track", index_document(log, "f/r"))
    assert b"<" not in written and len(written) < 5000


@pytest.mark.parametrize("header", [{"seats": [{}]}, {"seats": [{"player": {}}]}, {"seats": [3]}, {"seats": 3}])
def test_a_header_that_does_not_say_who_plays(header: dict[str, Any]):
    log = log_of(**header)
    for read in (players_of, names_of, lambda log: index_document(log, "x")):
        with pytest.raises(RecordError, match="who plays"):
            read(log)
    with pytest.raises(RecordError):
        players_of(EpisodeLog(Path("x.jsonl")))


def test_all_that_was_said():
    log = log_of({"raw": HOSTILE + "x" * (2 * LONGEST), "thought": "first\nsecond"}, {"raw": None})
    found = whole_words(log, 0)
    assert found.startswith("thought:\nfirst\nsecond\n\nanswer:\n<script>") and found.endswith("x" * 2 * LONGEST + "\n")
    assert not set("\x00\x1b\u202e\u2028") & set(found)
    assert found.encode()
    for index in (2, -1, 10**9):
        with pytest.raises(IndexError):
            whole_words(log, index)
