"""Addresses of pages: parts of a URL and names of files alike."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmgame_leaderboards.web import addresses
from lmgame_leaderboards.web.ledger import JOINT

from .builders import HOSTILE


@given(st.one_of(st.text(max_size=200), st.sampled_from([HOSTILE, "..", ".", "/", "", "a/../b", "%2e%2e"])))
def test_any_label_makes_a_plain_name(label: str):
    found = addresses.slug(label)
    assert re.fullmatch(r"[a-z0-9.-]*", found) and len(found) < 210 and "/" not in found
    assert not found.startswith(".") or label == "", "neither hidden nor a step up"
    assert addresses.slug(label) == found


def test_labels_of_games_are_told_apart():
    labels = ["tetris/standard", "tetris/standard (max_decisions 5)", "tetris/standard (max_decisions 50)"]
    labels += ["tetris/lmgame-bench-2025", "Tetris/standard", "tetris standard", "x" * 100, "x" * 101]
    found = addresses.by_slug(labels)
    assert len(found) == len(labels) and sorted(found.values()) == sorted(labels)
    assert addresses.slug("tetris/standard") == "tetris-standard"


def test_both_clocks_have_pages_of_their_own():
    assert addresses.board("paused", JOINT) == "index.html"
    assert addresses.board("realtime", JOINT) == "boards/realtime.html"
    for made in (
        lambda clock: addresses.board(clock, "tetris/standard"),
        lambda clock: addresses.model(clock, "ab:text"),
        lambda clock: addresses.versus(clock, "ab", "cd"),
    ):
        assert made("realtime") == made("paused").replace("/", "/realtime-")


@pytest.mark.parametrize("page", [1, 2, 30])
def test_pages_of_lists(page: int):
    assert (addresses.runs(page) == "runs.html") == (page == 1)
    assert addresses.folder("run-1", page).startswith("runs/run-1/index")
    assert len({addresses.folder("run-1", other) for other in (1, 2, 30)}) == 3


def test_a_race_names_both_sides():
    address = addresses.race(("one-1", "a"), ("two-2", "b c"))
    name, _, sides = address.partition("#")
    assert name == "match.html"
    assert [unquote(side).split("/") for side in sides.split("+")] == [["one-1", "a"], ["two-2", "b c"]]
