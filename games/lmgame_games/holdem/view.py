"""What a seat knows, as plain data and in words. Nothing here depends on cards that the seat can't see."""

from collections.abc import Mapping
from dataclasses import dataclass

from lmgame_games.holdem.hand import STREETS
from lmgame_games.holdem.stakes import BIG_BLIND, SMALL_BLIND


@dataclass(frozen=True, slots=True)
class Table:
    """One moment of a match as one seat sees it; chips unless said otherwise."""

    hand: int
    """Number of the hand, from 1."""
    hands: int
    limit: bool
    button: bool
    """Whether this seat has the button."""
    own_cards: tuple[str, ...]
    other_cards: tuple[str, ...]
    """Empty while hidden."""
    board: tuple[str, ...]
    street: int
    pot: int
    """All chips put in, on this street too."""
    own_stack: int
    other_stack: int
    own_bet: int
    """Put in on this street."""
    other_bet: int
    to_call: int
    options: Mapping[str, int]
    """Moves of this seat with what its bet comes to; empty unless it is to act."""
    events: tuple[str, ...]
    """What has been seen in this hand, as `you …`, `other …`, `flop …`."""
    last_hands: tuple[str, ...]
    """What came of the hands before, the latest first."""
    score: float
    """Big blinds won so far, by finished hands."""
    over: str
    """How the match ended; empty while it goes on."""


def text(table: Table) -> str:
    """The text view."""
    kind = "limit" if table.limit else "no-limit"
    lines = [
        f"Hand {table.hand} of {table.hands}, heads-up {kind} Texas hold'em, blinds {SMALL_BLIND}/{BIG_BLIND}",
        f"Score: {table.score:+g} big blinds",
    ]
    if table.over:
        lines.append("Match over")
    else:
        button = "you have the button" if table.button else "the other player has the button"
        lines += [
            f"Your cards: {' '.join(table.own_cards)}",
            f"Board: {' '.join(table.board) or 'none yet'} ({STREETS[table.street]}; {button})",
            f"Pot {table.pot}, your bet {table.own_bet}, the other's bet {table.other_bet}, to call {table.to_call}",
            f"Stacks: you {table.own_stack}, the other {table.other_stack}",
            f"This hand: {'; '.join(table.events) or 'blinds posted'}",
        ]
        if table.options:
            lines.append(f"Moves: {', '.join(_option(table, name, to) for name, to in table.options.items())}")
    lines += [f"Before: {told}" for told in table.last_hands]
    return "\n".join(lines)


def _option(table: Table, name: str, to: int) -> str:
    if name in ("fold", "check"):
        return name
    return f"{name} ({to - table.own_bet})" if name == "call" else f"{name} (to {to})"
