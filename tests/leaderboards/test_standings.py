"""Standings from played games: who has met whom, in which conditions, and what is said of it."""

import json
from typing import Any

import pytest

from lmgame_common import UnknownNameError, UsageError
from lmgame_leaderboards import BaselineRecord, PlayedGame, PlayedSeat, PlayerRecord
from lmgame_leaderboards.published import PublishedScore
from lmgame_leaderboards.ratings import ErrorRates
from lmgame_leaderboards.results import LatencySummary, UsageTotals
from lmgame_leaderboards.standings import (
    Table,
    compare,
    entrant_called,
    field_of,
    flat_rows,
    markdown,
    matches_of,
    standings_by_game,
    standings_of,
)


def seat(model: str, score: float, **more: Any) -> PlayedSeat:
    fields = {
        name: more.pop(name) for name in ("prompt_hash", "observation", "verdicts", "usage", "latency") if name in more
    }
    return PlayedSeat(player=PlayerRecord(model=model, **more), score=score, decisions=10, **fields)


def played(seed: int, *seats: PlayedSeat, game: str = "tetris", finished: float = 1.0, **more: Any) -> PlayedGame:
    return PlayedGame(
        **{"preset": "standard", "version": 1, "max_decisions": 100, **more},
        game=game,
        seed=seed,
        seats=seats,
        outcome="over",
        finished=finished,
        run="run",
        episode=f"{game}-{seed}",
    )


def race(scores: dict[str, list[float]], **more: Any) -> list[PlayedGame]:
    """Each model alone on seeds 0, 1, …"""
    return [played(seed, seat(m, s), **more) for m, own in scores.items() for seed, s in enumerate(own)]


def test_raced_matches_are_all_pairs_on_a_seed():
    games = race({"a": [3, 1, 5], "b": [2, 1], "c": [9]})
    matches = matches_of(games)
    field = field_of(games)
    names = [field.entrants[player].name for player in matches.players]
    found = {
        (names[one], names[other], result, int(unit))
        for one, other, result, unit in zip(matches.first, matches.second, matches.result, matches.unit, strict=True)
    }
    by_pair = {frozenset((one, other)): [] for one, other, *_ in found}
    for one, other, result, unit in found:
        winner = one if result == 1 else other if result == 0 else None
        by_pair[frozenset((one, other))].append((winner, unit))
    assert sorted(by_pair[frozenset("ab")], key=str) == [("a", 0), (None, 1)]
    assert by_pair[frozenset("ac")] == [("c", 0)] and by_pair[frozenset("bc")] == [("c", 0)]
    assert not matches.seated.any(), "nobody sits first in a race"


def test_shared_matches_keep_their_seats_and_are_drawn_pair_by_pair():
    games = [
        played(0, seat("a", 1), seat("b", 0), game="connect4"),
        played(0, seat("b", 0.5), seat("a", 0.5), game="connect4"),
        played(1, seat("a", 1), seat("b", 0), game="connect4"),
        played(0, seat("a", 1), seat("c", 0), game="connect4"),
    ]
    matches = matches_of(games)
    assert matches.seated.all() and len(matches.game) == 4
    assert len(set(matches.unit.tolist())) == 3


def test_conditions_stand_apart_and_say_in_what():
    games = [
        *race({"a": [1], "b": [2]}),
        *race({"a": [1], "b": [2]}, max_decisions=50),
        *race({"a": [3]}, game="mario"),
    ]
    field = field_of(games)
    assert field.conditions == (
        "mario/standard",
        "tetris/standard (max_decisions 100)",
        "tetris/standard (max_decisions 50)",
    )
    assert set(standings_by_game(games, rounds=50)) == set(field.conditions)
    with pytest.raises(UsageError, match="never ranked together"):
        standings_of([*games, *race({"a": [1]}, clock="realtime")])


