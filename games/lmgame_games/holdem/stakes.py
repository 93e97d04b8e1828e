"""What is played for: blinds, stacks, and the bets that can be chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, field

STREETS = ("before the flop", "flop", "turn", "river")
BOARD = (0, 3, 4, 5)
"""Cards on the board, by street."""


@dataclass(frozen=True, slots=True)
class Stakes:
    """Amounts in chips; stacks are full again before every hand.

    Raises are counted as at a table: to which bet a seat raises, not by how much. `sizes` maps the name of a raise to
    the part of the pot by which it goes beyond the other's bet, the pot taken as it is once that bet is called.
    """

    hands: int
    """Hands of a match; even, so that each seat has the button as often."""
    small_blind: int
    big_blind: int
    stack: int
    bets: tuple[int, int, int, int]
    """Least bet and raise, by street; in fixed limit the only one."""
    most_raises: tuple[int, int, int, int] | None = None
    """Most bets and raises, by street, both seats together, blinds not counted; None: no limit."""
    sizes: Mapping[str, float] = field(default_factory=dict)

    @property
    def limit(self) -> bool:
        """Whether there is one size of raise only."""
        return self.most_raises is not None


NO_LIMIT = Stakes(
    hands=20,
    small_blind=50,
    big_blind=100,
    stack=20_000,
    bets=(100, 100, 100, 100),
    sizes={"raise_third_pot": 1 / 3, "raise_half_pot": 1 / 2, "raise_pot": 1, "raise_two_pots": 2},
)
"""Blinds and stacks of the Annual Computer Poker Competition's no-limit event (`holdem.nolimit.2p.reverse_blinds`)."""
LIMIT = Stakes(
    hands=20,
    small_blind=50,
    big_blind=100,
    stack=20_000,
    bets=(100, 100, 200, 200),
    most_raises=(3, 4, 4, 4),
)
"""Four bets a street, of which the big blind is the first one before the flop, as in the competition's limit event
(`holdem.limit.2p.reverse_blinds`, `maxRaises = 3 4 4 4`). No more than 2,400 chips can be bet in a hand."""
