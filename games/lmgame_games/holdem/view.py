"""What one seat knows: all that text, frame, observation and scripted player are made from.

Hidden cards are kept out here, in one place: what is not in a `SeatView` can't be seen by that seat.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lmgame_games.holdem.deck import Pair
from lmgame_games.holdem.hand import Act, Hand
from lmgame_games.holdem.stakes import Stakes

PAST = 3
"""Hands that are remembered in full."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A hand that has been decided, as a seat knows it."""

    number: int
    """From 1."""
    button: bool
    """Whether the seat had the button."""
    own: Pair
    other: Pair | None
    """The other's cards where they were shown (spectators: always)."""
    board: tuple[str, ...]
    acts: tuple[Act, ...]
    showdown: bool
    """Whether it came to showing cards; else somebody folded."""
    own_shown: bool
    """Whether the other one has seen the seat's cards."""
    net: int
    """Chips won or lost."""


@dataclass(frozen=True, slots=True)
class SeatView:
    """One moment of a match, as a seat knows it. Pairs of numbers are (own, other)."""

    seat: int
    number: int
    """The present hand, from 1; after the last one, that one."""
    stakes: Stakes
    button: bool
    """Whether the seat has the button."""
    own: Pair | None
    """None once the match is over."""
    other: Pair | None
    """The other's cards, known to spectators alone."""
    board: tuple[str, ...]
    stacks: tuple[int, int]
    bets: tuple[int, int]
    """On this street."""
    pot: int
    """All that has been bet in this hand, by both."""
    to_call: int
    """What the seat has to add to stay in."""
    acts: tuple[Act, ...]
    """The hand's bets so far."""
    acting: bool | None
    """Whether it is the seat's turn; None once the match is over."""
    choices: Mapping[str, int] = field(hash=False)
    """What the seat can do now, as of `Hand.choices`; empty where it isn't its turn."""
    past: tuple[Finished, ...]
    """The last hands, the newest first."""
    score: float
    """Big blinds won or lost in the hands before, by the seat."""
    ending: str
    """How the match ended; empty as long as it goes on."""


def finished(hand: Hand, number: int, seat: int, *, spectator: bool = False) -> Finished:
    """A hand that is over, as the seat knows it; with the other's cards whatever happened where spectators look."""
    other = 1 - seat
    shown = hand.shown
    return Finished(
        number=number,
        button=hand.button == seat,
        own=hand.deal.held[seat],
        other=hand.deal.held[other] if spectator else shown[other],
        board=hand.board,
        acts=tuple(hand.acts),
        showdown=any(shown),
        own_shown=shown[seat] is not None,
        net=hand.net[seat],
    )


def seat_view(
    hand: Hand | None,
    past: Sequence[tuple[int, Hand]],
    seat: int,
    *,
    number: int,
    stakes: Stakes,
    score: float,
    ending: str,
    spectator: bool = False,
) -> SeatView:
    """What a seat knows.

    Args:
        hand: The present hand; None once the match is over.
        past: Numbers and hands that are over, the newest first.
        seat: Who looks.
        number: The present hand's number, from 1.
        stakes: What is played for.
        score: Of the seat.
        ending: As of `SeatView`.
        spectator: Whether both seats' cards are shown.
    """
    before = tuple(finished(done, of, seat, spectator=spectator) for of, done in past[:PAST])
    if hand is None:
        return SeatView(
            seat=seat,
            number=number,
            stakes=stakes,
            button=before[0].button if before else False,
            own=None,
            other=None,
            board=(),
            stacks=(stakes.stack, stakes.stack),
            bets=(0, 0),
            pot=0,
            to_call=0,
            acts=(),
            acting=None,
            choices={},
            past=before,
            score=score,
            ending=ending,
        )
    other = 1 - seat
    acting = hand.to_act == seat
    bets, stacks = hand.bets, hand.stacks
    return SeatView(
        seat=seat,
        number=number,
        stakes=stakes,
        button=hand.button == seat,
        own=hand.deal.held[seat],
        other=hand.deal.held[other] if spectator else None,
        board=hand.board,
        stacks=(stacks[seat], stacks[other]),
        bets=(bets[seat], bets[other]),
        pot=hand.pot,
        to_call=min(max(bets[other] - bets[seat], 0), stacks[seat]),
        acts=tuple(hand.acts),
        acting=acting,
        choices=hand.choices() if acting else {},
        past=before,
        score=score,
        ending=ending,
    )