def test_only_the_latest_prompt_of_a_player_counts():
    games = [
        played(0, seat("a", 1, prompt_hash="old"), finished=1),
        played(1, seat("a", 5, prompt_hash="new"), finished=2),
        played(0, seat("b", 3)),
        played(1, seat("b", 3)),
    ]
    found = standings_of(games, rounds=50)
    (score,) = next(row for row in found.rows if row.name == "a").games
    assert (score.n, score.mean) == (1, 5)
    assert any("1 game is left out" in warning for warning in found.warnings)


def test_players_called_the_same_are_told_apart():
    games = [
        *[played(seed, seat("m", 1.0, sampling={"temperature": 0.0}, prompt_hash="p")) for seed in range(2)],
        *[played(seed, seat("m", 2.0, sampling={"temperature": 1.0}, prompt_hash="p")) for seed in range(2)],
        *[
            played(0, seat("plain", 1.0, prompt_hash="p", history=h, harness=own))
            for h, own in ((0, []), (4, ["memory"]))
        ],
        *[played(0, seat("asked", 1.0, prompt_hash="p", sampling=own)) for own in ({}, {"max_tokens": 9})],
        *[played(seed, seat("see", 1.0, observation=kind)) for seed in range(2) for kind in ("text", "image")],
        played(0, seat("http://127.0.0.1:1/v1#x", 1.0)),
        played(0, seat("http://127.0.0.1:2/v1#x", 1.0)),
    ]
    names = {row.name for row in standings_of(games, rounds=50).rows}
    assert {"m (T=0.0)", "m (T=1.0)", "see (text)", "see (image)"} <= names
    assert "x (http://127.0.0.1:1/v1#x)" in names
    assert {"plain (bare, history=0)", "plain (memory, history=4)"} <= names
    assert {"asked (tokens=default)", "asked (tokens=9)"} <= names
    field = field_of(games)
    assert entrant_called(field, "m (T=1.0)").player.sampling == {"temperature": 1.0}
    with pytest.raises(UsageError, match=r"may mean any of 'm \(T=0.0\)'"):
        entrant_called(field, "m")
    with pytest.raises(UnknownNameError, match="Did you mean 'see"):
        entrant_called(field, "sea (text)")
    assert entrant_called(field, "http://127.0.0.1:2/v1#x").player.model.endswith("2/v1#x")


def test_a_row_has_all_that_is_told_of_a_player():
    usage = UsageTotals(prompt_tokens=100, completion_tokens=20, cost_usd=0.5)
    own = [
        played(s, seat("llm", 10 + s, verdicts={"ok": 7, "illegal": 2, "timeout": 1}, usage=usage,
                       latency=LatencySummary(median=0.5 + s), harness=["memory"]))
        for s in range(30)
    ]  # fmt: skip
    found = standings_of([*own, *race({"random": [1.0] * 30})], rounds=200)
    row = found.rows[0]
    assert (row.name, row.harness, row.rank, row.wins, row.draws, row.losses) == ("llm", ("memory",), (1, 1), 30, 0, 0)
    assert row.ci95[1] is None and row.ci95[0] is not None, "nobody took a point off it: no upper limit"
    assert row.shares["illegal"] == pytest.approx(0.2) and row.shares["timeout"] == pytest.approx(0.1)
    assert (row.tokens_per_game, row.cost_per_game, row.latency_median) == (120, 0.5, 15.0)
    document = json.loads(json.dumps(found.document()))
    first = document["rows"][0]
    assert {"model", "rank", "rating", "ci95", "wins", "n", "games", "illegal", "tokens_per_game"} <= set(first)
    assert first["rank"] == [1, 1] and first["ci95"][1] is None
    assert document["anchor"] == "random" and document["rows"][1]["rating"] == 0
    assert document["matrix"]["llm"]["random"] == {"share": 1.0, "n": 30}
    assert "| llm" in markdown(found) and "≥" in markdown(found)


def test_references_are_rated_and_not_ranked():
    games = race({"a": [5.0] * 8, "random": [1.0] * 8})
    games += [played(s, seat("pico", 9.0, reference=True)) for s in range(8)]
    found = standings_of(games, rounds=100)
    ranks = {row.name: row.rank for row in found.rows}
    assert ranks == {"pico": None, "a": (1, 1), "random": (2, 2)}
    assert "pico is a reference" in markdown(found)


