"""The scripted player: tight and aggressive, from its chances and the odds of the pot."""

from lmgame_games.core import Move
from lmgame_games.holdem.strength import equity
from lmgame_games.holdem.view import SeatView
from lmgame_games.shared import Seat

SAMPLES = 250
_PER_RAISE = 0.05
"""By how much chances against any two cards are taken to be worse for each bet or raise of the other one: who raises
seldom holds any two cards."""
_MARGIN = 0.02
_VALUE, _STRONG = 0.58, 0.75
"""Chances from which it bets, and from which it bets the pot."""


class HoldemPlayer:
    """Bets and raises what is likely ahead, calls where the pot pays for it, and folds the rest. Pure."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def act(self) -> list[Move]:
        return [Move(decide(self._seat.view()))]


def decide(view: SeatView) -> str:
    """The name of what it does."""
    choices = view.choices
    assert view.own is not None, "there is nothing to decide once the match is over"
    theirs = sum(act.seat != view.seat and act.name in ("bet", "raise") for act in view.acts)
    mine = sum(act.seat == view.seat and act.name in ("bet", "raise") for act in view.acts)
    chance = equity(view.own, view.board, SAMPLES) - _PER_RAISE * theirs
    raises = [name for name in choices if name not in ("fold", "check", "call")]
    if raises and chance > _VALUE + 0.06 * mine:
        return _size(raises, chance)
    if "check" in choices:
        return "check"
    odds = view.to_call / (view.pot + view.to_call)
    return "call" if chance > odds + _MARGIN else "fold"


def _size(raises: list[str], chance: float) -> str:
    """The larger, the better the chances; what is worth all chips is bet pot by pot."""
    wanted = ("raise_pot", "raise_half_pot") if chance > _STRONG else ("raise_half_pot", "raise_third_pot")
    return next((name for name in wanted if name in raises), raises[0])
