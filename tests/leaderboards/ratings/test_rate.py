"""Ratings, intervals and rank ranges as a whole."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmgame_common import UsageError
from lmgame_leaderboards.ratings import DRAW, LOSS, WIN, Match, Matches, NotConnectedError, bradley_terry, rate
from lmgame_leaderboards.ratings.bradley_terry import ELO, Cells, fit, prior_sd
from lmgame_leaderboards.ratings.rate import ROUND_STEPS, ROUND_TOLERANCE


def shared(first: str, second: str, results: list[float], game: str = "g", start: int = 0) -> list[Match]:
    """One match a result, of `first`; two after each other are a pair with swapped seats."""
    found = []
    for number, result in enumerate(results):
        unit = (start + number // 2, first, second)
        if number % 2:
            found.append(Match(game, second, first, 1 - result, unit, True))
        else:
            found.append(Match(game, first, second, result, unit, True))
    return found


MIXED = (
    shared("a", "b", [WIN, WIN, WIN, LOSS, WIN, DRAW] * 4)
    + shared("b", "c", [WIN, LOSS, DRAW, DRAW, WIN, LOSS] * 4)
    + shared("c", "random", [WIN, WIN, WIN, WIN, WIN, LOSS] * 4)
    + shared("a", "random", [WIN, WIN, WIN, WIN, WIN, DRAW] * 4)
)


def test_better_players_stand_higher_and_counts_are_those_of_the_matches() -> None:
    ratings = rate(Matches.of(MIXED), rounds=200)
    assert ratings.players[0] == "a"
    assert ratings.players[-1] == "random"
    by_name = {row.player: row for row in ratings.rows}
    assert by_name["random"].value == 0
    assert by_name["random"].interval == (0, 0)
    assert ratings.anchor == "random"
    a = by_name["a"]
    assert (a.wins, a.draws, a.losses, a.n) == (16 + 20, 4 + 4, 4, 48)
    assert a.rank == (1, 1)
    assert by_name["b"].rank is not None
    assert by_name["b"].rank[1] >= 3 >= by_name["c"].rank[0] if by_name["c"].rank else False


def test_matrix_is_the_share_of_points() -> None:
    ratings = rate(Matches.of(MIXED), rounds=20)
    at = {name: number for number, name in enumerate(ratings.players)}
    assert ratings.matrix[at["a"], at["b"]] == pytest.approx((16 + 4 / 2) / 24)
    assert ratings.matrix[at["b"], at["a"]] == pytest.approx(1 - (16 + 4 / 2) / 24)
    assert ratings.met[at["a"], at["b"]] == ratings.met[at["b"], at["a"]] == 24
    assert np.isnan(ratings.matrix[at["b"], at["random"]])
    assert ratings.met[at["b"], at["random"]] == 0
    assert np.isnan(np.diag(ratings.matrix)).all()


def test_without_the_anchor_the_mean_is_nought() -> None:
    ratings = rate(Matches.of(MIXED), anchor="nobody", rounds=200)
    assert ratings.anchor is None
    assert sum(row.value for row in ratings.rows) == pytest.approx(0)
    for row in ratings.rows:
        low, high = row.interval
        assert low is not None
        assert high is not None
        assert low < row.value < high


def test_contrast_turns_its_sign_with_its_players_and_does_not_depend_on_the_anchor() -> None:
    ratings, free = (rate(Matches.of(MIXED), anchor=anchor, rounds=200) for anchor in ("random", None))
    value, (low, high) = ratings.contrast("a", "c")
    back, (back_low, back_high) = ratings.contrast("c", "a")
    assert low is not None
    assert high is not None
    assert (back, back_low, back_high) == pytest.approx((-value, -high, -low))
    assert free.contrast("a", "c")[0] == pytest.approx(value)
    assert free.contrast("a", "c")[1] == pytest.approx((low, high))
    with pytest.raises(ValueError, match="nobody"):
        ratings.contrast("a", "nobody")


def test_a_contrast_with_the_anchor_is_the_rating() -> None:
    ratings = rate(Matches.of(MIXED), rounds=100)
    for row in ratings.rows[:-1]:
        value, interval = ratings.contrast(row.player, "random")
        assert value == pytest.approx(row.value)
        assert interval == pytest.approx(row.interval)


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_play_does_not_matter(random) -> None:
    moved = MIXED.copy()
    random.shuffle(moved)
    one, other = rate(Matches.of(MIXED), rounds=30), rate(Matches.of(moved), rounds=30)
    assert one.rows == other.rows
    assert one.seat == other.seat
    assert one.draw == other.draw


def test_names_do_not_matter() -> None:
    names = {"a": "z", "b": "m", "c": "A", "random": "random"}
    renamed = [Match(m.game, names[m.first], names[m.second], m.result, ("other", m.unit), m.seated) for m in MIXED]
    one, other = rate(Matches.of(MIXED), rounds=1000), rate(Matches.of(renamed), rounds=1000)
    assert [names[row.player] for row in one.rows] == [row.player for row in other.rows]
    assert [row.value for row in one.rows] == pytest.approx([row.value for row in other.rows])
    # Rounds draw other units then: equal but for the Monte Carlo error of a standard deviation, 2.2 % at 1,000 rounds.
    assert other.standard_errors == pytest.approx(one.standard_errors, rel=0.12)


def test_more_pairs_make_narrower_intervals() -> None:
    def errors(times: int) -> np.ndarray:
        more = [Match(m.game, m.first, m.second, m.result, (t, m.unit), m.seated) for t in range(times) for m in MIXED]
        return rate(Matches.of(more), rounds=200).standard_errors[np.triu_indices(4, 1)]

    assert errors(4) == pytest.approx(errors(1) / 2, rel=0.25)


def test_matches_of_one_unit_count_as_one() -> None:
    """Twenty copies of each result tell no more than one, if all copies are one unit; they drown the prior, though."""
    copies = [Match(m.game, m.first, m.second, m.result, m.unit, m.seated) for m in MIXED for _ in range(20)]
    alone = [Match(m.game, m.first, m.second, m.result, (m.unit, t), m.seated) for m in MIXED for t in range(20)]
    upper = np.triu_indices(4, 1)
    once, copied, separate = (
        rate(Matches.of(matches), rounds=200).standard_errors[upper] for matches in (MIXED, copies, alone)
    )
    assert (copied > 0.9 * once).all()
    assert (separate < once / 2).all()


def test_a_total_winner_has_no_upper_limit_and_a_total_loser_no_lower_one() -> None:
    matches = (
        shared("best", "b", [WIN] * 12)
        + shared("best", "c", [WIN] * 12)
        + shared("b", "c", [WIN, LOSS, WIN, WIN] * 3)
        + shared("b", "worst", [WIN] * 12)
        + shared("c", "worst", [WIN] * 12)
    )
    ratings = rate(Matches.of(matches), rounds=200)
    assert ratings.players[0] == "best"
    assert ratings.players[-1] == "worst"
    by_name = {row.player: row for row in ratings.rows}
    low, high = by_name["best"].interval
    assert high is None
    assert low is not None
    assert low < by_name["best"].value
    low, high = by_name["worst"].interval
    assert low is None
    assert high is not None
    assert None not in by_name["b"].interval
    assert ratings.contrast("worst", "best")[1][0] is None
    assert ratings.contrast("best", "worst")[1][1] is None
    assert by_name["best"].rank == (1, 1)
    assert by_name["worst"].rank == (4, 4)
    assert "best" in ratings.warnings[0]
    assert not rate(Matches.of(MIXED), rounds=5).warnings


def test_a_single_win_settles_nothing() -> None:
    ratings = rate(Matches.of([Match("g", "a", "b", WIN, 0, False)]), rounds=200)
    assert [row.rank for row in ratings.rows] == [(1, 2), (1, 2)]
    low, high = ratings.contrast("a", "b")[1]
    assert low is not None
    assert low < 0
    assert high is None


@pytest.mark.parametrize(("wins", "told"), [(5, False), (6, True), (20, True)])
def test_wins_alone_tell_players_apart_where_the_sign_test_does(wins: int, told: bool) -> None:
    matches = [Match("g", "a", "b", WIN, number, False) for number in range(wins)]
    ranks = [row.rank for row in rate(Matches.of(matches), rounds=200).rows]
    assert ranks == ([(1, 1), (2, 2)] if told else [(1, 2), (1, 2)])


def test_two_who_win_from_all_others_and_draw_with_each_other_share_their_ranks() -> None:
    matches = shared("a", "b", [DRAW] * 20)
    for strong, weak in itertools.product("ab", "cd"):
        matches += shared(strong, weak, [WIN] * 20)
    matches += shared("c", "d", [WIN, LOSS] * 10)
    ranks = {row.player: row.rank for row in rate(Matches.of(matches), rounds=200).rows}
    assert ranks == {"a": (1, 2), "b": (1, 2), "c": (3, 4), "d": (3, 4)}


def test_references_are_rated_and_not_ranked() -> None:
    ratings = rate(Matches.of(MIXED), rounds=200, unranked=frozenset({"a"}))
    ranks = {row.player: row.rank for row in ratings.rows}
    assert ranks["a"] is None
    assert ratings.players[0] == "a"
    assert {rank[0] for name, rank in ranks.items() if name in "bc" and rank} == {1}
    assert ranks["random"] == (3, 3)


def test_seat_and_draws_are_told_by_game() -> None:
    rng = np.random.default_rng(5)
    matches = []
    for number in range(400):
        first, second = ("a", "b") if number % 2 else ("b", "a")
        up = np.exp(0.35)
        share = np.array([up, 0.5, 1 / up])
        result = rng.choice([WIN, DRAW, LOSS], p=share / share.sum())
        matches.append(Match("shared", first, second, result, number // 2, True))
        matches.append(Match("raced", "a", "b", rng.choice([WIN, LOSS]), number, False))
    ratings = rate(Matches.of(matches), rounds=200)
    assert set(ratings.seat) == {"shared"}
    assert set(ratings.draw) == {"shared"}
    seat = ratings.seat["shared"]
    assert seat.interval[0] < 0.7 * 400 / np.log(10) < seat.interval[1]
    assert seat.interval[0] > 0
    draw = ratings.draw["shared"]
    # The share seen, 400 matches wide: among equals ν / (2 + ν), here 20 %.
    assert draw.interval[0] < draw.value < draw.interval[1]
    assert draw.value == pytest.approx(20, abs=4 * (0.2 * 0.8 / 400) ** 0.5 * 100)
    assert draw.interval[1] - draw.interval[0] == pytest.approx(2 * 1.96 * (0.2 * 0.8 / 400) ** 0.5 * 100, rel=0.25)


def test_players_that_never_met_are_refused_with_what_is_missing() -> None:
    matches = MIXED + shared("x", "y", [WIN, LOSS])
    with pytest.raises(NotConnectedError, match=r"a against x|c against x|a against y") as refused:
        rate(Matches.of([*matches], players=["alone"]))
    assert isinstance(refused.value, UsageError)
    assert len(refused.value.missing) == 2
    joined = matches + [m for pair in refused.value.missing for m in shared(*pair, [WIN, LOSS])]
    assert len(rate(Matches.of(joined, players=["alone"]), rounds=5).rows) == 7


def test_no_matches_and_no_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="no matches"):
        rate(Matches.of([]))
    with pytest.raises(ValueError, match="rounds"):
        rate(Matches.of(MIXED), rounds=1)


def raced(game: str, seeds: int, rng: np.random.Generator) -> list[Match]:
    """All against all on each seed, by whole scores that are often equal."""
    found = []
    for seed in range(seeds):
        scores = dict(zip("abcd", rng.integers(0, 4, 4) + np.arange(4) / 2, strict=True))
        for one, other in itertools.combinations("abcd", 2):
            lead = scores[one] - scores[other]
            found.append(Match(game, one, other, WIN if lead > 0 else LOSS if lead < 0 else DRAW, seed, False))
    return found


RNG = np.random.default_rng(11)
RACED = raced("tetris", 15, RNG)
SEVERAL = RACED + raced("mario", 40, RNG) + [m for m in MIXED if "random" not in (m.first, m.second)]


def plain_refits(matches: Matches, rounds: int) -> np.ndarray:
    """Refits of a bootstrap that looks at every single match in every round."""
    rng = np.random.default_rng(0)
    cells = Cells.of(matches)
    keys = list(zip(cells.game, cells.first, cells.second, cells.seated, strict=True))
    rows = list(zip(matches.game, matches.first, matches.second, matches.seated, strict=True))
    played = np.bincount(matches.game)
    # Inversely proportional to the game's number of matches, and in sum Kish's effective number of matches.
    weights = len(played) / (1 / played).sum() / played

    def counts(times: np.ndarray) -> np.ndarray:
        found = np.zeros((3, len(keys)))
        for row, result, unit in zip(rows, matches.result, matches.unit, strict=True):
            found[[WIN, DRAW, LOSS].index(result), keys.index(row)] += weights[row[0]] * times[unit]
        return found

    units = [np.unique(matches.unit[matches.game == game]) for game in range(len(played))]
    best = fit(cells, counts(np.ones(matches.unit.max() + 1))).parameters
    sd = prior_sd(len(matches.players), len(played))
    refits = []
    for _ in range(rounds):
        times = np.zeros(matches.unit.max() + 1)
        for own in units:
            np.add.at(times, own[rng.integers(0, len(own), len(own))], 1)
        settings = {"start": best, "steps": ROUND_STEPS, "tolerance": ROUND_TOLERANCE}
        refits.append(fit(cells, counts(times), prior_mean=rng.normal(0.0, sd), **settings).parameters)
    return np.array(refits)


@pytest.mark.parametrize("matches", [MIXED, RACED, SEVERAL], ids=["seated", "raced", "several"])
@pytest.mark.parametrize("setting", [None, "EXACT", "DENSE"])
def test_rounds_are_those_of_a_bootstrap_over_single_matches(
    matches: list[Match], setting: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if setting:  # However the counts are kept: all as float64, all sparse.
        monkeypatch.setattr(bradley_terry, setting, 0)
    arrays = Matches.of(matches)
    ratings, refits = rate(arrays, rounds=40), plain_refits(arrays, 40)
    assert not ratings.open_above.any()
    order = [arrays.players.index(name) for name in ratings.players]
    strengths = refits[:, order]
    errors = ELO * (strengths[:, :, None] - strengths[:, None, :]).std(axis=0, ddof=1)
    assert ratings.standard_errors == pytest.approx(errors, rel=1e-9, abs=1e-9)
    for number, game in enumerate(arrays.games):
        if game in ratings.seat:
            low, high = ratings.seat[game].interval
            spread = ELO * refits[:, len(order) + number].std(ddof=1)
            assert high - low == pytest.approx(2 * 1.959963984540054 * spread, rel=1e-9)
