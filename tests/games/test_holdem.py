"""Texas hold'em: the rules at the table, duplicate cards, and what a seat can know."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmgame_agents.parser import parse_answer
from lmgame_common import GameError, UsageError
from lmgame_games import Move, card, make_shared
from lmgame_games.baselines import play_shared
from lmgame_games.holdem.env import HoldemEnv
from lmgame_games.holdem.hand import DECK, Hand
from lmgame_games.holdem.player import after_flop, before_flop
from lmgame_games.holdem.stakes import HANDS, STACK
from lmgame_games.shared import AGENTS
from lmgame_games.testing import check_shared_game


@pytest.mark.parametrize("preset", ["standard", "limit"])
def test_the_contract(preset: str):
    check_shared_game("holdem", preset, seeds=(0,), steps=30)


def deck(*first: str) -> list[str]:
    """A deck that begins with these cards: two of seat 0, two of seat 1, then the board."""
    return [*first, *(card for card in DECK if card not in first)]


NUTS = deck("As", "Ah", "7c", "2d", "Ad", "Ac", "Kd", "9h", "4s")


def played(hand: Hand, *moves: str) -> Hand:
    for move in moves:
        hand.play(move)
    return hand


def test_blinds_and_who_acts_first():
    hand = Hand(0, NUTS, limit=False)
    assert (hand.bet(0), hand.bet(1), hand.pot) == (50, 100, 150), "the button posts the small blind"
    assert hand.to_move == 0 and hand.to_call(0) == 50
    played(hand, "call", "check")
    assert hand.board == ["Ad", "Ac", "Kd"] and hand.to_move == 1, "from the flop on the other acts first"
    assert hand.street == 1 and hand.pot == 200
    other = Hand(1, NUTS, limit=False)
    assert (other.bet(0), other.bet(1)) == (100, 50) and other.to_move == 1


def test_sizes_of_bets():
    hand = Hand(0, NUTS, limit=False)
    assert hand.options() == {
        "fold": 50,
        "call": 100,
        "raise_min": 200,  # half of the pot comes to the same here
        "raise_pot": 300,
        "raise_two_pots": 500,
        "all_in": STACK,
    }
    played(hand, "raise_pot")
    assert hand.to_call(1) == 200
    assert hand.options()["raise_min"] == 500, "at least the last raise again"
    assert hand.options()["raise_pot"] == 900
    played(hand, "call")
    assert list(hand.options()) == ["check", "raise_min", "raise_half_pot", "raise_pot", "raise_two_pots", "all_in"]
    assert hand.options()["raise_half_pot"] == 300 and hand.options()["raise_min"] == 100


def test_bets_that_nobody_called_are_given_back():
    hand = played(Hand(0, NUTS, limit=False), "all_in", "fold")
    assert hand.over and (hand.won(0), hand.won(1)) == (100, -100)
    assert hand.shown(0) is None and hand.shown(1) is None


def test_all_in_is_shown_and_dealt_out():
    hand = played(Hand(0, NUTS, limit=False), "all_in", "call")
    assert hand.over and len(hand.board) == 5
    assert (hand.won(0), hand.won(1)) == (STACK, -STACK)
    assert hand.shown(0) == ["As", "Ah"] and hand.shown(1) == ["7c", "2d"]


def test_a_beaten_hand_is_thrown_away_unseen():
    hand = played(Hand(0, NUTS, limit=False), "call", "check")
    while not hand.over:
        hand.play("check")
    assert hand.won(0) == 100
    assert hand.shown(0) == ["As", "Ah"]
    assert hand.shown(1) == ["7c", "2d"], "who must show first shows"
    hand = played(Hand(1, NUTS, limit=False), "call", "check")
    while not hand.over:
        hand.play("check")
    assert hand.shown(0) == ["As", "Ah"] and hand.shown(1) is None


def test_equal_hands_split_the_pot():
    split = deck("2c", "3d", "2d", "3c", "Ah", "Kh", "Qh", "Jh", "Th")
    hand = played(Hand(0, split, limit=False), "raise_pot", "call")
    while not hand.over:
        hand.play("check")
    assert (hand.won(0), hand.won(1)) == (0, 0)


def test_limit_bets_are_fixed_and_capped():
    hand = Hand(0, NUTS, limit=True)
    bets = []
    while "raise" in hand.options():
        hand.play("raise")
        bets.append(max(hand.bet(0), hand.bet(1)))
    assert bets == [200, 300, 400, 500]
    played(hand, "call", "raise")
    assert hand.bet(1) == 100, "on the flop still the small bet"
    played(hand, "call", "check", "raise")
    assert hand.bet(0) == 200, "on the turn the large one"


def test_moves_that_are_not_possible_change_nothing():
    hand = Hand(0, NUTS, limit=False)
    with pytest.raises(GameError, match="possible are fold, call"):
        hand.play("check")
    assert hand.pot == 150 and hand.events == []


def game(preset: str = "standard", seed: int = 0) -> HoldemEnv:
    env = make_shared("holdem", preset)
    assert isinstance(env, HoldemEnv)
    env.reset(seed=seed)
    return env


def test_the_swapped_match_has_the_same_cards():
    one, other = game(seed=5), game(seed=5)
    for env, passive in ((one, "player_0"), (other, "player_1")):
        seen: list[Any] = []
        while not env.over:
            table = env.view("player_0"), env.view("player_1")
            cards = (table[0].hand, table[0].own_cards, table[1].own_cards)
            if not seen or seen[-1] != cards:
                seen.append(cards)
            agent = env.agent_selection
            legal = env.legal_moves(agent) or ()
            move = "fold" if agent == passive and "fold" in legal else "check" if "check" in legal else "call"
            env.step(env.action(agent, Move(move)))
        assert len(seen) == HANDS
        env.seen = seen  # type: ignore[attr-defined]
    assert one.seen == other.seen, "cards depend on the seed and the seat, not on how hands are played"  # type: ignore[attr-defined]


def test_the_button_alternates_and_chips_add_up():
    env = game(seed=3)
    buttons: dict[int, bool] = {}
    rng = np.random.default_rng(0)
    while not env.over:
        buttons[env.view("player_0").hand] = env.view("player_0").button
        legal = env.legal_moves(env.agent_selection) or ()
        env.step(env.action(env.agent_selection, Move(legal[rng.integers(len(legal))])))
        assert sum(env.scores().values()) == 0
    assert [buttons[number] for number in range(1, HANDS + 1)] == [number % 2 == 1 for number in range(1, HANDS + 1)]
    assert env.outcome() == "all_hands_played"
    assert "Match over" in env.text("player_0")


def seen_by(env: HoldemEnv, agent: str) -> dict[str, Any]:
    """All that a seat can see or be told."""
    observation = env.observe(agent)
    return {
        "text": env.text(agent),
        "frame": env.frame(agent).tobytes(),
        "view": env.view(agent),
        "observation": observation["observation"].tobytes(),
        "mask": observation["action_mask"].tobytes(),
        "legal": env.legal_moves(agent),
        "idle": env.idle(agent),
        "score": env.scores()[agent],
        "reward": env.rewards[agent],
        "info": dict(env.infos[agent]),
    }


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 1000),
    agent=st.sampled_from(AGENTS),
    preset=st.sampled_from(["standard", "limit"]),
    data=st.data(),
)
def test_nothing_a_seat_sees_depends_on_hidden_cards(seed: int, agent: str, preset: str, data: st.DataObject):
    """Two games in which only what is hidden from a seat differs, the other's cards and the deck to come, look the same
    to it, to the bit, along the same actions, until those cards are seen."""
    seat = AGENTS.index(agent)
    one, other = game(preset, seed), game(preset, seed)
    hidden = [card for card in one.hand._deck if card not in one.hand.hole(seat)]
    mixed = data.draw(st.permutations(hidden))
    own = one.hand.hole(seat)
    cards = [*own, *mixed] if seat == 0 else [*mixed[:2], *own, *mixed[2:]]
    other._hand = Hand(0, cards, limit=preset == "limit")
    assert other.hand.hole(seat) == own
    hand, board = one._number, one.hand.board
    for _ in range(30):
        if one.over or one._number != hand or one.hand.board != board:
            return  # the next cards have been seen, or the hand is over and was perhaps shown
        assert seen_by(one, agent) == seen_by(other, agent)
        legal = one.legal_moves(one.agent_selection) or ()
        move = data.draw(st.sampled_from(legal))
        for env in (one, other):
            env.step(env.action(env.agent_selection, Move(move)))


def test_the_test_above_would_notice_a_card():
    """The same comparison with the other seat's eyes: what it holds is different, and so is what it sees."""
    one, other = game(seed=1), game(seed=1)
    own = one.hand.hole(0)
    other._hand = Hand(0, [*own, *[card for card in reversed(DECK) if card not in own]], limit=False)
    assert seen_by(one, "player_0") == seen_by(other, "player_0")
    assert seen_by(one, "player_1") != seen_by(other, "player_1")
    assert one.render().tobytes() != other.render().tobytes(), "spectators see both hands"  # type: ignore[union-attr]


