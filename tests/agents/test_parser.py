"""The answer parser: a corpus of answers as models write them, and properties that hold for every text."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmgame_agents.core import Verdict
from lmgame_agents.parser import parse_answer, split_thought
from lmgame_games import Card, Move, card

CORPUS = [json.loads(line) for line in Path(__file__).with_name("answers.jsonl").read_text("utf-8").splitlines()]
FRAGMENTS = [
    *(
        '{"moves": [',
        '"left"',
        '"hard_drop"',
        "]}",
        ",",
        "[",
        "]",
        "{",
        "}",
        '"',
        "'",
        "\n",
        " ",
        "move: ",
        "**move:** ",
    ),
    *(
        "left",
        "right",
        "right+a:24",
        "right+a",
        "hard_drop",
        "jump",
        "x3",
        ":24",
        "<think>",
        "</think>",
        "```",
        "- ",
        "1. ",
    ),
    *(
        "\\boxed{",
        "<answer>",
        "</answer>",
        "because the gap is there",
        '"frames": 24',
        '"buttons": "right"',
        "->",
        "\\",
    ),
]
FORMS = {
    "json": lambda moves: json.dumps({"moves": moves}),
    "indented in a fence": lambda moves: "Here:\n```json\n" + json.dumps({"moves": moves}, indent=2) + "\n```\nDone.",
    "bare list": json.dumps,
    "one string": lambda moves: json.dumps({"moves": ", ".join(moves)}),
    "marker": lambda moves: "I look at the board.\n\nmove: " + ", ".join(moves),
    "bold marker": lambda moves: "**Moves:** " + ", ".join(moves) + ".",
    "numbered": lambda moves: "moves:\n" + "\n".join(f"{i}. {move}" for i, move in enumerate(moves, 1)),
    "bare lines": "\n".join,
    "bare words": ", ".join,
    "after a thought": lambda moves: "<think>move: nothing</think>" + json.dumps({"moves": moves}),
    "upper case": lambda moves: json.dumps({"moves": [move.upper() for move in moves]}),
    "arrows": lambda moves: "move: " + " -> ".join(moves),
}


def all_moves(of: Card) -> st.SearchStrategy[Move]:
    names = st.sampled_from([control.name for control in of.controls])
    if of.hold is None:
        return st.builds(Move, names)
    return st.builds(Move, names, st.integers(*of.hold))


def test_corpus_is_large_and_balanced() -> None:
    assert len(CORPUS) >= 150
    verdicts = [row["verdict"] for row in CORPUS]
    assert set(verdicts) == {"ok", "illegal", "unparsable", "truncated"}
    assert verdicts.count("ok") >= 100
    assert verdicts.count("illegal") + verdicts.count("unparsable") >= 50


@pytest.mark.parametrize("row", CORPUS, ids=lambda row: f"{row['card']}-{row['text'][:30]!r}")
def test_corpus(row: dict[str, Any], cards: Mapping[str, Card]) -> None:
    parsed = parse_answer(row["text"], cards[row["card"]])
    assert ([str(move) for move in parsed.moves], parsed.verdict) == (row["moves"], row["verdict"])
    assert (parsed.problem is None) == (parsed.verdict is Verdict.OK)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("which", ["plain", "held"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_round_trip(which: str, form: str, cards: Mapping[str, Card], data: st.DataObject) -> None:
    of = cards[which]
    moves = data.draw(st.lists(all_moves(of), min_size=1, max_size=of.max_moves))
    parsed = parse_answer(FORMS[form]([str(move) for move in moves]), of)
    assert (list(parsed.moves), parsed.verdict, parsed.problem) == (moves, Verdict.OK, None)


@pytest.mark.parametrize("which", ["plain", "held"])
@settings(max_examples=300, deadline=None)
@given(text=st.one_of(st.text(max_size=300), st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join)))
def test_never_raises_and_returns_only_what_can_be_played(which: str, cards: Mapping[str, Card], text: str) -> None:
    of = cards[which]
    parsed = parse_answer(text, of)
    assert all(of.problem(move) is None for move in parsed.moves)
    assert len(parsed.moves) <= of.max_moves
    if parsed.verdict is Verdict.OK:
        assert parsed.moves and parsed.problem is None
    else:
        assert parsed.problem
    if parsed.verdict in (Verdict.UNPARSABLE, Verdict.TRUNCATED):
        assert not parsed.moves


@settings(max_examples=200, deadline=None)
@given(
    words=st.lists(
        st.sampled_from(
            ["left", "right", "drop", "i", "would", "the", "piece", "go", "to", "then", "wall", "is", "it"]
        ),
        max_size=20,
    )
)
def test_moves_are_never_guessed_from_prose(words: list[str], plain: Card) -> None:
    sentence = "I think the piece should go " + " ".join(words) + "."
    assert parse_answer(sentence, plain).moves == ()


@pytest.mark.parametrize("name", ["tetris", "mario"])
def test_every_example_of_a_real_card_is_read_as_it_stands(name: str) -> None:
    of = card(name)
    for answer in of.answers:
        parsed = parse_answer(answer, of)
        assert (parsed.verdict, [str(move) for move in parsed.moves]) == (Verdict.OK, json.loads(answer)["moves"])


@pytest.mark.parametrize("name", ["tetris", "mario"])
def test_every_synonym_of_a_real_card_means_its_control(name: str) -> None:
    of = card(name)
    for control in of.controls:
        for word in (control.name, *control.synonyms):
            for written in (word, word.upper(), word.replace("_", " "), word.replace("_", "-")):
                parsed = parse_answer(json.dumps({"moves": [written]}), of)
                assert [move.name for move in parsed.moves] == [control.name], written


def test_a_move_impossible_now_is_illegal(plain: Card) -> None:
    parsed = parse_answer('{"moves": ["left", "hard_drop"]}', plain, legal_moves=("left", "right"))
    assert (parsed.moves, parsed.verdict) == ((Move("left"),), Verdict.ILLEGAL)
    assert parsed.problem and "'hard_drop'" in parsed.problem and "left, right" in parsed.problem


def test_a_missing_duration_is_illegal_where_the_card_has_no_default(held: Card) -> None:
    from dataclasses import replace

    parsed = parse_answer('{"moves": ["right"]}', replace(held, default_hold=None))
    assert parsed.verdict is Verdict.ILLEGAL
    assert parsed.problem and "duration" in parsed.problem


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("<think>x</think>", "After the thinking"),
        ('{"moves": []}', "at least one"),
        ('{"moves": ["left", "ri', "not finished"),
        ("I go left", "No moves were found"),
        ("<think>so", "thinking"),
        ('{"moves": ["jump"]}', "'jump' is not a move"),
        ('{"moves": ["left", "left:9"]}', "no duration"),
        ("move: left x11", "at most 10"),
    ],
)
def test_the_problem_is_named(text: str, says: str, plain: Card) -> None:
    problem = parse_answer(text, plain).problem
    assert problem is not None
    assert says in problem


def test_thought_and_answer_are_parted() -> None:
    assert split_thought("<think>a</think>b") == ("a", "b", False)
    assert split_thought("a</think>b") == ("a", "b", False)
    assert split_thought("b<think>a") == ("a", "b", True)
    assert split_thought("<think>a</think>b<think>c</think>d") == ("abc", "d", False)
    assert split_thought("b") == (None, "b", False)


HOSTILE = [
    *("[", "{", '{"a":', "[{", '["', '"', "\\", "`", "```\n", "move:", "move: [", "move: left ", "left ", "left,"),
    *(
        "<think>",
        "</think>",
        " ",
        "\n",
        "1",
        "1. ",
        "- ",
        "move: right+",
        "right+",
        "<answer>",
        "\\boxed{",
        "*",
        "moves=",
    ),
    *('{"moves": ["left"]}', '["left"],', '{"moves": ["left", ', '"moves": [ ', "->", "rotate "),
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_ten_hostile_megabytes_are_survived(unit: str, plain: Card) -> None:
    parsed = parse_answer(unit * (10_000_000 // len(unit)), plain)
    assert all(plain.problem(move) is None for move in parsed.moves)
    assert len(parsed.answer) <= 1_000_000


def test_deep_nesting_is_survived(plain: Card) -> None:
    assert parse_answer('{"moves":' * 20_000 + "1" + "}" * 20_000, plain).moves == ()
    assert parse_answer('{"moves":' + "[" * 30_000 + "]" * 30_000 + "}", plain).moves == ()
    assert parse_answer('{"moves": ["left", ' + "9" * 60_000 + "]}", plain).verdict is not Verdict.OK
