"""The store at one glance: what pages look up is what standings say."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmgame_leaderboards import PlayedGame, UsageTotals
from lmgame_leaderboards.standings import standings_by_game, standings_of
from lmgame_leaderboards.web.ledger import FORM, JOINT, MATRIX, Ledger, ledger_document
from tests.leaderboards.played import make_game, make_player, make_seat

ROUNDS = 20


def raced(model: str, seed: int, score: float, **changed: Any) -> PlayedGame:
    seat = {name: changed.pop(name) for name in ("prompt_hash", "usage", "observation") if name in changed}
    player = {name: changed.pop(name) for name in ("reference", "sampling", "copy_number") if name in changed}
    place = {"source": f"/runs/{model}/episodes/tetris-{seed}.jsonl"}
    return make_game(seed, (make_seat(make_player(model, **player), score, **seat),), options={}, **(place | changed))


def shared(one: str, other: str, seed: int, scores: tuple[float, float], **changed: Any) -> PlayedGame:
    seats = make_seat(make_player(one), scores[0]), make_seat(make_player(other), scores[1])
    place = {"source": f"/runs/arena/games/{one}-{other}-{seed}.jsonl"}
    return make_game(seed, seats, game="connect4", options={}, **(place | changed))


def ledger_of(games: list[PlayedGame], **settings: Any) -> Ledger:
    document = ledger_document(games, rounds=ROUNDS, **settings)
    return Ledger.of(json.loads(json.dumps(document, allow_nan=False)))


def records(ledger: Ledger) -> dict[str, Counter[str]]:
    """Wins, draws and losses by name, from the matches that the pages list."""
    return {
        about["name"]: Counter(bout.result for bout in ledger.bouts(player)) for player, about in ledger.players.items()
    }


MIXED = [
    *(raced(model, seed, score) for model, own in {"a": [3, 1, 5], "b": [2, 1], "c": [9]}.items()
      for seed, score in enumerate(own)),
    shared("a", "b", 0, (1, 0)),
    shared("b", "a", 0, (0.5, 0.5)),
    shared("a", "b", 1, (0, 1)),
    shared("c", "a", 1, (1, 0)),
]  # fmt: skip


def test_it_goes_through_json_and_comes_back():
    document = ledger_document(MIXED, state="7", rounds=ROUNDS)
    assert json.loads(json.dumps(document, allow_nan=False)) == document, "it is of JSON's own types"
    ledger = Ledger.of(document)
    assert ledger.clock == "paused" and ledger.state == "7" and ledger.left_out == 0
    assert len(ledger.games) == len(MIXED)
    asked = {(one.source, one.seed, one.outcome, one.finished) for one in MIXED}
    assert {(one.source, one.seed, one.outcome, one.finished) for one in ledger.games} == asked
    for game in ledger.games:
        (played,) = [one for one in MIXED if one.source == game.source]
        assert [ledger.players[side.player]["name"] for side in game.sides] == [s.player.name for s in played.seats]
        assert [side.score for side in game.sides] == [seat.score for seat in played.seats]
        assert {(side.decisions, side.tokens, side.cost, side.latency) for side in game.sides} == {(7, 1070, 0.25, 0.4)}
        assert game.side_of(0) is game.sides[0] and game.side_of(1) is game.sides[-1]
        assert all(game.side(side.player) is side for side in game.sides)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [(UsageTotals(), None), (UsageTotals(prompt_tokens=5), 5), (UsageTotals(prompt_tokens=0, completion_tokens=0), 0)],
)
def test_tokens_are_known_or_not(usage: UsageTotals, tokens: int | None):
    (game,) = ledger_of([raced("a", 0, 1.0, usage=usage)]).games
    assert game.sides[0].tokens == tokens


def test_one_source_of_each_folder_is_enough():
    sources = ["/runs/x/1.jsonl", "/runs/x/2.jsonl", "/runs/y/1.jsonl", "C:\\x\\1.jsonl", "C:\\y\\1.jsonl"]
    places = ledger_of([raced("a", seed, 1.0, source=source) for seed, source in enumerate(sources)]).games.places()
    assert {"C:\\x\\1.jsonl", "C:\\y\\1.jsonl", "/runs/y/1.jsonl"} < set(places) <= set(sources)


@pytest.mark.parametrize("source", ["", "plain", "/", "/a/b/", "C:\\x", "/µ 模型/x.jsonl"])
def test_sources_come_back_as_they_were(source: str):
    assert ledger_of([raced("a", 0, 1.0, source=source)]).games[0].source == source


def test_bouts_of_races():
    ledger = ledger_of([one for one in MIXED if len(one.seats) == 1])
    by_name = {about["name"]: player for player, about in ledger.players.items()}
    found = [
        (bout.seed, ledger.players[bout.opponent]["name"], bout.scores, bout.result)
        for bout in ledger.bouts(by_name["a"])
    ]
    assert sorted(found) == [
        (0, "b", (3, 2), "won"),
        (0, "c", (3, 9), "lost"),
        (1, "b", (1, 1), "drawn"),
    ]
    (bout,) = ledger.bouts(by_name["c"], by_name["b"])
    assert bout.own.side_of(0).player == by_name["c"] and bout.other.sides[0].player == by_name["b"] and bout.seat == 0
    assert ledger.bouts(by_name["c"], "nobody") == ledger.bouts("nobody") == []


def test_bouts_of_shared_games_know_their_seats():
    ledger = ledger_of([one for one in MIXED if len(one.seats) == 2])
    by_name = {about["name"]: player for player, about in ledger.players.items()}
    found = [(bout.seed, bout.seat, bout.scores, bout.result) for bout in ledger.bouts(by_name["a"], by_name["b"])]
    assert found == [(0, 0, (1, 0), "won"), (0, 1, (0.5, 0.5), "drawn"), (1, 0, (0, 1), "lost")]
    assert all(bout.own is bout.other for bout in ledger.bouts(by_name["a"]))
    assert len(ledger.bouts(by_name["a"])) == 4


scores = st.integers(0, 3)
fields = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 3), scores),
        st.tuples(st.sampled_from(["ab", "ba", "ac", "cd", "dd"]), st.integers(0, 3), scores, scores),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(fields)
def test_bouts_agree_with_the_standings(field: list[tuple[Any, ...]]):
    games = []
    for at, (who, seed, *points) in enumerate(field):
        when = {"finished": float(at)}
        games.append(
            raced(who, seed, *points, **when)
            if len(who) == 1
            else shared(who[0], who[1], seed, (points[0], points[1]), **when)
        )
    ledger = ledger_of(games)
    joint = standings_of(games, rounds=ROUNDS)
    expected = {row.name: (row.wins, row.draws, row.losses) for row in joint.rows if not row.baseline}
    found = {name: (counts["won"], counts["drawn"], counts["lost"]) for name, counts in records(ledger).items()}
    assert found == expected
    for label, standings in standings_by_game(games, rounds=ROUNDS).items():
        rows = {row["name"]: (row["wins"], row["draws"], row["losses"]) for row in ledger.boards[label]["rows"]}
        assert rows == {row.name: (row.wins, row.draws, row.losses) for row in standings.rows}
        for player, about in ledger.players.items():
            counts = Counter(bout.result for bout in ledger.bouts(player) if bout.conditions == label)
            assert rows.get(about["name"], (0, 0, 0)) == (counts["won"], counts["drawn"], counts["lost"])
    for player in ledger.players:
        met: dict[str, Counter[str]] = {}
        for bout in ledger.bouts(player):
            met.setdefault(bout.opponent, Counter())[bout.result] += 1
            turned = ledger.bouts(bout.opponent, player)
            assert [one.scores[::-1] for one in turned if (one.own, one.other) == (bout.other, bout.own)][0:1]
        counted = {one: (own["won"], own["drawn"], own["lost"]) for one, own in met.items()}
        assert ledger.opponents(player) == counted


def test_copies_are_controls_and_left_out():
    games = [raced("a", 0, 1.0), raced("b", 0, 2.0), raced("a", 0, 3.0, copy_number=1)]
    ledger = ledger_of(games)
    assert sorted(about["name"] for about in ledger.players.values()) == ["a", "b"]
    assert len(ledger.games) == 2 and ledger.left_out == 0


def test_games_of_earlier_prompts_are_left_out_and_counted():
    games = [raced("a", seed, 1.0, prompt_hash="old", finished=1.0) for seed in range(3)]
    games += [raced("a", 9, 5.0, prompt_hash="new", finished=2.0), raced("b", 9, 1.0, prompt_hash="new")]
    ledger = ledger_of(games)
    assert ledger.left_out == 3 and [game.seed for game in ledger.games] == [9, 9]
    (label,) = ledger.boards
    assert ledger.conditions[label]["n"] == 2
    assert any("3 games are left out" in note for note in ledger.boards[label]["notes"])


def test_there_is_a_board_of_all_games_where_there_are_several():
    one = ledger_of([raced("a", 0, 1.0), raced("b", 0, 2.0)])
    assert list(one.boards) == ["tetris/standard"] and one.first_board == "tetris/standard"
    several = ledger_of(MIXED)
    assert list(several.boards) == [JOINT, "connect4/standard", "tetris/standard"] and several.first_board == JOINT
    assert {label: about["n"] for label, about in several.conditions.items()} == {
        "connect4/standard": 4,
        "tetris/standard": 6,
    }
    assert several.conditions["tetris/standard"]["game"] == "tetris"
    limits = ledger_of([raced("a", 0, 1.0), raced("a", 0, 1.0, max_decisions=5)])
    assert list(limits.boards) == [JOINT, "tetris/standard (max_decisions 100)", "tetris/standard (max_decisions 5)"]
    nothing = ledger_of([])
    assert nothing.boards == {} and not nothing.games and nothing.first_board == JOINT


def test_the_matrix_holds_the_best_alone():
    games = [raced(f"m{number:02}", seed, float(number)) for number in range(MATRIX + 5) for seed in range(2)]
    ledger = ledger_of(games)
    board = ledger.boards["tetris/standard"]
    matrix = board["matrix"]
    assert board["met"] == MATRIX + 5 == len(ledger.players) and len(board["rows"]) == MATRIX + 5
    names = [ledger.players[player]["name"] for player in matrix["players"]]
    assert names == [row["name"] for row in board["rows"]][:MATRIX] and names[0] == f"m{MATRIX + 4:02}"
    cells = {(row, column): (share, n) for row, column, share, n in matrix["cells"]}
    assert len(cells) == MATRIX * (MATRIX - 1) == len(matrix["cells"])
    assert all(cells[row, column] == (1.0 if names[row] > names[column] else 0.0, 2) for row, column in cells)


def test_players_are_told_apart_by_their_settings():
    games = [
        raced("a", 0, 1.0),
        raced("a", 0, 2.0, sampling={"temperature": 1.0}),
        raced("pico", 0, 3.0, reference=True),
    ]
    ledger = ledger_of(games)
    about = list(ledger.players.values())
    assert len({one["name"] for one in about}) == 3 and {one["model"] for one in about} == {"a", "pico"}
    assert sorted(one["settings"]["temperature"] for one in about) == [0.5, 0.5, 1.0]
    assert [one["reference"] for one in about if one["model"] == "pico"] == [True]
    assert not any(one["reference"] for one in about if one["model"] == "a")


def test_scores_by_player():
    ledger = ledger_of(MIXED)
    by_name = {about["name"]: player for player, about in ledger.players.items()}
    assert sorted(ledger.scores("tetris/standard")[by_name["a"]]) == [1, 3, 5]
    assert sorted(ledger.scores("connect4/standard")[by_name["a"]]) == [0, 0, 0.5, 1]
    assert ledger.scores("mario/standard") == {}


def test_the_best_and_the_worst_seats():
    games = [raced("a", seed, float(score)) for seed, score in enumerate([5, 1, 9, 3])] + [shared("a", "b", 7, (1, 0))]
    ledger = ledger_of(games)
    best, worst = ledger.extremes("tetris/standard", 2)
    assert [(side.score, game.seed) for side, game in best] == [(9, 2), (5, 0)]
    assert [(side.score, game.seed) for side, game in worst] == [(1, 1), (3, 3)]
    best, worst = ledger.extremes("connect4/standard", 9)
    assert [side.score for side, _ in best] == [1, 0] and [side.score for side, _ in worst] == [0, 1]


BASELINE = {"n": 10, "mean": 1.0, "sd": 1.0, "ci95": [0.5, 1.5], "reference": False}


@pytest.mark.parametrize(
    ("played", "shown"),
    [
        ({}, True),
        ({"max_decisions": None}, True),  # records of the first days don't say
        ({"version": 2}, False),
        ({"max_decisions": 5}, False),
        ({"options": {"level": 3}}, False),
        ({"preset": "other"}, False),
    ],
)
def test_reference_scores_of_cards_stand_beside_what_was_played_by_them(played: dict[str, Any], shown: bool):
    card = {
        "game": "tetris",
        "preset": "standard",
        "version": 1,
        "max_decisions": 100,
        "baselines": {"random": BASELINE},
    }
    game = make_game(0, (make_seat(make_player("a"), 3.0),), **({"options": {}} | played))
    document = ledger_document([game], cards=[card, {**card, "game": "mario"}], rounds=ROUNDS)
    rows = [row for board in document["boards"].values() for row in board["rows"] if row["baseline"]]
    assert [row["name"] for row in rows] == (["random"] if shown else [])
    assert "random" not in [about["name"] for about in document["players"].values()]


@pytest.mark.parametrize(
    "damage",
    [
        lambda document: document.update(form=FORM + 1),
        lambda document: document.pop("form"),
        lambda document: document.pop("games"),
        lambda document: document.update(games=[[]]),
        lambda document: document.update(games=[[99, 0, "x", 0.0, "", "", []]]),
        lambda document: document.update(games=[[0, 0, "x", 0.0, "", "", [[0]]]]),
        lambda document: document["games"]["sides"]["player"].append(0),
        lambda document: document["games"]["games"]["seed"].pop(),
        lambda document: document["games"]["games"]["seats"].__setitem__(0, 3),
        lambda document: document["games"]["sides"]["player"].__setitem__(0, 99),
        lambda document: document["games"]["games"]["conditions"].__setitem__(0, -1),
        lambda document: document["games"].pop("folders"),
        lambda document: document.update(players=None),
        lambda document: document.update(games=5),
    ],
)
def test_another_document_is_refused(damage: Any):
    document = ledger_document(MIXED, rounds=ROUNDS)
    damage(document)
    with pytest.raises((KeyError, TypeError, ValueError, IndexError)):
        Ledger.of(document)


def test_intervals_of_large_stores_are_first_ones_and_then_better(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lmgame_leaderboards.web.ledger.MANY", 3)
    monkeypatch.setattr("lmgame_leaderboards.web.ledger.MANY_ROUNDS", 6)
    monkeypatch.setattr("lmgame_leaderboards.web.ledger.FIRST_ROUNDS", 4)
    first, better = (ledger_document(MIXED, rounds=1000, first=first) for first in (True, False))
    assert first["rough"] and Ledger.of(first).rough
    assert not better["rough"]
    boards = [one["boards"].values() for one in (first, better)]
    told = [{note for board in found for note in board["notes"] if "bootstrap" in note} for found in boards]
    assert told[0] == {"Intervals rest on 4 bootstrap rounds; better ones are being worked out."}
    assert told[1] == {"Intervals rest on 6 bootstrap rounds."}
    ratings = [[row["rating"] for board in found for row in board["rows"]] for found in boards]
    assert ratings[0] == ratings[1]
    assert not ledger_document(MIXED[:3], rounds=4, first=True)["rough"], "a small one is done at once"