def test_what_matches_do_not_connect_has_scores_and_no_ratings():
    games = [*race({"a": [1, 2], "b": [2, 3]}), *race({"c": [1], "d": [2]}, game="mario")]
    found = standings_of(games, rounds=50)
    assert found.ratings is None and [row.rating for row in found.rows] == [None] * 4
    assert any("Missing, for example: " in warning for warning in found.warnings)
    wins = {row.name: (row.wins, row.losses, row.n) for row in found.rows}
    assert wins == {"a": (0, 2, 2), "b": (2, 0, 2), "c": (0, 1, 1), "d": (1, 0, 1)}
    assert found.matrix["b"] == {"a": (1.0, 2)} and "100 % of 2" in markdown(found)
    assert "tetris/standard" in markdown(found) and json.dumps(found.document())
    # Somebody who has met nobody doesn't keep the others from being rated.
    alone = standings_of([*race({"a": [1, 2], "b": [2, 3]}), *race({"c": [1]}, game="mario")], rounds=50)
    assert {row.name for row in alone.rows if row.rating is not None} == {"a", "b"}


def test_baselines_and_published_scores_stand_beside():
    baseline = BaselineRecord(n=9, mean=4.0, sd=1.0, ci95=(3.0, 5.0))
    published = [
        PublishedScore(source="elsewhere", model="o3", game="tetris", preset="standard", harness=True, scores=(7.0,)),
        PublishedScore(source="elsewhere", model="o3", game="sokoban", harness=True, scores=(1.0, 2.0)),
    ]
    games = race({"a": [1, 2], "random": [2, 3]})
    baselines = {"tetris/standard": {"random": baseline, "scripted": baseline}}
    found = standings_of(games, baselines=baselines, published=published, rounds=50)
    assert [(row.name, row.rank) for row in found.rows if row.baseline] == [("scripted", None)]
    text = markdown(found)
    assert "scripted (card)" in text and "single run" in text and "elsewhere" in text and "sokoban" not in text
    assert all(row.name != "o3" for row in found.rows)
    assert len(flat_rows(found)) == 3


def test_names_of_models_can_not_break_a_table():
    found = standings_of(race({"a | b\n# c": [1, 2], "random": [0, 1]}), rounds=50)
    lines = markdown(found).splitlines()
    assert any("a \\| b # c" in line for line in lines)
    assert len({line.replace("\\|", "").count("|") for line in lines[:4]}) == 1


def test_names_of_models_are_shown_letter_by_letter():
    name = r"![x](http:/e) <b>&amp; *y* `z` _u_ snake_case \| ~~v~~"
    row = markdown(standings_of(race({name: [1]}))).splitlines()[2]
    assert row.startswith(r"| !\[x\](http:/e) \<b\>\&amp; \*y\* \`z\` \_u\_ snake_case \\\| \~\~v\~\~ |")


def test_names_that_look_like_another_ones_suffix_are_told_apart():
    games = [
        played(0, seat("m", 1.0, prompt_hash="p", sampling={"temperature": 0.5})),
        played(0, seat("m", 1.0, prompt_hash="p", sampling={"temperature": 0.6})),
        played(0, seat("m (T=0.5)", 1.0, prompt_hash="p")),
    ]
    assert len({entrant.name for entrant in field_of(games).entrants.values()}) == 3


def test_settings_mean_nothing_to_players_of_this_machine():
    games = [
        played(0, seat("random", 1.0), finished=1.0),
        played(0, seat("random", 2.0, sampling={"temperature": 0.5}, history=3), finished=2.0),
        played(1, seat("random", 4.0, sampling={"temperature": 0.5}, history=3)),
        *race({"a": [5.0, 5.0]}),
    ]
    found = standings_of(games, rounds=50)
    (row,) = [row for row in found.rows if row.name == "random"]
    assert row.player in {game.seats[0].player.key for game in games[:3]}
    assert [(score.n, score.mean) for score in row.games] == [(2, 3.0)], "each seed once, by the game that ended later"
    assert field_of(list(reversed(games))).entrants == field_of(games).entrants


