"""Playing cards, and what a seed deals."""

from dataclasses import dataclass

import numpy as np

RANKS, SUITS = "23456789TJQKA", "cdhs"
DECK = tuple(rank + suit for rank in RANKS for suit in SUITS)
"""All 52 cards as rank and suit, such as `Th` for the ten of hearts; lowest rank first."""

type Pair = tuple[str, str]
"""The two cards that a seat holds."""


@dataclass(frozen=True, slots=True)
class Deal:
    """The cards of one hand, all of them drawn before it begins, so that no bet changes what comes."""

    held: tuple[Pair, Pair]
    """By seat."""
    board: tuple[str, ...]
    """Five cards: three of the flop, one of the turn, one of the river."""


def draw_deals(generator: np.random.Generator, hands: int) -> tuple[Deal, ...]:
    """The cards of so many hands, each from a full deck: the first nine of a Fisher-Yates shuffle.

    From raw draws: NumPy promises stable streams for bit generators, not for the distributions over them.
    """
    found: list[Deal] = []
    for _ in range(hands):
        deck = list(DECK)
        for place in range(9):
            raw = int(generator.bit_generator.random_raw())  # type: ignore[attr-defined]
            chosen = place + raw % (len(deck) - place)
            deck[place], deck[chosen] = deck[chosen], deck[place]
        # One card each at a time, as at a table.
        found.append(Deal(((deck[0], deck[2]), (deck[1], deck[3])), tuple(deck[4:9])))
    return tuple(found)