def test_what_was_shown_is_told_afterwards_and_nothing_else():
    env = game(seed=2)
    env._hand = Hand(0, NUTS, limit=False)
    for move in ("all_in", "call"):
        env.step(env.action(env.agent_selection, Move(move)))
    assert "hand 1: +200 big blinds, you had As Ah, the other showed 7c 2d" in env.text("player_0")
    env = game(seed=2)
    env._hand = Hand(0, NUTS, limit=False)
    for move in ("raise_pot", "fold"):
        env.step(env.action(env.agent_selection, Move(move)))
    assert "the other's cards stayed hidden" in env.text("player_0")
    assert "7c" not in env.text("player_0") and "As" not in env.text("player_1")


def test_unusable_answers_check_or_fold_and_forfeits_lose():
    env = game(seed=0)
    assert env.idle("player_0") == Move("fold")
    env.step(env.action("player_0", Move("call")))
    assert env.idle("player_1") == Move("check")
    ahead = game(seed=0)
    ahead._chips = [500, -500]
    ahead.forfeit("player_0")
    assert ahead.scores() == {"player_0": -200.0, "player_1": 200.0} and ahead.outcome() == "forfeit"
    cut = game(seed=0)
    cut.adjudicate()
    assert cut.over and set(cut.scores().values()) == {0.0}


