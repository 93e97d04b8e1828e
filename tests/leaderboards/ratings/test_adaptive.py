"""The next pairs are played where they tell most."""

import itertools
from collections import Counter

import numpy as np
import pytest

from lmgame_leaderboards.ratings import DRAW, LOSS, WIN, Match, Matches, next_pairs, rate

NOTHING = Matches.of([])


def race(first: str, second: str, wins: int, losses: int, game: str = "g") -> list[Match]:
    results = [WIN] * wins + [LOSS] * losses
    return [Match(game, first, second, result, (first, second, i), False) for i, result in enumerate(results)]


def everybody(names: str, games: str = "g") -> list[tuple[str, str, str]]:
    return [(game, a, b) for game in games for a, b in itertools.combinations(names, 2)]


def test_nothing_played_yet_connects_everybody_first_and_then_spreads_evenly() -> None:
    chosen = next_pairs(NOTHING, everybody("abcdef"), 60)
    group = {name: {name} for name in "abcdef"}
    for _, one, other in chosen[:5]:
        joined = group[one] | group[other]
        for name in joined:
            group[name] = joined
    assert len(group["a"]) == 6
    counts = Counter(chosen)
    assert set(counts) == set(everybody("abcdef"))
    assert max(counts.values()) - min(counts.values()) <= 2


def test_groups_that_never_met_are_connected_first() -> None:
    matches = Matches.of(race("a", "b", 3, 3) + race("c", "d", 3, 3))
    (_, one, other), *_ = next_pairs(matches, everybody("abcd"), 1)
    assert {one in "ab", other in "ab"} == {True, False}
    # Also where the groups' own orders are far less certain than who is ahead of whom across them.
    newcomer = Matches.of(race("a", "b", 1, 1) + race("c", "d", 30, 0))
    _, one, other = next_pairs(newcomer, everybody("abcd"), 1)[0]
    assert {one in "ab", other in "ab"} == {True, False}


def test_a_newcomer_plays() -> None:
    matches = Matches.of(race("a", "b", 15, 10) + race("b", "c", 15, 10) + race("a", "c", 20, 5))
    assert all(
        "new" in pair for pair in next_pairs(matches, [*everybody("abc"), ("g", "a", "new"), ("g", "b", "new")], 4)
    )


def test_close_players_are_asked_before_distant_ones() -> None:
    matches = Matches.of(
        race("a", "b", 10, 10) + race("a", "c", 19, 1) + race("a", "d", 19, 1) + race("c", "d", 10, 10)
        + race("b", "c", 19, 1) + race("b", "d", 19, 1)
    )  # fmt: skip
    assert {frozenset(pair[1:]) for pair in next_pairs(matches, everybody("abcd"), 10)} == {
        frozenset("ab"),
        frozenset("cd"),
    }


def test_the_game_that_was_played_least_comes_first_among_equals() -> None:
    matches = Matches.of(race("a", "b", 4, 4, "g") + race("a", "b", 1, 1, "h"))
    assert next_pairs(matches, [("g", "a", "b"), ("h", "a", "b")], 3) == [("h", "a", "b")] * 3


def test_what_was_chosen_does_not_depend_on_the_order_of_play() -> None:
    matches = race("a", "b", 3, 2) + race("b", "c", 2, 2) + race("c", "d", 1, 3)
    one, other = (next_pairs(Matches.of(order), everybody("abcd"), 12) for order in (matches, matches[::-1]))
    assert one == other


@pytest.mark.parametrize(("candidates", "count"), [([], 3), (everybody("ab"), 0)])
def test_nothing_to_choose(candidates: list[tuple[str, str, str]], count: int) -> None:
    assert next_pairs(NOTHING, candidates, count) == []


def test_fewer_pairs_than_in_a_round_robin_tell_the_order_as_well() -> None:
    """Three levels of two players each who are close to each other: how well these are told apart, over 8 arenas."""
    truth = dict(zip("abcdef", (3.2, 2.8, 0.2, -0.2, -2.8, -3.2), strict=True))

    def play(rng: np.random.Generator, pair: tuple[str, str, str], number: int) -> Match:
        game, one, other = pair
        up = np.exp((truth[one] - truth[other]) / 2)
        share = np.array([up, 0.2, 1 / up])
        return Match(game, one, other, rng.choice([WIN, DRAW, LOSS], p=share / share.sum()), number, False)

    def close_errors(matches: list[Match]) -> float:
        ratings = rate(Matches.of(matches), anchor=None, rounds=60)
        at = {name: number for number, name in enumerate(ratings.players)}
        return float(np.mean([ratings.standard_errors[at[a], at[b]] ** 2 for a, b in ("ab", "cd", "ef")]) ** 0.5)

    pairs = everybody("abcdef")
    adaptive, robin = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        robin.append(close_errors([play(rng, pair, n) for n, pair in enumerate(pairs * 10)]))
        matches: list[Match] = []
        while len(matches) < 75:
            new = next_pairs(Matches.of(matches), pairs, 15)
            matches += [play(rng, pair, len(matches) + n) for n, pair in enumerate(new)]
        adaptive.append(close_errors(matches))
    # Half of the 150 pairs, and the players that are close to each other are told apart no worse.
    assert np.mean(adaptive) <= np.mean(robin)
