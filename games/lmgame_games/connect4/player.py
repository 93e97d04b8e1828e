"""The scripted player: looks some stones ahead by alpha-beta search on bits."""

from lmgame_games.connect4.env import GRID
from lmgame_games.core import Move
from lmgame_games.line_game.grid import Position
from lmgame_games.shared import Seat

DEPTH = 5
"""Stones it looks ahead."""
WIN = 10_000
_MIDDLE_FIRST = sorted(range(GRID.columns), key=lambda column: (abs(column - GRID.columns // 2), column))


class ConnectFourPlayer:
    """Plays well: never misses a win or a loss within `DEPTH` stones, else makes and blocks threats. Pure."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def act(self) -> list[Move]:
        position: Position = self._seat.view()
        return [Move(f"column_{best_column(position.own, position.other) + 1}")]


def best_column(own: int, other: int, depth: int = DEPTH) -> int:
    """The best column for who is to move with the stones `own`, the one nearest to the middle among equals."""
    taken, best, chosen = own | other, -WIN * 2, -1
    seen: dict[tuple[int, int, int], int] = {}
    for column in _MIDDLE_FIRST:
        if cell := GRID.cell_of(column, taken):
            value = -_search(other, own | cell, depth - 1, -WIN * 2, -best, seen)
            if value > best:
                best, chosen = value, column
    return chosen


def _search(own: int, other: int, depth: int, low: int, high: int, seen: dict[tuple[int, int, int], int]) -> int:
    """What the position is worth to who is to move, exactly where between `low` and `high`."""
    if GRID.has_won(other):
        return -WIN - depth
    taken = own | other
    if taken == GRID.full:
        return 0
    if depth == 0:
        return _worth(own, other)
    key = own, other, depth
    if key in seen:
        return seen[key]
    best = -WIN * 2
    for column in _MIDDLE_FIRST:
        if cell := GRID.cell_of(column, taken):
            best = max(best, -_search(other, own | cell, depth - 1, -high, -max(low, best), seen))
            if best >= high:
                return best  # a bound, not the value: not to be kept
    if best > low:
        seen[key] = best
    return best


def _worth(own: int, other: int) -> int:
    """Threats: free cells that would complete a line of four, and stones near the middle."""
    return 12 * (_threats(own, other) - _threats(other, own)) + _central(own) - _central(other)


def _threats(own: int, other: int) -> int:
    free = GRID.full & ~(own | other)
    found = 0
    for step in (1, GRID.height - 1, GRID.height, GRID.height + 1):
        two = own & own << step
        two_back = own & own >> step
        found |= (two & own << 2 * step) << step | (two_back & own >> 2 * step) >> step
        found |= two << step & own >> step | two_back >> step & own << step
    return (found & free).bit_count()


_CENTRAL = [sum(GRID.bit(column, row) for row in range(GRID.rows)) for column in range(GRID.columns)]


def _central(stones: int) -> int:
    middle = GRID.columns // 2
    return sum((middle - abs(column - middle)) * (stones & cells).bit_count() for column, cells in enumerate(_CENTRAL))
