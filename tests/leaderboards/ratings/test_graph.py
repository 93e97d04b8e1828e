"""Chains of points taken, against a search written down again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmgame_leaderboards.ratings import DRAW, LOSS, WIN, Match, Matches, NotConnectedError
from lmgame_leaderboards.ratings.graph import ahead, check_connected

NAMES = "abcdef"
MATCH = st.tuples(st.permutations(NAMES), st.sampled_from([WIN, DRAW, LOSS]))


@settings(max_examples=60, deadline=None)
@given(st.lists(MATCH, min_size=1, max_size=12))
def test_ahead_is_what_a_search_finds(drawn: list[tuple[list[str], float]]) -> None:
    matches = [Match("g", order[0], order[1], result, number, False) for number, (order, result) in enumerate(drawn)]
    took: dict[str, set[str]] = {name: set() for name in NAMES}
    for match in matches:
        if match.result != LOSS:
            took[match.first].add(match.second)
        if match.result != WIN:
            took[match.second].add(match.first)
    found = ahead(Matches.of(matches, NAMES))
    for start in NAMES:
        seen, to_do = {start}, [start]
        while to_do:
            new = took[to_do.pop()] - seen
            seen |= new
            to_do += new
        assert {NAMES[p] for p in np.flatnonzero(found[NAMES.index(start)])} == seen


@settings(max_examples=60, deadline=None)
@given(st.lists(MATCH, max_size=8))
def test_one_pair_a_gap_connects_everybody(drawn: list[tuple[list[str], float]]) -> None:
    matches = [Match("g", order[0], order[1], result, number, False) for number, (order, result) in enumerate(drawn)]
    group = {name: {name} for name in NAMES}
    for match in matches:
        if group[match.first] is not group[match.second]:
            group[match.first] |= group[match.second]
            for name in group[match.second]:
                group[name] = group[match.first]
    gaps = len({id(members) for members in group.values()}) - 1
    if not gaps:
        check_connected(Matches.of(matches, NAMES))
        return
    with pytest.raises(NotConnectedError) as refused:
        check_connected(Matches.of(matches, NAMES))
    assert len(refused.value.missing) == gaps
    check_connected(
        Matches.of([*matches, *(Match("g", *pair, WIN, pair, False) for pair in refused.value.missing)], NAMES)
    )
