"""Texas hold'em: the rules of one hand, matches of several, endings and views."""

import itertools

import numpy as np
import pytest

from lmgame_agents.parser import parse_answer
from lmgame_common import GameError, UnknownNameError, UsageError
from lmgame_games import Move, card
from lmgame_games.baselines import random_move
from lmgame_games.holdem.deck import DECK, Deal, draw_deals
from lmgame_games.holdem.env import HoldemEnv
from lmgame_games.holdem.hand import Hand
from lmgame_games.holdem.observation import NUMBERS
from lmgame_games.holdem.stakes import LIMIT, NO_LIMIT, Stakes
from lmgame_games.holdem.view import PAST
from lmgame_games.shared import AGENTS
from lmgame_games.testing import check_shared_game

ACES_BEAT_KINGS = Deal((("As", "Ah"), ("Ks", "Kh")), ("2c", "7d", "8h", "Tc", "3s"))
BOARD_PLAYS = Deal((("2c", "3d"), ("2h", "3c")), ("As", "Ks", "Qs", "Js", "Ts"))


def played(*names: str, deal: Deal = ACES_BEAT_KINGS, button: int = 0, stakes: Stakes = NO_LIMIT) -> Hand:
    hand = Hand(deal, button, stakes)
    for name in names:
        hand.play(name)
    return hand


@pytest.mark.parametrize("preset", ["standard", "limit"])
def test_it_keeps_the_contract(preset: str):
    check_shared_game("holdem", preset, seeds=(0,), steps=120)


def test_the_button_posts_the_small_blind_and_acts_first_before_the_flop_and_last_after_it():
    for button in (0, 1):
        hand = played(button=button)
        assert hand.to_act == button
        assert hand.bets[button] == 50 and hand.bets[1 - button] == 100 and hand.pot == 150
        hand.play("call")
        assert hand.to_act == 1 - button and hand.street == 0
        for street in (1, 2, 3):
            hand.play("check")
            if street > 1:
                hand.play("check")
            assert hand.street == street and hand.to_act == 1 - button
            assert hand.board == ACES_BEAT_KINGS.board[: street + 2]


def test_the_big_blind_may_raise_though_everybody_called():
    assert list(played("call").choices()) == ["check", "raise_min", "raise_pot", "raise_two_pots", "all_in"]


def test_raises_are_at_least_the_last_one():
    hand = played()
    assert hand.choices()["raise_min"] == 200
    hand.play("raise_pot")  # to 300: 200 more than the blind
    assert hand.choices()["raise_min"] == 500
    hand.play("raise_min")
    assert hand.choices() == {
        "fold": 0,
        "call": 200,
        "raise_min": 700,
        "raise_third_pot": 833,  # 500 and a third of the 1000 that lie there once the bet is called
        "raise_half_pot": 1000,
        "raise_pot": 1500,
        "raise_two_pots": 2500,
        "all_in": 20_000,
    }


def test_names_of_raises_never_come_to_the_same():
    for seed in range(20):
        hand, random = Hand(ACES_BEAT_KINGS, 0, NO_LIMIT), np.random.default_rng(seed)
        while not hand.over:
            choices = hand.choices()
            amounts = [chips for name, chips in choices.items() if name not in ("fold", "check", "call")]
            assert amounts == sorted(set(amounts))
            hand.play(list(choices)[int(random.integers(len(choices)))])


def test_who_folds_loses_what_was_put_in_and_an_uncalled_bet_goes_back():
    hand = played("raise_pot", "call", "check", "all_in", "fold")
    assert hand.over and hand.net == (300, -300)
    assert hand.shown == (None, None)


def test_the_better_hand_wins_and_what_loses_is_mucked():
    hand = played("call", "check", *["check"] * 6)
    assert hand.net == (100, -100)
    assert hand.shown == (("As", "Ah"), ("Ks", "Kh")), "the big blind shows first where nobody bet"
    hand = played("call", "check", *["check"] * 6, button=1)
    assert hand.net == (100, -100)
    assert hand.shown == (("As", "Ah"), None)


def test_who_bet_last_shows_first():
    hand = played("call", "check", *["check"] * 5, "raise_min", "call", button=1)
    assert hand.acts[-2].seat == 1 and hand.acts[-2].name == "bet"
    assert hand.shown == (("As", "Ah"), ("Ks", "Kh"))


def test_the_board_is_dealt_out_when_all_is_in():
    hand = played("all_in", "call")
    assert hand.over and len(hand.board) == 5 and hand.net == (20_000, -20_000)
    assert hand.shown == (("As", "Ah"), ("Ks", "Kh"))
    assert [act.all_in for act in hand.acts] == [True, True]
    assert set(played("all_in").choices()) == {"fold", "call"}


def test_a_pot_is_split_where_the_board_is_best():
    hand = played("all_in", "call", deal=BOARD_PLAYS)
    assert hand.over and hand.net == (0, 0)


