"""The scripted player: looks some stones ahead by alpha-beta search on bits."""

from lmgame_games.connect4.env import GRID
from lmgame_games.core import Move
from lmgame_games.line_game.grid import Position
from lmgame_games.shared import Seat

DEPTH = 5
"""Stones it looks ahead."""
WIN = 10_000
_MIDDLE_FIRST = sorted(range(GRID.columns), key=lambda column: (abs(column - GRID.columns // 2), column))
_COLUMNS = [sum(GRID.bit(column, row) for row in range(GRID.rows)) for column in range(GRID.columns)]
_FLOOR = sum(GRID.bit(column, 0) for column in range(GRID.columns))

type Bounds = dict[tuple[int, int], tuple[int, int]]
"""From a position's stones, own and other, to the least and the most that it can be worth at the depth at which it is
met; the stones that lie tell that depth, so it is no part of the key."""


class ConnectFourPlayer:
    """Plays well: never misses a win or a loss within `DEPTH` stones, else makes and blocks threats. Pure."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def act(self) -> list[Move]:
        position: Position = self._seat.view()
        return [Move(f"column_{best_column(position.own, position.other) + 1}")]


def best_column(own: int, other: int, depth: int = DEPTH) -> int:
    """The best column for who is to move with the stones `own`, the one nearest to the middle among equals."""
    free = _playable(own | other)
    if winning := completing(own) & free:
        return next(column for column in _MIDDLE_FIRST if winning & _COLUMNS[column])
    best, chosen = -WIN * 2, -1
    seen: Bounds = {}
    for column in _MIDDLE_FIRST:
        if cell := free & _COLUMNS[column]:
            value = -search(other, own | cell, depth - 1, -WIN * 2, -best, seen)
            if value > best:
                best, chosen = value, column
    return chosen


def search(own: int, other: int, depth: int, low: int, high: int, seen: Bounds) -> int:
    """What a position in which nobody has won is worth to who is to move: exactly if that lies between `low` and
    `high`, else a bound on the same side of both.

    Alpha-beta in its fail-soft form with a transposition table (Marsland, "A review of game-tree pruning", 1986). A win
    with the next stone is seen from the threats, and so is that only one column prevents a loss.
    """
    taken = own | other
    free = _playable(taken)
    if not free:
        return 0
    if depth == 0:
        return worth(own, other)
    if completing(own) & free:
        return WIN + depth - 1
    forced = completing(other) & free if depth > 1 else 0
    if forced & (forced - 1):
        return -WIN - depth + 2  # two threats, one stone to block them
    least, most = seen.get((own, other), (-WIN * 2, WIN * 2))
    if least >= high or least == most:
        return least
    if most <= low:
        return most
    best, cut = -WIN * 2, max(low, least)
    for column in _MIDDLE_FIRST:
        if cell := (forced or free) & _COLUMNS[column]:
            best = max(best, -search(other, own | cell, depth - 1, -high, -max(cut, best), seen))
            if best >= high:
                break
    seen[own, other] = (best if best > cut else least, best if best < high else most)
    return best


def worth(own: int, other: int) -> int:
    """Threats: free cells that would complete a line of four, and stones near the middle."""
    open_cells = GRID.full & ~(own | other)
    threats = (completing(own) & open_cells).bit_count() - (completing(other) & open_cells).bit_count()
    return 12 * threats + _central(own) - _central(other)


def completing(stones: int) -> int:
    """Cells, taken or not and some of them off the grid, at which one more stone makes four in a line."""
    found = 0
    for step in (1, GRID.height - 1, GRID.height, GRID.height + 1):
        two = stones & stones << step  # the farther stone of each two neighbours
        two_back = stones & stones >> step
        found |= (two & stones << 2 * step) << step | (two_back & stones >> 2 * step) >> step
        found |= two << step & stones >> step | two_back >> step & stones << step
    return found


def _playable(taken: int) -> int:
    """The lowest free cell of each column that isn't full."""
    return (taken + _FLOOR) & GRID.full


def _central(stones: int) -> int:
    middle = GRID.columns // 2
    return sum((middle - abs(column - middle)) * (stones & cells).bit_count() for column, cells in enumerate(_COLUMNS))
