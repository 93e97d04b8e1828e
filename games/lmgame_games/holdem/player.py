"""The scripted player: tight before the flop, by what it has made after it."""

from pokerkit import Label, StandardHighHand

from lmgame_games.core import Move
from lmgame_games.holdem.hand import RANKS
from lmgame_games.holdem.view import Table
from lmgame_games.shared import Seat

STRONG, FAIR = 0.6, 0.35
"""Strengths from which it raises, and from which it bets where nothing is to be called."""
CHEAP = 0.75
"""Strength it calls with, as a multiple of the price: the share of the pot, after the call, that the call is."""
LARGE, DEAR = 0.4, 0.55
"""Share of all its chips from which on a call is dear, and the strength that it takes then."""


class HoldemPlayer:
    """Bets what is good, calls what is worth the price, and gives up the rest. Pure: never bluffs, never varies."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def act(self) -> list[Move]:
        table: Table = self._seat.view()
        strength = before_flop(table.own_cards) if table.street == 0 else after_flop(table.own_cards, table.board)
        return [Move(choose(table, strength))]


def choose(table: Table, strength: float) -> str:
    """The move for a hand of that strength, from 0 to 1."""
    options = table.options
    if strength >= STRONG and (bet := _first(options, "raise_pot", "raise_two_pots", "raise", "all_in")):
        return bet
    if strength >= FAIR and not table.to_call and (bet := _first(options, "raise_half_pot", "raise", "raise_min")):
        return bet
    if "check" in options:
        return "check"
    # The pot's odds say what a call must win how often; strengths aren't odds, and small prices are worth more.
    price = table.to_call / (table.pot + table.to_call)
    large = table.to_call > LARGE * (table.own_stack + table.own_bet)
    return "call" if strength >= (DEAR if large else CHEAP * price) else "fold"


def _first(options: object, *names: str) -> str | None:
    return next((name for name in names if name in options), None)  # type: ignore[operator]


def before_flop(cards: tuple[str, ...]) -> float:
    """Strength of two cards: Bill Chen's points (Chen and Ankenman, The Mathematics of Poker, 2006), 20 being a pair of
    aces, on a scale from 0 to 1."""
    high, low = sorted((RANKS.index(card[0]) for card in cards), reverse=True)
    points = {12: 10.0, 11: 8.0, 10: 7.0, 9: 6.0}.get(high, (high + 2) / 2)
    if high == low:
        return min(1.0, max(5.0, 2 * points) / 14)
    if cards[0][1] == cards[1][1]:
        points += 2
    gap = high - low - 1
    points -= (0, 1, 2, 4)[gap] if gap < 4 else 5
    if gap < 2 and high < 10:
        points += 1
    return min(1.0, max(0.0, points) / 14)


_MADE = {
    Label.TWO_PAIR: 0.8,
    Label.THREE_OF_A_KIND: 0.88,
    Label.STRAIGHT: 0.92,
    Label.FLUSH: 0.94,
    Label.FULL_HOUSE: 0.97,
    Label.FOUR_OF_A_KIND: 1.0,
    Label.STRAIGHT_FLUSH: 1.0,
}


def after_flop(cards: tuple[str, ...], board: tuple[str, ...]) -> float:
    """Strength of a hand with a board: what it makes with its own cards, or may still make."""
    label = _label((*cards, *board))
    # What lies on the board is everybody's.
    if label is not None and label in _MADE and label is not _label(board):
        return _MADE[label]
    ranks, common = [RANKS.index(card[0]) for card in cards], [RANKS.index(card[0]) for card in board]
    if ranks[0] == ranks[1]:
        return 0.75 if ranks[0] > max(common) else 0.45
    paired = [rank for rank in ranks if rank in common]
    if paired:
        above = sum(rank > max(paired) for rank in set(common))
        return (0.72, 0.52, 0.42)[min(above, 2)]
    draw = 0.3 if len(board) < 5 and _draws(cards, board) else 0.0
    return draw + (0.15 if max(ranks) > max(common) else 0.05)


def _label(cards: tuple[str, ...]) -> Label | None:
    """The name of the best five cards; None of fewer than five."""
    if len(cards) < 5:
        ranks = [card[0] for card in cards]
        return Label.THREE_OF_A_KIND if any(ranks.count(rank) == 3 for rank in ranks) else None
    return StandardHighHand.from_game("", "".join(cards)).entry.label


def _draws(cards: tuple[str, ...], board: tuple[str, ...]) -> bool:
    """Whether one card more may make a flush or an open-ended straight with the own cards."""
    everything = (*cards, *board)
    for suit in {card[1] for card in cards}:
        if sum(card[1] == suit for card in everything) == 4:
            return True
    ranks = {RANKS.index(card[0]) for card in everything}
    return any({low, low + 1, low + 2, low + 3} <= ranks for low in range(1, 9))
