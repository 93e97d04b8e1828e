"""How strong a hand is, fast enough to be asked hundreds of times a decision.

pokerkit's own evaluator tries all 21 fives of seven cards, which takes half a millisecond; a decision of the scripted
player compares some hundred hands. Who wins a pot is always pokerkit's to say.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from lmgame_games.holdem.deck import DECK

_NUMBERS = {card: number for number, card in enumerate(DECK)}
type Strength = tuple[int, ...]
"""Compares as the hands do: kind of hand (8: straight flush … 0: high card), then the ranks that decide."""


def strength(cards: Sequence[str]) -> Strength:
    """The best five of five to seven cards."""
    return _strength([_NUMBERS[card] for card in cards])


@cache
def _straight(mask: int) -> int:
    """Rank that tops the highest straight among the ranks of a mask (3 for five-high, 12 for ace-high); -1: none."""
    mask = mask << 1 | mask >> 12  # the ace, also below the two
    run = mask & mask >> 1 & mask >> 2 & mask >> 3 & mask >> 4
    return run.bit_length() + 2 if run else -1


@cache
def _ranks(mask: int, most: int) -> tuple[int, ...]:
    """The highest ranks of a mask, highest first."""
    return tuple(rank for rank in range(12, -1, -1) if mask >> rank & 1)[:most]


def _strength(cards: Sequence[int]) -> Strength:
    suits, once, twice, thrice, four = [0, 0, 0, 0], 0, 0, 0, 0
    for card in cards:
        bit = 1 << (card >> 2)
        suits[card & 3] |= bit
        four |= thrice & bit
        thrice |= twice & bit
        twice |= once & bit
        once |= bit
    flush = next((mask for mask in suits if mask.bit_count() >= 5), 0)
    if flush and (top := _straight(flush)) >= 0:
        return 8, top
    if four:
        return 7, *_ranks(four, 1), *_ranks(once & ~four, 1)
    if thrice:
        three = _ranks(thrice, 1)[0]
        if pairs := twice & ~(1 << three):
            return 6, three, *_ranks(pairs, 1)
    if flush:
        return 5, *_ranks(flush, 5)
    if (top := _straight(once)) >= 0:
        return 4, top
    if thrice:
        return 3, *_ranks(thrice, 1), *_ranks(once & ~thrice, 2)
    if twice:
        pairs = _ranks(twice, 2)
        left = once & ~sum(1 << rank for rank in pairs)
        return (2, *pairs, *_ranks(left, 1)) if len(pairs) == 2 else (1, *pairs, *_ranks(left, 3))
    return 0, *_ranks(once, 5)


def equity(own: Sequence[str], board: Sequence[str], samples: int) -> float:
    """The part of the pot, 0 to 1, that two cards win on average against two that may be any, without further bets.

    By drawing the other's cards and the rest of the board, from a generator that the known cards seed: the same cards
    give the same number. Its standard error is at most 0.5 / sqrt(samples).
    """
    mine, known = [_NUMBERS[card] for card in own], [_NUMBERS[card] for card in board]
    deck = [card for card in range(len(DECK)) if card not in mine and card not in known]
    drawn = 2 + 5 - len(known)
    raw = np.random.PCG64([*sorted(mine), *sorted(known)]).random_raw(samples * drawn).tolist()
    won = 0
    for sample in range(samples):
        for place in range(drawn):
            chosen = place + raw[sample * drawn + place] % (len(deck) - place)
            deck[place], deck[chosen] = deck[chosen], deck[place]
        full = known + deck[2:drawn]
        ours, theirs = _strength(mine + full), _strength(deck[:2] + full)
        won += 2 if ours > theirs else 1 if ours == theirs else 0
    return won / (2 * samples)
