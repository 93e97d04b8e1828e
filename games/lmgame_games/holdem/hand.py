"""One hand of heads-up hold'em. The rules are pokerkit's; which cards come is ours."""

import random
from collections.abc import Sequence

from pokerkit import Automation, FixedLimitTexasHoldem, HoleCardsShowingOrMucking, NoLimitTexasHoldem, State

from lmgame_common import GameError
from lmgame_games.holdem.stakes import BIG_BLIND, LIMIT, NO_LIMIT, SMALL_BLIND, STACK

RANKS, SUITS = "23456789TJQKA", "cdhs"
DECK = tuple(rank + suit for rank in RANKS for suit in SUITS)

STREETS = ("before the flop", "on the flop", "on the turn", "on the river")
_BOARD = (0, 3, 1, 1)
"""Cards that come to the board at the beginning of each street."""

_AUTOMATIONS = (
    Automation.ANTE_POSTING,
    Automation.BET_COLLECTION,
    Automation.BLIND_OR_STRADDLE_POSTING,
    Automation.RUNOUT_COUNT_SELECTION,
    Automation.HOLE_CARDS_SHOWING_OR_MUCKING,
    Automation.HAND_KILLING,
    Automation.CHIPS_PUSHING,
    Automation.CHIPS_PULLING,
)


class Hand:
    """A hand between seats 0 and 1.

    Heads-up, the button posts the small blind and acts first before the flop, last from then on. Hands are shown as at
    a table: the winner's and, where all is in, both; a beaten hand is thrown away unseen.

    Args:
        button: The seat with the button.
        deck: Cards in the order they come: two for seat 0, two for seat 1, five for the board.
        limit: Whether bets are of fixed size.
    """

    def __init__(self, button: int, deck: Sequence[str], *, limit: bool) -> None:
        self.button, self.limit = button, limit
        self._deck = list(deck)
        self._state = _state(limit)
        self.events: list[str] = []
        """What everybody has seen, in order: `B` stands for the button, `N` for the other one."""
        for round_ in (0, 1):
            for player in (0, 1):  # the one without the button gets the first card
                self._state.deal_hole(self._deck[2 * self._seat(player) + round_])
        self._next_card = 4

    def _seat(self, player: int) -> int:
        """The seat of a player in pokerkit's order, in which the one without the button comes first."""
        return self.button if player == 1 else 1 - self.button

    def _player(self, seat: int) -> int:
        return 1 if seat == self.button else 0

    @property
    def over(self) -> bool:
        """Whether the hand is decided."""
        return not self._state.status

    @property
    def to_move(self) -> int | None:
        """The seat that is to act; None once the hand is over."""
        actor = self._state.actor_index
        return None if actor is None or self.over else self._seat(actor)

    @property
    def street(self) -> int:
        """0 before the flop, then 1, 2, 3."""
        return {0: 0, 3: 1, 4: 2}.get(len(self.board), 3)

    @property
    def board(self) -> list[str]:
        """The common cards, such as `['Ah', '7c', '2d']`."""
        return [repr(card) for cards in self._state.board_cards for card in cards]

    def hole(self, seat: int) -> list[str]:
        """The two cards dealt to a seat."""
        return self._deck[2 * seat : 2 * seat + 2]

    def stack(self, seat: int) -> int:
        """Chips in front of a seat that are not bet."""
        return int(self._state.stacks[self._player(seat)])

    def bet(self, seat: int) -> int:
        """Chips that a seat has put in on this street."""
        return int(self._state.bets[self._player(seat)])

    @property
    def pot(self) -> int:
        """All chips put in, on this street too."""
        return int(self._state.total_pot_amount)

    def to_call(self, seat: int) -> int:
        """Chips that a seat needs to stay in; 0 if it may check, or isn't to act."""
        return int(self._state.checking_or_calling_amount or 0) if self.to_move == seat else 0

    def won(self, seat: int) -> int:
        """Chips a seat has won in this hand once it is over, negative if lost."""
        return int(self._state.payoffs[self._player(seat)]) if self.over else 0

    def shown(self, seat: int) -> list[str] | None:
        """A seat's cards as far as everybody has seen them; None while they are hidden, and where they stay so."""
        player = self._player(seat)
        for operation in self._state.operations:
            if isinstance(operation, HoleCardsShowingOrMucking) and operation.player_index == player:
                return self.hole(seat) if operation.hole_cards else None
        return None

    def options(self) -> dict[str, int]:
        """What the seat to act can do: each move with the chips it makes the seat's bet on this street come to.

        Of moves that come to the same amount only the first one is there.
        """
        seat = self.to_move
        if seat is None:
            return {}
        state, own = self._state, self.bet(seat)
        call = self.to_call(seat)
        found = {"fold": own, "call": own + call} if call else {"check": own}
        if not state.can_complete_bet_or_raise_to():
            return found
        least = int(state.min_completion_betting_or_raising_to_amount or 0)
        most = int(state.max_completion_betting_or_raising_to_amount or 0)
        highest, pot = max(int(bet) for bet in state.bets), self.pot + call
        if self.limit:
            return found | {LIMIT[0].name: least}
        for size in NO_LIMIT:
            if size.name == "all_in":
                amount = most
            else:
                amount = least if size.pots is None else highest + pot * size.pots[0] // size.pots[1]
                if not least <= amount < most:
                    continue
            if amount not in found.values():
                found[size.name] = amount
        return found

    def play(self, name: str) -> None:
        """Play a move of the seat to act. Raises GameError for one that is not among its `options`."""
        amounts, seat = self.options(), self.to_move
        if seat is None or name not in amounts:
            raise GameError(f"{name!r} is not possible now; possible are {', '.join(amounts) or 'no moves'}.")
        who, call = "B" if seat == self.button else "N", self.to_call(seat)
        if name == "fold":
            self.events.append(f"{who} folds")
            self._state.fold()
        elif name in ("check", "call"):
            self.events.append(f"{who} calls {call}" if call else f"{who} checks")
            self._state.check_or_call()
        else:
            raises = any(self.bet(one) for one in (0, 1))
            self.events.append(f"{who} {'raises to' if raises else 'bets'} {amounts[name]}")
            self._state.complete_bet_or_raise_to(amounts[name])
        self._deal_board()

    def _deal_board(self) -> None:
        """Deal what the rules ask for before somebody can act again."""
        state = self._state
        while state.can_burn_card():
            state.burn_card("??")  # nobody ever sees it, so it needs no place in the deck
            count = _BOARD[self.street + 1]
            cards = self._deck[self._next_card : self._next_card + count]
            self._next_card += count
            state.deal_board("".join(cards))
            self.events.append(f"{('flop', 'turn', 'river')[self.street - 1]} {' '.join(cards)}")


def _state(limit: bool) -> State:
    """A new hand of pokerkit's. It shuffles a deck of its own with Python's global generator, which is put back: the
    cards that come are ours."""
    before = random.getstate()
    try:
        blinds, stacks = (SMALL_BLIND, BIG_BLIND), (STACK, STACK)
        if limit:
            return FixedLimitTexasHoldem.create_state(
                _AUTOMATIONS, True, 0, blinds, BIG_BLIND, 2 * BIG_BLIND, stacks, 2
            )
        return NoLimitTexasHoldem.create_state(_AUTOMATIONS, True, 0, blinds, BIG_BLIND, stacks, 2)
    finally:
        random.setstate(before)
