import itertools
import random
from collections.abc import Sequence

import pytest

from lmgame.referee import Referee
from lmgame_agents import Decision, Latency, Verdict
from lmgame_games import Move, make_shared

from .shared_toys import CountingEnv, RunningEnv, chosen

FAST, SLOW = 1.5, 7.5
"""Seconds; a step of the running game is one."""


def moves(*names: str, seconds: float = 0.0) -> Decision:
    return Decision(tuple(Move(name) for name in names), latency=Latency(total=seconds))


def unusable(*names: str, seconds: float = 0.0) -> Decision:
    legal = tuple(Move(name) for name in names)
    return Decision(legal, Verdict.UNPARSABLE, problem="Say a move.", latency=Latency(total=seconds))


def seats(referee: Referee) -> list[int]:
    return [asked.seat for asked in referee.wanted()]


class TestTurns:
    def test_the_seats_take_turns(self):
        game = CountingEnv()
        referee = Referee(game, 0, max_decisions=50)
        assert seats(referee) == [0]
        assert referee.answer(0, moves("three")).played == 1
        assert seats(referee) == [1]
        assert (game.total, referee.now) == (3, 1)

    def test_each_seat_counts_its_own_decisions(self):
        referee = Referee(CountingEnv(), 0, max_decisions=50)
        seen = []
        for _ in range(4):
            (asked,) = referee.wanted()
            seen.append((asked.seat, asked.observation.index, asked.observation.decisions_left))
            referee.answer(asked.seat, moves("one"))
        assert seen == [(0, 0, 50), (1, 0, 50), (0, 1, 49), (1, 1, 49)]

    def test_who_plays_nothing_usable_is_asked_again_and_told_why(self):
        game = CountingEnv()
        referee = Referee(game, 0, max_decisions=50)
        assert referee.answer(0, unusable()).played == 0
        (asked,) = referee.wanted()
        assert (asked.seat, asked.observation.index, asked.observation.feedback) == (0, 1, "Say a move.")
        assert game.total == 0

    def test_where_there_is_an_idle_move_it_is_played_instead(self):
        game = CountingEnv(gentle=True)
        referee = Referee(game, 0, max_decisions=50)
        referee.answer(0, unusable())
        assert (game.total, seats(referee)) == (1, [1])

    def test_a_move_before_the_fault_is_the_turn_and_owes_no_idle_one(self):
        game = CountingEnv(gentle=True)
        referee = Referee(game, 0, max_decisions=50)
        referee.answer(0, unusable("two"))
        assert (game.total, seats(referee)) == (2, [1])

    def test_the_third_unusable_answer_in_a_row_loses(self):
        game = CountingEnv()
        referee = Referee(game, 0, max_decisions=50)
        for _ in range(2):
            referee.answer(0, unusable())
        referee.answer(0, moves("one"))
        referee.answer(1, moves("one"))
        for _ in range(3):
            assert referee.outcome is None
            referee.answer(0, unusable())
        assert (referee.outcome, referee.scores, referee.wanted()) == ("forfeit", [0.0, 1.0], [])

    def test_an_agent_that_plays_an_illegal_move_has_made_an_illegal_answer(self):
        game = CountingEnv()
        referee = Referee(game, 0, max_decisions=50)
        settled = referee.answer(0, moves("four"))
        assert (settled.decision.verdict, settled.decision.moves) == (Verdict.ILLEGAL, ())
        assert "'four' is not a move" in (settled.decision.problem or "")
        settled = referee.answer(0, moves("two", "two"))
        assert (settled.decision.verdict, settled.decision.moves) == (Verdict.ILLEGAL, (Move("two"),))
        assert game.total == 2

    def test_a_move_that_is_impossible_right_now_is_illegal(self):
        game = CountingEnv()
        referee = Referee(game, 0, max_decisions=50)
        game.total = 20
        settled = referee.answer(0, moves("three"))
        assert settled.decision.verdict is Verdict.ILLEGAL
        assert "possible are one" in (settled.decision.problem or "")

    def test_the_decision_limit_is_each_seats_own(self):
        referee = Referee(CountingEnv(), 0, max_decisions=2)
        for seat in (0, 1, 0, 1):
            assert referee.outcome is None
            referee.answer(seat, moves("one"))
        assert (referee.outcome, referee.scores, referee.decisions) == ("decision_limit", [0.5, 0.5], [2, 2])

    def test_the_game_s_own_end_is_the_outcome(self):
        referee = Referee(CountingEnv(), 0, max_decisions=50)
        for seat in (0, 1) * 3:
            referee.answer(seat, moves("three"))
        referee.answer(0, moves("three"))
        assert (referee.outcome, referee.scores) == ("counted", [1.0, 0.0])


