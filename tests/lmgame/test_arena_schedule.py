"""Which games are played next, and what points they bring."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from lmgame.arenas.board import Board
from lmgame.arenas.request import ArenaRequest, arena_request, budget_of
from lmgame.arenas.schedule import Adaptive, Fixture, Meeting, Pairing, RoundRobin, UntilDecided, meetings_of
from lmgame_common import UnknownNameError, UsageError
from lmgame_games import Card, card
from lmgame_leaderboards import PlayedGame, PlayedSeat, PlayerRecord
from lmgame_leaderboards.ratings import SequentialTest

RACED = card("tetris")
SHARED = replace(RACED, game="chess", seats=2)
A, B, C = (PlayerRecord(model=name) for name in "abc")


def meetings(card: Card, *players: PlayerRecord) -> list[Meeting]:
    return [Meeting(card, a, b) for at, a in enumerate(players) for b in players[at + 1 :]]


def played(fixture: Fixture, *scores: float) -> PlayedGame:
    seats = tuple(PlayedSeat(player, score, 1) for player, score in zip(fixture.players, scores, strict=True))
    return PlayedGame(
        game=fixture.card.game,
        preset=fixture.card.preset,
        version=1,
        seed=fixture.seed,
        seats=seats,
        outcome="over",
        finished=0,
        run="arena",
        episode=fixture.id,
    )


def all_played(pairings: Sequence[Pairing], strength: dict[str, float]) -> dict[str, PlayedGame]:
    fixtures = [fixture for pairing in pairings for fixture in pairing.fixtures()]
    return {f.id: played(f, *(strength[p.model] for p in f.players)) for f in fixtures}


def names(pairings: Sequence[Pairing]) -> list[tuple[str, str, int]]:
    return [(p.meeting.first.model, p.meeting.second.model, p.seed) for p in pairings]


def test_round_robin_goes_seed_by_seed():
    schedule = RoundRobin(meetings(RACED, A, B, C), range(5, 7))
    assert names(schedule.next({})) == [
        *(("a", "b", 5), ("a", "c", 5), ("b", "c", 5)),
        *(("a", "b", 6), ("a", "c", 6), ("b", "c", 6)),
    ]
    assert schedule.next({}) == []


def test_a_raced_game_is_played_once_by_each_and_a_shared_one_from_both_seats():
    board = Board({}, [])
    pairings = RoundRobin(meetings(RACED, A, B, C), range(2)).next({})
    assert len(board.add(pairings)) == 3 * 2
    shared = RoundRobin(meetings(SHARED, A, B, C), range(2)).next({})
    assert len(board.add(shared)) == 3 * 2 * 2
    first, second = shared[0].fixtures()
    assert [p.model for p in first.players] == ["a", "b"] and [p.model for p in second.players] == ["b", "a"]


@pytest.mark.parametrize(
    ("scores", "points"),
    [(((3,), (1,)), 1.0), (((1,), (3,)), 0.0), (((2,), (2,)), 0.5)],
)
def test_points_of_a_raced_pair(scores: tuple[tuple[float], tuple[float]], points: float):
    pairing = Meeting(RACED, A, B).on(0)
    own, other = pairing.fixtures()
    assert pairing.points({own.id: played(own, *scores[0])}) is None
    assert pairing.points({own.id: played(own, *scores[0]), other.id: played(other, *scores[1])}) == points


@pytest.mark.parametrize(
    ("first", "second", "points"),
    [((1, 0), (0, 1), 1.0), ((1, 0), (1, 0), 0.5), ((1, 0), (0.5, 0.5), 0.75), ((0, 1), (1, 0), 0.0)],
)
def test_points_of_a_shared_pair_are_those_of_both_seat_orders(
    first: tuple[float, float], second: tuple[float, float], points: float
):
    pairing = Meeting(SHARED, A, B).on(0)
    ab, ba = pairing.fixtures()
    assert pairing.points({ab.id: played(ab, *first), ba.id: played(ba, *second)}) == points


def test_matches_of_a_pair_share_its_unit():
    raced, shared = Meeting(RACED, A, B).on(4), Meeting(SHARED, A, B).on(4)
    done = all_played([raced, shared], {"a": 2.0, "b": 1.0})
    (match,) = raced.matches(done)
    assert (match.first, match.second, match.result, match.unit, match.seated) == (A.key, B.key, 1.0, 4, False)
    first, second = shared.matches(done)
    assert (first.first, first.result, second.first, second.result) == (A.key, 1.0, B.key, 0.0)
    assert first.unit == second.unit and first.seated and second.seated
    assert shared.matches({}) == []


def test_until_decided_stops_where_it_is_decided_and_not_elsewhere():
    fair = replace(RACED, game="fair")
    both = [Meeting(RACED, A, B), Meeting(fair, A, B)]
    schedule = UntilDecided(both, range(200), SequentialTest, ahead=4)
    done: dict[str, PlayedGame] = {}
    asked: list[Pairing] = []
    while pairings := schedule.next(done):
        asked += pairings
        for pairing in pairings:
            own, other = pairing.fixtures()
            better = 1.0 if pairing.meeting.card is RACED else float(pairing.seed % 2)
            done |= {own.id: played(own, better), other.id: played(other, 0.5)}
    assert schedule.tests[both[0].name].verdict == "first"
    stopped = [pairing.seed for pairing in asked if pairing.meeting is both[0]]
    assert stopped == list(range(len(stopped))) and 2 < len(stopped) < 100
    assert sum(pairing.meeting is both[1] for pairing in asked) > len(stopped)


def test_until_decided_waits_for_the_seed_that_is_missing():
    meeting = Meeting(RACED, A, B)
    schedule = UntilDecided([meeting], range(50), SequentialTest, ahead=50)
    pairings = schedule.next({})
    done = all_played(pairings[1:], {"a": 1, "b": 0})
    assert schedule.next(done) == []
    assert schedule.tests[meeting.name].verdict == "undecided"


def test_adaptive_first_connects_everybody_then_names_each_pairing_once():
    schedule = Adaptive(meetings(RACED, A, B, C), range(6), 3)
    first = schedule.next({})
    assert names(first) == [("a", "b", 0), ("a", "c", 0), ("a", "b", 1), ("a", "c", 1)]
    strength = {"a": 3.0, "b": 2.0, "c": 1.0}
    done, asked = all_played(first, strength), list(first)
    while pairings := schedule.next(done):
        asked += pairings
        done |= all_played(pairings, strength)
    assert len(set(names(asked))) == len(asked)
    # On the first two seeds all have played, so that the matches of b and c there cost nothing.
    assert len(done) == 3 * 6


def test_the_board_counts_each_match_once():
    board = Board({player.key: player for player in (A, B, C)}, meetings(RACED, A, B, C) + meetings(SHARED, A, B))
    for fixture in board.add(RoundRobin(meetings(RACED, A, B, C), range(2)).next({})):
        board.finish(fixture, played(fixture, {"a": 3.0, "b": 2.0, "c": 2.0}[fixture.players[0].model]))
        board.finish(fixture, played(fixture, 99.0))
    for fixture in board.add(RoundRobin(meetings(SHARED, A, B), range(1)).next({})):
        board.finish(fixture, played(fixture, 0.0, 1.0))
    tallies = [board.tallies[player.key] for player in (A, B, C)]
    assert [(t.wins, t.draws, t.losses) for t in tallies] == [(5, 0, 1), (1, 2, 3), (0, 2, 2)]


def test_a_mirror_meets_its_own_model_only():
    request = arena_request(("random", "scripted"), ("tetris",), mirror=True)
    players = {(m, n): PlayerRecord(model=m, copy_number=n) for m in request.models for n in (0, 1)}
    met = [(m.first.name, m.second.name) for m in meetings_of(request, players)]
    assert met == [("random", "scripted"), ("random", "random (copy)"), ("scripted", "scripted (copy)")]


@pytest.mark.parametrize(
    ("models", "fields", "complaint"),
    [
        (("random",), {}, "--mirror"),
        (("random", "random"), {}, "--mirror"),
        ((), {}, "Two models"),
        (("random", "human"), {}, "alone"),
        (("random", "scripted"), {"pairs": 0}, "--pairs"),
        (("random", "scripted"), {"seed": 2**31 - 1, "pairs": 2}, "Seeds"),
        (("random", "scripted"), {"adaptive": True, "until_decided": True}, "leave one out"),
        (("random", "scripted"), {"alpha": 1.0}, "--alpha"),
        (("random", "scripted"), {"margin": 0.5}, "--margin"),
        (("random", "scripted"), {"budget": {"euros": 1}}, "euros"),
        (("random", "scripted"), {"budget": {"games": 0}}, "greater than zero"),
        (("random", "scripted"), {"prices": {"gpt": (1, 1)}}, "gpt"),
        (("random", "scripted"), {"settings": {"clock": "sundial"}}, "--clock"),
    ],
)
def test_what_makes_no_sense_is_refused(models: tuple[str, ...], fields: dict, complaint: str):
    with pytest.raises(UsageError, match=complaint):
        arena_request(models, ("tetris",), **fields)


def test_games_are_named_with_their_presets():
    request = arena_request(("random", "scripted"), ("tetris", "tetris/lmgame-bench-2025"))
    assert [c.preset for c in request.settings.cards()] == ["standard", "lmgame-bench-2025"]
    with pytest.raises(UnknownNameError):
        arena_request(("random", "scripted"), ("tetris/nope",))
    with pytest.raises(UsageError, match="twice"):
        arena_request(("random", "scripted"), ("tetris", "tetris/standard"))


def test_each_model_is_asked_for_as_it_would_be_alone():
    request = arena_request(
        ("random", "gpt", "vllm/big"),
        ("tetris",),
        settings={"base_url": None, "serve_set": ("a=1",), "temperature": 0.5, "price": (1.0, 2.0)},
        prices={"gpt": (3.0, 4.0)},
    )
    alone = {model: request.request_of(model) for model in request.models}
    assert alone["vllm/big"].serve_set == ("a=1",) and alone["gpt"].serve_set == ()
    assert alone["gpt"].price == (3.0, 4.0) and alone["vllm/big"].price == (1.0, 2.0)
    assert {one.temperature for one in alone.values()} == {0.5}
    at_url = arena_request(("random", "gpt"), ("tetris",), settings={"base_url": "http://x/v1"})
    assert at_url.request_of("gpt").base_url and at_url.request_of("random").base_url is None


def test_pairs_are_more_where_results_decide():
    def seeds(**fields: object) -> range:
        request: ArenaRequest = arena_request(("random", "scripted"), ("tetris",), **fields)
        return request.seeds

    assert len(seeds()) == 10 and seeds(seed=7, pairs=2) == range(7, 9)
    assert len(seeds(until_decided=True)) == len(seeds(adaptive=True, budget={"games": 5})) == 500


def test_budgets_are_read():
    assert budget_of(["games=100", "tokens=2e6", "usd=0.5"]) == {"games": 100, "tokens": 2e6, "usd": 0.5}
    with pytest.raises(UsageError, match="usd=X"):
        budget_of(["tokens=many"])