def test_in_limit_four_bets_are_the_most():
    hand = played(stakes=LIMIT)
    for amount in (200, 300, 400):  # the big blind is the first bet
        assert hand.choices()["raise"] == amount
        hand.play("raise")
    assert set(hand.choices()) == {"fold", "call"}
    hand.play("call")
    for street, size in ((1, 100), (2, 200), (3, 200)):
        assert hand.street == street
        for number in range(1, 5):
            assert hand.choices()["raise"] == number * size
            hand.play("raise")
        assert "raise" not in hand.choices()
        hand.play("call")
    assert hand.over and hand.net == (2400, -2400)


def test_an_impossible_act_changes_nothing():
    hand = played("call")
    with pytest.raises(GameError, match="possible are check"):
        hand.play("call")
    assert hand.to_act == 1 and len(hand.acts) == 1


def test_deals_are_whole_and_the_seed_s():
    deals = draw_deals(np.random.default_rng(3), 50)
    for deal in deals:
        cards = [*itertools.chain(*deal.held), *deal.board]
        assert len(set(cards)) == 9 and set(cards) <= set(DECK)
    assert deals == draw_deals(np.random.default_rng(3), 50)
    assert len(set(deals)) == 50
    seen = {held for deal in deals for pair in deal.held for held in pair}
    assert len(seen) > 40


def match(first: dict[str, float], second: dict[str, float], seed: int) -> tuple[dict[str, float], list[Deal]]:
    """A match between two players that are told apart by what they like to do."""
    game = HoldemEnv()
    game.reset(seed=seed)
    deals, step = list(game._deals), 0
    while not game.over:
        agent = game.agent_selection
        tastes = first if agent == AGENTS[0] else second
        legal = game.legal_moves(agent) or ()
        weights = np.array([tastes.get(name, 0.1) for name in legal])
        chosen = np.random.default_rng([seed, step]).choice(len(legal), p=weights / weights.sum())
        game.step(game.action(agent, Move(legal[chosen])))
        step += 1
    assert sum(game.scores().values()) == 0
    return game.scores(), deals


def test_seats_get_the_same_cards_whoever_sits_there():
    bold, careful = {"all_in": 1.0, "raise_pot": 1.0}, {"fold": 1.0, "check": 2.0}
    (one, deals), (_, twin) = match(bold, careful, 5), match(careful, bold, 5)
    assert deals == twin, "the swapped match is duplicate poker"
    (same, _), (again, _) = match(bold, bold, 5), match(bold, bold, 5)
    assert same == again and one != same


def test_hands_alternate_the_button_and_scores_are_big_blinds():
    game = HoldemEnv()
    game.reset(seed=0)
    for number in range(1, NO_LIMIT.hands + 1):
        button = AGENTS[(number - 1) % 2]
        assert game.agent_selection == button and game.view(button).button and game.view(button).number == number
        game.step(game.action(button, Move("fold")))
        assert game.rewards[button] == -1.0, "half a big blind lost, which the other one has won"
    assert game.over and game.outcome() == "all_hands_played"
    assert game.scores() == {"player_0": 0.0, "player_1": 0.0}
    assert "draw" in game.text("player_0") and len(game.view("player_0").past) == PAST


def test_a_forfeit_loses_whatever_was_won_before():
    game = HoldemEnv()
    game.reset(seed=0)
    game._deal_match((ACES_BEAT_KINGS,) * NO_LIMIT.hands)
    for move in ("all_in", "call"):
        game.step(game.action(game.agent_selection, Move(move)))
    assert game.scores() == {"player_0": 200.0, "player_1": -200.0}
    game.forfeit("player_0")
    assert game.over and game.outcome() == "forfeit"
    assert game.scores() == {"player_0": -200.0, "player_1": 200.0}
    assert game.rewards == {"player_0": -800.0, "player_1": 800.0}
    behind = HoldemEnv()
    behind.reset(seed=0)
    behind._deal_match((ACES_BEAT_KINGS,) * NO_LIMIT.hands)
    for move in ("all_in", "call"):
        behind.step(behind.action(behind.agent_selection, Move(move)))
    behind.forfeit("player_1")
    assert behind.scores() == {"player_0": 400.0, "player_1": -400.0}, "giving up is never worth it"


def test_a_hand_cut_short_is_void():
    game = HoldemEnv()
    game.reset(seed=0)
    game.step(game.action("player_0", Move("all_in")))
    game.adjudicate()
    assert game.outcome() == "adjudicated" and set(game.scores().values()) == {0.0}


def test_an_unusable_answer_checks_or_folds():
    game = HoldemEnv()
    game.reset(seed=0)
    assert game.idle("player_0") == Move("fold")
    game.step(game.action("player_0", Move("call")))
    assert game.idle("player_1") == Move("check")
    problem = game.problem("player_1", Move("fold"))
    assert problem is not None and "possible are check" in problem
    with pytest.raises(GameError):
        game.action("player_0", Move("check"))  # not its turn
    with pytest.raises(GameError, match="no action"):
        game.step(99)


