"""Stakes and betting structures, in chips.

Stacks of 200 big blinds that are new in every hand are those of the Annual Computer Poker Competition's no-limit game
("Doyle's game": http://www.computerpokercompetition.org); so what is won doesn't depend on the order of hands.
"""

from dataclasses import dataclass

HANDS = 20
"""Hands of a match; an even number, so that each seat has the button in half of them."""
SMALL_BLIND, BIG_BLIND = 50, 100
STACK = 20_000


@dataclass(frozen=True, slots=True)
class Raise:
    """A bet or raise of a certain size."""

    name: str
    does: str
    pots: tuple[int, int] | None = None
    """How many times the pot, after calling, is put on top of the call, as a fraction; None for the least that is
    possible, or, for `all_in`, everything."""


NO_LIMIT = (
    Raise("raise_min", "bet or raise the least that is allowed"),
    Raise("raise_half_pot", "bet or raise half of the pot", (1, 2)),
    Raise("raise_pot", "bet or raise the pot", (1, 1)),
    Raise("raise_two_pots", "bet or raise twice the pot", (2, 1)),
    Raise("all_in", "bet or raise all your chips"),
)
"""Sizes of bets, from small to large."""

LIMIT = (Raise("raise", "bet or raise by the fixed amount"),)
