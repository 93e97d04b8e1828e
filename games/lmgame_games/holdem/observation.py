"""The observation of a seat as numbers."""

import numpy as np

from lmgame_games.holdem.deck import DECK
from lmgame_games.holdem.stakes import BOARD, STREETS
from lmgame_games.holdem.view import SeatView

_STATE = 12
NUMBERS = 2 * len(DECK) + len(STREETS) + 2 * len(STREETS) + _STATE
"""Length of an observation."""


def observation(view: SeatView) -> np.ndarray:
    """What the seat knows of the present hand, float32 (NUMBERS,); all chips in big blinds.

    In this order: own cards, 52 numbers in the order of `DECK`, 1 where the seat holds it; cards of the board alike;
    the street, one of 4; chips put in on each street by the seat, 4, and by the other one, 4; button (1 where the seat
    has it); whether it is the seat's turn; hands that are left, this one included; score; pot; to call; bets of this
    street, own and other; stacks, own and other; bets and raises on this street; whether the other one is all in.
    Once the match is over, the score alone is left.
    """
    if view.own is None:
        over = np.zeros(NUMBERS, np.float32)
        over[-_STATE + 3] = view.score
        return over
    blind, street = view.stakes.big_blind, BOARD.index(len(view.board))
    own, other = _put_in(view)
    return np.array(
        [
            *(card in view.own for card in DECK),
            *(card in view.board for card in DECK),
            *(number == street for number in range(len(STREETS))),
            *(chips / blind for chips in (*own, *other)),
            view.button,
            bool(view.acting),
            view.stakes.hands - view.number + 1,
            view.score,
            *(chips / blind for chips in (view.pot, view.to_call, *view.bets, *view.stacks)),
            sum(act.name in ("bet", "raise") and act.street == street for act in view.acts),
            view.stacks[1] == 0,
        ],
        np.float32,
    )


def _put_in(view: SeatView) -> tuple[list[int], list[int]]:
    """Chips put in on each street by the seat and by the other one, blinds included."""
    stakes = view.stakes
    blinds = (stakes.small_blind, stakes.big_blind) if view.button else (stakes.big_blind, stakes.small_blind)
    found = [blinds[0], 0, 0, 0], [blinds[1], 0, 0, 0]
    for act in view.acts:
        side = found[0 if act.seat == view.seat else 1]
        side[act.street] = act.chips if act.name in ("bet", "raise") else side[act.street] + act.chips
    return found
