"""One hand of heads-up hold'em. pokerkit knows the rules; the cards and the names of bets are ours."""

from dataclasses import dataclass

from pokerkit import Automation, BettingStructure, Deck, HoleCardsShowingOrMucking, Opening, StandardHighHand, Street
from pokerkit import State as Table

from lmgame_common import GameError
from lmgame_games.holdem.deck import Deal, Pair
from lmgame_games.holdem.stakes import BOARD, Stakes

_AUTOMATIONS = (
    Automation.ANTE_POSTING,
    Automation.BET_COLLECTION,
    Automation.HOLE_CARDS_SHOWING_OR_MUCKING,
    Automation.HAND_KILLING,
    Automation.CHIPS_PUSHING,
    Automation.CHIPS_PULLING,
)


@dataclass(frozen=True, slots=True)
class Act:
    """What a seat did."""

    street: int
    """0 before the flop, 1 on the flop, 2 on the turn, 3 on the river."""
    seat: int
    name: str
    """`fold`, `check`, `call`, `bet` or `raise`."""
    chips: int
    """Of a call what was added, of a bet or raise the bet it came to; else 0."""
    all_in: bool


class Hand:
    """One hand between two seats with full stacks.

    The button posts the small blind and acts first before the flop, and last from then on. Where a seat is all in, the
    rest of the board is dealt with both hands shown. At a showdown, who bet or raised last on the river shows first
    (nobody did: who acted first there), and the other one shows only what doesn't lose.

    Args:
        deal: The cards.
        button: The seat that has the button.
        stakes: What is played for.
    """

    def __init__(self, deal: Deal, button: int, stakes: Stakes) -> None:
        self.deal, self.button, self.stakes = deal, button, stakes
        self.acts: list[Act] = []
        self.shown: tuple[Pair | None, Pair | None] = (None, None)
        """What each seat has shown to the other, once the hand is over; None for cards that were folded, mucked, or
        never asked for."""
        self._choices: dict[str, int] | None = None
        raises = stakes.most_raises or (None,) * 4
        # The deck is empty until the table stands, or pokerkit would shuffle it with the global generator.
        self._table = Table(
            _AUTOMATIONS,
            (),  # type: ignore[arg-type]
            (StandardHighHand,),
            tuple(
                Street(
                    card_burning_status=False,
                    hole_dealing_statuses=(False, False) if street == 0 else (),
                    board_dealing_count=BOARD[street] - BOARD[max(street - 1, 0)],
                    draw_status=False,
                    opening=Opening.POSITION,
                    min_completion_betting_or_raising_amount=stakes.bets[street],
                    max_completion_betting_or_raising_count=raises[street],
                )
                for street in range(4)
            ),
            BettingStructure.FIXED_LIMIT if stakes.limit else BettingStructure.NO_LIMIT,
            True,
            0,
            (stakes.small_blind, stakes.big_blind),
            0,
            stakes.stack,
            2,
        )
        self._table.deck_cards.extend(Deck.STANDARD)
        for _ in range(2):
            self._table.post_blind_or_straddle()
        for place in range(2):
            self._table.deal_hole("".join(deal.held[self._seat(place)]), place)

    def _seat(self, place: int) -> int:
        """The seat at a place of pokerkit's table, where the button is place 1 and the big blind place 0; the same the
        other way round."""
        return self.button if place == 1 else 1 - self.button

    def _by_seat(self, values: list[int]) -> tuple[int, int]:
        return values[self._seat(0)], values[self._seat(1)]

    @property
    def over(self) -> bool:
        """Whether the hand has been decided."""
        return not self._table.status

    @property
    def to_act(self) -> int | None:
        """The seat that is to act; None once the hand is over."""
        place = self._table.actor_index
        return None if place is None else self._seat(place)

    @property
    def street(self) -> int:
        """As of `Act`: the street on which the last cards were dealt."""
        return BOARD.index(len(self.board))

    @property
    def board(self) -> tuple[str, ...]:
        """The cards on the board."""
        return self.deal.board[: sum(len(cards) for cards in self._table.board_cards)]

    @property
    def bets(self) -> tuple[int, int]:
        """Chips bet on this street and not yet in the middle, by seat."""
        return self._by_seat(self._table.bets)

    @property
    def stacks(self) -> tuple[int, int]:
        """Chips behind, by seat."""
        return self._by_seat(self._table.stacks)

    @property
    def pot(self) -> int:
        """All chips that have been bet in this hand."""
        return 2 * self.stakes.stack - sum(self._table.stacks)

    @property
    def net(self) -> tuple[int, int]:
        """Chips won or lost, by seat; only once the hand is over."""
        return self._by_seat(self._table.payoffs)

    def choices(self) -> dict[str, int]:
        """What the seat to act can do, by name, and the chips it comes to: 0 for a fold or check, of a call what is
        added, of a raise the bet it comes to. Raises rise from one to the next: a size that comes to no more than the
        one before isn't there, nor one that comes to all chips, but as `all_in`."""
        if self._choices is None:
            self._choices = self._possible()
        return dict(self._choices)

    def _possible(self) -> dict[str, int]:
        table, stakes = self._table, self.stakes
        place, to_call = table.actor_index, table.checking_or_calling_amount
        if place is None or to_call is None:
            return {}
        found = {"fold": 0, "call": to_call} if to_call else {"check": 0}
        least = table.min_completion_betting_or_raising_to_amount
        most = table.max_completion_betting_or_raising_to_amount
        if least is None or most is None:
            return found
        if stakes.limit:
            return found | {"raise": least}
        highest = max(table.bets)
        amounts = {name: highest + int(part * (self.pot + to_call)) for name, part in stakes.sizes.items()}
        reached = 0
        for name, amount in {"raise_min": least, **amounts}.items():
            if reached < amount < most and amount >= least:
                found[name] = reached = amount
        return found | {"all_in": most}

    def play(self, name: str) -> None:
        """Play one of the `choices`. Raises GameError for anything else, having changed nothing."""
        choices, seat, table = self.choices(), self.to_act, self._table
        if seat is None or name not in choices:
            raise GameError(f"{name!r} is not possible now; possible are {', '.join(choices) or 'no moves'}.")
        chips, street, opens = choices[name], self.street, not any(table.bets)
        left = self.stacks[seat] - (chips if name == "call" else max(chips - self.bets[seat], 0))
        if name == "fold":
            table.fold()
        elif name in ("check", "call"):
            table.check_or_call()
        else:
            table.complete_bet_or_raise_to(chips)
            name = "bet" if opens else "raise"
        self.acts.append(Act(street, seat, name, chips, all_in=left == 0))
        while table.status and (count := table.board_dealing_count):
            known = len(self.board)
            table.deal_board("".join(self.deal.board[known : known + count]))
        self._choices = None
        if self.over:
            self.shown = self._shown()

    def _shown(self) -> tuple[Pair | None, Pair | None]:
        found: list[Pair | None] = [None, None]
        for operation in self._table.operations:
            if isinstance(operation, HoleCardsShowingOrMucking) and operation.hole_cards:
                seat = self._seat(operation.player_index)
                found[seat] = self.deal.held[seat]
        return found[0], found[1]