@pytest.mark.parametrize(
    ("answer", "move"),
    [
        ('{"moves": ["raise_half_pot"]}', "raise_half_pot"),
        ("I have the nuts.\nMove: all-in", "all_in"),
        ('{"action": "call"}', "call"),
        ('{"moves": ["Half pot"]}', "raise_half_pot"),
        ("move: shove", "all_in"),
    ],
)
def test_answers_as_models_write_them(answer: str, move: str):
    assert [str(found) for found in parse_answer(answer, card("holdem")).moves] == [move]


def test_strengths_are_in_order():
    pairs = [("As", "Ah"), ("Ks", "Kh"), ("As", "Ks"), ("Jh", "Th"), ("9c", "8d"), ("7c", "2d")]
    assert sorted(pairs, key=before_flop, reverse=True) == pairs
    board = ("Ad", "9h", "4s")
    made = [("Ac", "As"), ("Ac", "9c"), ("Ah", "Kc"), ("9d", "Kc"), ("4d", "5c"), ("7c", "2d")]
    assert sorted(made, key=lambda cards: after_flop(cards, board), reverse=True) == made
    assert after_flop(("7h", "2h"), ("Ah", "9h", "4s")) > after_flop(("7c", "2d"), ("Ah", "9h", "4s")), "a flush draw"


def test_the_scripted_player_beats_chance():
    total = 0.0
    for seed in range(12):
        env = make_shared("holdem", render_mode=None)
        total += play_shared(env, ("scripted", "random"), seed)[0] + play_shared(env, ("random", "scripted"), seed)[1]
    assert total > 0


def test_wrong_modes_are_told():
    with pytest.raises(UsageError, match="rgb_array"):
        HoldemEnv(render_mode="human")
    with pytest.raises(GameError, match="reset"):
        HoldemEnv().text("player_0")
    assert all(side % 32 == 0 for side in game().frame("player_0").shape[:2])