def test_the_order_of_games_does_not_matter():
    games = [
        *race({"a": [3, 1, 5], "b": [2, 1, 7], "random": [9, 0, 1]}),
        played(0, seat("a", 1, prompt_hash="x"), game="mario", finished=2),
        played(1, seat("a", 4, prompt_hash="y"), game="mario", finished=2),
    ]
    one, other = (standings_of(order, rounds=50).document() for order in (games, games[::-1]))
    assert one == other


def test_nothing_played_is_no_error():
    found = standings_of([])
    assert found.rows == [] and found.ratings is None and json.dumps(found.document())


def test_two_players_are_compared_on_the_seeds_that_both_have_played():
    games = [
        *race({"a": [5, 6, 9], "b": [3, 7]}),
        played(0, seat("a", 1), seat("b", 0), game="connect4"),
        played(0, seat("b", 1), seat("a", 0), game="connect4"),
        played(1, seat("a", 1), seat("b", 0), game="connect4"),
    ]
    field = field_of(games)
    a, b = entrant_called(field, "a"), entrant_called(field, "b")
    shared, raced = compare(field, a, b)
    assert raced.conditions == "tetris/standard" and [pair.difference for pair in raced.pairs] == [2, -1]
    assert raced.comparison.mean == 0.5 and (raced.comparison.wins, raced.comparison.losses) == (1, 1)
    assert [(pair.seed, pair.difference, pair.points) for pair in shared.pairs] == [(0, 0, 0.5)], "both seat orders"
    assert (shared.unpaired, raced.unpaired) == (1, 0)
    (back,) = [one for one in compare(field, b, a) if one.conditions == "tetris/standard"]
    assert back.comparison.mean == -0.5
    assert json.dumps(raced.document())
    with pytest.raises(UsageError, match="twice"):
        compare(field, a, a)


def test_the_sequential_test_stops_where_it_has_decided():
    games = race({"a": [2.0] * 60, "b": [1.0] * 60})
    field = field_of(games)
    (found,) = compare(field, entrant_called(field, "a"), entrant_called(field, "b"), ErrorRates(0.05, 0.05, 0.1))
    assert found.decided is not None and found.decided.verdict == "first"
    assert 5 < found.decided.pairs < 30
    assert found.decided.interval[0] > 0.5


def test_a_comparison_tells_of_games_that_do_not_count():
    games = [*race({"a": [1, 2], "b": [2, 4]}), played(2, seat("c", 1, prompt_hash="old"), finished=0.5)]
    games += [played(2, seat("c", 1, prompt_hash="new")), played(0, seat("c", 1, prompt_hash="new"))]
    field = field_of(games)
    a, b, c = (entrant_called(field, name) for name in "abc")
    assert [one.left_out for one in compare(field, a, c)] == [1] and [one.left_out for one in compare(field, a, b)] == [
        0
    ]


def test_a_table_too_wide_is_cut_between_columns():
    table = Table(("Model", "x", "yy", "z"), (False, True, True, True), [("m", "100", "20", "3")], ("below",))
    parts = table.within(len("Model  100"), 1)
    assert [part.head for part in parts] == [("Model", "x"), ("Model", "yy"), ("Model", "z")]
    assert [part.below for part in parts] == [(), (), ("below",)] and parts[1].rows == [("m", "20")]
    assert [part.head for part in table.within(1, 1)] == [part.head for part in parts], "one column at least"
    assert table.within(100, 1) == [table]
    lines = table.markdown().splitlines()
    assert lines[-2:] == ["", "below"], "or it would be a row"


def test_a_single_player_has_a_table_without_ratings():
    found = standings_of([played(s, seat("llm", 1.0 + s, verdicts={"illegal": 5})) for s in range(3)])
    head, _, row = markdown(found).splitlines()[:3]
    assert "Illegal" in head and "Rating" not in head and "50.0 %" in row
