"""The scripted player of hold'em, and the strength of hands that it goes by."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pokerkit import StandardHighHand

from lmgame_games.baselines import play_shared
from lmgame_games.core import Move
from lmgame_games.holdem.deck import DECK, Deal
from lmgame_games.holdem.env import HoldemEnv
from lmgame_games.holdem.player import HoldemPlayer
from lmgame_games.holdem.strength import equity, strength

HANDS = [
    ("As Ks Qs Js Ts 2c 3d", 8),
    ("5h 4h 3h 2h Ah Kd Kc", 8),
    ("9c 9d 9h 9s Kd Kc 2h", 7),
    ("9c 9d 9h Ks Kd Kc 2h", 6),
    ("9c 9d 9h Ks Kd 2c 2h", 6),
    ("Ah 9h 7h 4h 2h Ad Ac", 5),
    ("Ad 2c 3h 4s 5d Kc Kh", 4),
    ("Td Jc Qh Ks Ad 2c 2h", 4),
    ("7d 7c 7h Ks Ad 2c 4h", 3),
    ("7d 7c 5h 5s Ad Ac 4h", 2),
    ("7d 7c 5h Ks Ad 2c 4h", 1),
    ("7d 9c 5h Ks Ad 2c 4h", 0),
]


def test_kinds_of_hands():
    for cards, kind in HANDS:
        assert strength(cards.split())[0] == kind, cards


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(DECK), min_size=9, max_size=9, unique=True), st.booleans())
def test_strength_orders_hands_as_pokerkit_does(cards: list[str], suited: bool):
    if suited:  # more flushes and straights than chance gives
        near = sorted(cards, key=lambda card: (card[1], DECK.index(card)))
        cards = near[:2] + near[7:] + near[2:7]
    board = cards[4:]
    one, other = cards[:2], cards[2:4]
    theirs = [StandardHighHand.from_game("".join(held), "".join(board)) for held in (one, other)]
    ours = [strength(held + board) for held in (one, other)]
    assert (ours[0] > ours[1]) == (theirs[0] > theirs[1])
    assert (ours[0] == ours[1]) == (theirs[0] == theirs[1])


def test_equity_is_near_what_is_known():
    """Against any two cards: aces win 85.2 %, seven and deuce of two suits 34.6 % (all boards counted)."""
    assert abs(equity(("As", "Ah"), (), 2000) - 0.852) < 0.035
    assert abs(equity(("7s", "2h"), (), 2000) - 0.346) < 0.045
    assert equity(("2c", "3d"), ("As", "Ks", "Qs", "Js", "Ts"), 50) == 0.5
    assert equity(("As", "Ks"), ("Qs", "Js", "Ts"), 50) == 1.0


def on_the_river(board: str, own: str, *before: str) -> HoldemEnv:
    """player_1 to act as the big blind after these moves."""
    held = tuple(own.split())
    rest = [name for name in DECK if name not in held and name not in board]
    game = HoldemEnv()
    game.reset(seed=0)
    game._deal_match((Deal(((rest[0], rest[1]), (held[0], held[1])), tuple(board.split())),) * 20)
    for move in before:
        game.step(game.action(game.agent_selection, Move(move)))
    assert game.agent_selection == "player_1"
    return game


CHECKED = ("call", "check", "check", "check", "check", "check")


def test_it_bets_the_best_hand_and_folds_the_worst():
    best = on_the_river("As Ks Qs 2d 7h", "Js Ts", *CHECKED)
    assert HoldemPlayer(best.seat("player_1")).act() == [Move("raise_pot")]
    for move in ("check", "all_in"):
        best.step(best.action(best.agent_selection, Move(move)))
    assert HoldemPlayer(best.seat("player_1")).act() == [Move("call")]
    worst = on_the_river("As Ks Qs Jd 9h", "2d 3c", *CHECKED, "check", "raise_pot")
    assert HoldemPlayer(worst.seat("player_1")).act() == [Move("fold")]
    free = on_the_river("As Ks Qs Jd 9h", "2d 3c", *CHECKED)
    assert HoldemPlayer(free.seat("player_1")).act() == [Move("check")]


def test_it_beats_chance():
    game = HoldemEnv("limit")
    won = [play_shared(game, ("scripted", "random"), seed)[0] for seed in range(4)]
    won += [play_shared(game, ("random", "scripted"), seed)[1] for seed in range(4)]
    assert np.mean(won) > 5
