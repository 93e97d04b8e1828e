"""What a seat knows, as plain data and as text."""

from dataclasses import dataclass

from lmgame_games.tetris import view
from lmgame_games.tetris.pieces import LETTERS
from lmgame_games.tetris_versus.engine import VersusEngine

SHOWN = 5
"""Next pieces that a player sees of the own side; none of the other one."""


@dataclass(frozen=True, slots=True)
class VersusView:
    """What a seat knows. Its own copies: whatever is done to them changes nothing in the game."""

    own: VersusEngine
    """The own side; it knows the next `SHOWN` pieces, and no garbage comes in."""
    other: VersusEngine
    """The other side; it knows no next pieces, and no garbage comes in."""
    own_pending: tuple[int, ...]
    """Attacks that wait to come in on the own side, in lines, the oldest first."""
    other_pending: tuple[int, ...]


def seat_view(own: VersusEngine, other: VersusEngine) -> VersusView:
    """The view of the seat that plays `own`."""
    pending = [tuple(lines for lines, _ in engine.incoming) for engine in (own, other)]
    return VersusView(own.seen(SHOWN), other.seen(0), *pending)


def seat_text(own: VersusEngine, other: VersusEngine, result: str | None) -> str:
    """The text view of the seat that plays `own`; `result` tells how the game ended for it, once it has."""
    return "\n".join(
        [
            *([f"Game over: {result}"] if result else [view.piece(own)]),
            view.queue(own, SHOWN),
            view.hold(own),
            _numbers(own),
            _pending(own),
            *view.board(own, ghost=True),
            "Other player",
            f"Piece: {LETTERS[other.kind]}",
            view.hold(other),
            _numbers(other),
            _pending(other),
            *view.stack(other),
        ]
    )


def _numbers(engine: VersusEngine) -> str:
    return f"Level {engine.level}, lines {engine.lines}, pieces {engine.pieces}, attack {engine.attack}"


def _pending(engine: VersusEngine) -> str:
    attacks = " + ".join(str(lines) for lines, _ in engine.incoming)
    return f"Pending garbage: {attacks or 'none'}"