class TestRounds:
    """Both seats at once, paused clock."""

    def test_moves_are_played_in_lockstep_once_both_have_answered(self):
        game = RunningEnv()
        referee = Referee(game, 0, max_decisions=50)
        assert seats(referee) == [0, 1]
        referee.answer(1, moves("trip"))
        assert (game.history, seats(referee)) == ([], [0])
        referee.answer(0, moves("run", "rest"))
        assert game.history == [{"player_0": 0, "player_1": 1}, {"player_0": 2}]
        assert seats(referee) == [0, 1]

    def test_a_turn_that_is_over_drops_the_rest_of_that_seat_alone(self):
        game = RunningEnv()
        referee = Referee(game, 1, max_decisions=50)
        game.ahead["player_0"] = 4
        referee.answer(0, moves("run", "run", "run"))
        referee.answer(1, moves("run", "run", "run"))
        assert game.ahead == {"player_0": 5, "player_1": 3}

    def test_an_unusable_answer_plays_what_stood_before_its_fault_and_rests(self):
        game = RunningEnv()
        referee = Referee(game, 0, max_decisions=50)
        referee.answer(0, unusable("run"))
        referee.answer(1, moves("run"))
        assert game.history == [{"player_0": 0, "player_1": 0}, {"player_0": 2}]
        feedback = [asked.observation.feedback for asked in referee.wanted()]
        assert feedback == ["Say a move.", None]

    def test_one_that_forfeits_loses_and_two_that_do_end_the_game_as_it_stands(self):
        for both in (False, True):
            game = RunningEnv()
            referee = Referee(game, 0, max_decisions=50)
            for _ in range(3):
                referee.answer(1, unusable())
                referee.answer(0, unusable() if both else moves("rest"))
            assert referee.outcome == "forfeit"
            assert (game.lost, game.stopped) == ((None, True) if both else ("player_1", False))

    def test_the_order_of_answers_does_not_matter(self):
        def played(order: Sequence[int]) -> tuple[list[dict[str, int]], list[float], str | None]:
            game = RunningEnv()
            referee = Referee(game, 2, max_decisions=50, observations=("text", "text"))
            while referee.outcome is None:
                answers = {asked.seat: chosen(asked.observation) for asked in referee.wanted()}
                for seat in order:
                    referee.answer(seat, answers[seat])
            return game.history, referee.scores, referee.outcome

        assert played((0, 1)) == played((1, 0))


class TestRealTime:
    def make(self, seed: int = 2) -> tuple[RunningEnv, Referee]:
        game = RunningEnv()
        return game, Referee(game, seed, max_decisions=50, realtime=True, observations=("text", "text"))

    @pytest.mark.parametrize("fast", [0, 1])
    def test_the_faster_one_gets_its_moves_in_first(self, fast: int):
        game, referee = self.make()
        slow = 1 - fast
        referee.answer(slow, moves("trip", seconds=SLOW))
        referee.answer(fast, moves("run", seconds=FAST))
        assert game.history == [{f"player_{fast}": 2, f"player_{slow}": 2}, {f"player_{fast}": 0, f"player_{slow}": 2}]
        (asked,) = referee.wanted()
        assert (asked.seat, asked.at, asked.observation.index) == (fast, 2, 1)

    def test_time_passes_for_who_thinks(self):
        game, referee = self.make()
        referee.answer(0, moves("run", seconds=FAST))
        assert game.history == []
        referee.advance(4)
        assert seats(referee) == [0, 1]  # asked anew after its one move, while the other still thinks
        assert referee.now == 2
        referee.advance(4)
        assert referee.now == 4

    def test_an_answer_can_not_arrive_in_the_past(self):
        _, referee = self.make()
        referee.advance(5)
        assert (referee.arrival(0, FAST), referee.late(0, FAST)) == (5, 4)
        assert (referee.arrival(0, SLOW), referee.late(0, SLOW)) == (7, 0)

    def test_moves_for_what_is_gone_are_dropped(self):
        game, referee = self.make(seed=0)  # laces come undone every five steps
        referee.answer(1, moves("rest", seconds=10.0))
        referee.answer(0, moves("run", "run", seconds=SLOW))
        (asked,) = referee.wanted()
        assert (asked.seat, asked.at, asked.observation.index, game.ahead["player_0"]) == (0, 7, 1, 0)

    def test_an_unusable_answer_costs_one_step_more(self):
        game, referee = self.make()
        referee.answer(1, moves("rest", seconds=10.0))
        referee.answer(0, unusable("run"))
        assert [step["player_0"] for step in game.history] == [0, 2]

    def test_the_game_may_end_while_both_think(self):
        _, referee = self.make()
        referee.advance(1000)
        assert (referee.outcome, referee.now, referee.wanted()) == ("finished", 80, [])

    def test_replaying_the_answers_in_any_order_that_keeps_each_seats_own_gives_the_same_game(self):
        game, referee = self.make()
        log: list[tuple[int, Decision, int]] = []
        speed = (FAST, SLOW)
        while referee.outcome is None:
            (asked, *_) = referee.wanted()
            decision = chosen(asked.observation, seconds=speed[asked.seat])
            at = referee.arrival(asked.seat, decision.latency.total)
            referee.answer(asked.seat, decision, at)
            log.append((asked.seat, decision, at))
        assert len({seat for seat, _, _ in log}) == 2

        chance = random.Random(0)
        for _ in range(5):
            other, again = self.make()
            left = {seat: iter([entry for entry in log if entry[0] == seat]) for seat in (0, 1)}
            while again.outcome is None and (asked := chance.choice(again.wanted() or [None])):  # type: ignore[list-item]
                entry = next(left[asked.seat], None)
                if entry is None:
                    break
                again.answer(*entry)
            assert other.history == game.history
            assert again.scores == referee.scores

    def test_a_seat_can_be_reached_while_the_other_goes_on_thinking(self):
        _, referee = self.make()
        referee.answer(0, moves("run", "run", seconds=FAST))
        asked = referee.reach(0)
        assert asked is not None
        assert (asked.at, asked.observation.index) == (3, 1)
        assert seats(referee) == [0, 1]