def test_text_tells_what_a_player_needs():
    game = HoldemEnv()
    game.reset(seed=0)
    game._deal_match((ACES_BEAT_KINGS,) * NO_LIMIT.hands)
    for move in ("raise_pot", "call", "check", "check", "check", "check", "check", "raise_half_pot", "call"):
        game.step(game.action(game.agent_selection, Move(move)))
    game.step(game.action("player_1", Move("call")))
    assert game.text("player_0").splitlines() == [
        "Hand 2 of 20. Your turn. Your score before this hand: +6 big blinds",
        "Button and small blind 50: the other player. Big blind 100: you",
        "Your cards: As Ah",
        "Board: none yet (before the flop)",
        "Pot: 200. On this street: you 100, the other player 100",
        "Chips left: you 19900, the other player 19900",
        "This hand: other calls 50",
        "You can: check; raise_min to 200; raise_pot to 300; raise_two_pots to 500; all_in to 20000",
        "Hand 1 (you button, As Ah): you raise to 300, other calls 200 [2c 7d 8h] other checks, you check [Tc] other "
        "checks, you check [3s] other checks, you bet 300, other calls 300; other mucks; you win 600",
    ]
    assert "other shows As Ah; you muck; you lose 600" in game.text("player_1")
    assert "Ks" in game.text("player_1") and "Ks" not in game.text("player_0")


def test_observations_are_numbers_of_what_is_known():
    game = HoldemEnv()
    game.reset(seed=0)
    game._deal_match((ACES_BEAT_KINGS,) * NO_LIMIT.hands)
    game.step(game.action("player_0", Move("raise_pot")))
    game.step(game.action("player_1", Move("call")))
    seen = game.observe("player_1")["observation"]
    assert seen.shape == (NUMBERS,) and seen.dtype == np.float32
    assert {DECK[number] for number in np.flatnonzero(seen[:52])} == {"Ks", "Kh"}
    assert {DECK[number] for number in np.flatnonzero(seen[52:104])} == {"2c", "7d", "8h"}
    assert seen[104:108].tolist() == [0, 1, 0, 0]
    assert seen[108:116].tolist() == [3, 0, 0, 0, 3, 0, 0, 0]
    assert seen[116:].tolist() == [0, 1, 20, 0, 6, 0, 0, 0, 197, 197, 0, 0]
    assert game.observe("player_0")["action_mask"].sum() == 0, "it is not this seat's turn"
    assert game.observe("player_1")["action_mask"].tolist() == [0, 1, 0, 1, 1, 1, 1, 1, 1]


def test_frames_show_the_table():
    game = HoldemEnv(render_mode="rgb_array")
    game.reset(seed=0)
    first, spectators = game.frame("player_0"), game.render()
    assert all(side % 32 == 0 for side in first.shape[:2])
    assert spectators is not None and spectators.shape == first.shape
    assert not np.array_equal(first, spectators) and not np.array_equal(first, game.frame("player_1"))
    assert HoldemEnv().render() is None


@pytest.mark.parametrize(
    ("preset", "answer", "move"),
    [
        ("standard", '{"moves": ["call"]}', "call"),
        ("standard", "I have the odds.\nmove: all-in", "all_in"),
        ("standard", '{"move": "All in"}', "all_in"),
        ("standard", '{"action": "Bet half pot"}', "raise_half_pot"),
        ("standard", "**Move:** raise pot", "raise_pot"),
        ("standard", '{"moves": ["raise"]}', "raise_min"),
        ("limit", '{"moves": ["bet"]}', "raise"),
        ("limit", '{"moves": ["Fold"]}', "fold"),
    ],
)
def test_answers_as_models_write_them(preset: str, answer: str, move: str):
    assert [str(found) for found in parse_answer(answer, card("holdem", preset)).moves] == [move]


def test_random_play_stays_within_the_decisions_of_the_card():
    for seed in range(3):
        game = HoldemEnv("limit")
        game.reset(seed=seed)
        decisions = dict.fromkeys(AGENTS, 0)
        while not game.over:
            agent = game.agent_selection
            game.step(game.action(agent, random_move(game.seat(agent), seed, decisions[agent])))
            decisions[agent] += 1
        assert max(decisions.values()) < game.card.max_decisions


def test_wrong_names_and_modes_are_told():
    with pytest.raises(UnknownNameError, match="standard"):
        HoldemEnv("pot_limit")
    with pytest.raises(UsageError, match="rgb_array"):
        HoldemEnv(render_mode="human")
    with pytest.raises(GameError, match="reset"):
        HoldemEnv().step(0)
    with pytest.raises(GameError, match="reset"):
        HoldemEnv().text("player_0")