def test_every_step_is_told_with_its_moves():
    told: list[tuple[int, dict[str, str]]] = []
    game = CountingEnv()
    referee = Referee(
        game,
        0,
        max_decisions=2,
        on_step=lambda game, moves: told.append((game.total, {k: str(v) for k, v in moves.items()})),  # type: ignore[attr-defined]
    )
    for seat, name in zip((0, 1, 0, 1), itertools.cycle(("one", "three")), strict=False):
        referee.answer(seat, moves(name))
    assert told == [
        (0, {}),
        (1, {"player_0": "one"}),
        (4, {"player_1": "three"}),
        (5, {"player_0": "one"}),
        (8, {"player_1": "three"}),
        (8, {}),
    ]


# Rounds: one piece each, however many answers that takes.

DROP, STALL = Decision((Move("hard_drop"),)), Decision((Move("no_op"),))


def versus(max_decisions: int = 600) -> Referee:
    return Referee(make_shared("tetris-versus", render_mode=None), 0, max_decisions=max_decisions)


def test_nobody_is_asked_for_the_next_piece_before_both_have_placed_theirs():
    referee = versus()
    referee.answer(0, DROP)
    assert [asked.seat for asked in referee.wanted()] == [1]
    referee.answer(1, STALL)
    assert [asked.seat for asked in referee.wanted()] == [1], "its piece is still in play"
    referee.answer(1, STALL)
    referee.answer(1, DROP)
    assert [asked.seat for asked in referee.wanted()] == [0, 1]
    assert referee.decisions == [1, 3]


def test_who_stalls_does_not_outlive_who_plays():
    referee = versus(max_decisions=40)
    while referee.outcome is None:
        for asked in referee.wanted():
            referee.answer(asked.seat, DROP if asked.seat == 0 else STALL)
    assert referee.outcome == "decision_limit" and referee.decisions[1] == 40
    assert referee.scores == [1.0, 0.0], "it used up its answers while the other had some left"


def test_who_tops_out_in_the_same_number_of_pieces_loses():
    referee = versus()
    # The first seat only ever drops in the middle; the second puts every other piece aside.
    sides = (Decision((*[Move("left")] * 5, Move("hard_drop"))), Decision((*[Move("right")] * 5, Move("hard_drop"))))
    while referee.outcome is None:
        for asked in referee.wanted():
            referee.answer(asked.seat, DROP if asked.seat == 0 else sides[referee.decisions[1] % 2])
    assert referee.outcome == "topped_out" and referee.scores == [0.0, 1.0]
    assert abs(referee.decisions[0] - referee.decisions[1]) <= 1


def test_both_out_of_answers_in_one_round_is_decided_by_the_attack():
    referee = versus(max_decisions=3)
    while referee.outcome is None:
        for asked in referee.wanted():
            referee.answer(asked.seat, DROP)
    assert referee.outcome == "decision_limit" and referee.scores == [0.5, 0.5]
