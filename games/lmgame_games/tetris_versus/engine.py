"""One side of a game of Tetris Versus: a guideline board that makes attacks and takes garbage in."""

from typing import Self

from lmgame_common import GameError
from lmgame_games.tetris.bag import Bag
from lmgame_games.tetris.guideline import TOP_LEVEL, GuidelineEngine
from lmgame_games.tetris.picture import WIDTH
from lmgame_games.tetris.pieces import FLOOR, FULL_ROW, ROW
from lmgame_games.tetris.scoring import Spin
from lmgame_games.tetris.view import GARBAGE_KIND
from lmgame_games.tetris_versus.garbage import MOST_A_LOCK, attack

PIECES_A_LEVEL = 25
"""Pieces after which the level rises: clearing lines, which wins, must not speed the own game up."""

_LOW = ROW * FLOOR


class SeenPieces(Bag):
    """The pieces that a player is shown, and no others."""

    def __init__(self, kinds: bytes) -> None:
        self._kinds = bytearray(kinds)

    def _deal(self) -> None:
        raise GameError(f"Only the next {len(self._kinds)} pieces are known.")


class VersusEngine(GuidelineEngine):
    """Guideline Tetris whose clears make attacks.

    An attack cancels what is pending on the own side, the oldest first; what is left of it is to be sent. Pending
    garbage comes in when a piece locks without clearing a line, at most `MOST_A_LOCK` lines at once, the oldest
    attack first. An attack's lines have their hole in one column. A cell that is pushed out of the 40 rows ends the
    game (`garbage_out`).
    """

    __slots__ = ("attack", "cancelled", "incoming", "outgoing", "received")

    _EMPTY = GuidelineEngine.empty_board()

    def __init__(self, bag: Bag) -> None:
        self.attack = self.cancelled = self.received = 0
        """Lines of attack made so far; lines that cancelled as many pending ones; lines of garbage that came in."""
        self.outgoing = 0
        """Lines of the last attack that are still to be sent."""
        self.incoming: list[tuple[int, int]] = []
        """Attacks that are pending, the oldest first: their lines, and the column of their hole, which no player
        knows before they come in."""
        super().__init__(bag)

    @property
    def pending(self) -> int:
        """Lines of garbage that wait to come in."""
        return sum(lines for lines, _ in self.incoming)

    @property
    def sent(self) -> int:
        """Lines of attack that went to the other side, or are about to."""
        return self.attack - self.cancelled

    def copy(self) -> Self:
        new = super().copy()
        new.attack, new.cancelled, new.received = self.attack, self.cancelled, self.received
        new.outgoing, new.incoming = self.outgoing, self.incoming[:]
        return new

    def seen(self, shown: int) -> Self:
        """A copy that knows no more than a player who is shown the next pieces: no garbage comes in, and asking for
        pieces beyond raises GameError."""
        new = self.copy()
        new.bag, new.dealt = SeenPieces(bytes(self.next_kinds(shown))), 0
        new.incoming = []
        return new

    def receive(self, lines: int, hole: int) -> None:
        """An attack arrives, and waits to come in."""
        self.incoming.append((lines, hole))

    def _go_on(self, lines: int, spin: Spin, again: bool) -> None:
        self.level = min(TOP_LEVEL, 1 + self.pieces // PIECES_A_LEVEL)
        if lines:
            perfect = self.board == self._EMPTY
            made = attack(lines, spin, back_to_back=again, combo=self.combo, perfect=perfect)
            self.attack += made
            self.outgoing += made - self._cancel(made)
        elif self.incoming:
            self._take_in()
        if not self.over:
            super()._go_on(lines, spin, again)

    def _cancel(self, lines: int) -> int:
        """Cancel up to so many pending lines; how many were."""
        left = lines
        while left and self.incoming:
            pending, hole = self.incoming.pop(0)
            if pending > left:
                self.incoming.insert(0, (pending - left, hole))
                left = 0
            else:
                left -= pending
        self.cancelled += lines - left
        return lines - left

    def _take_in(self) -> None:
        left = MOST_A_LOCK
        while left and self.incoming and not self.over:
            pending, hole = self.incoming.pop(0)
            lines = min(pending, left)
            if pending > lines:
                self.incoming.insert(0, (pending - lines, hole))
            self._push_up(lines, hole)
            self.received += lines
            left -= lines

    def _push_up(self, lines: int, hole: int) -> None:
        """Put lines of garbage below everything."""
        row = FULL_ROW ^ 1 << hole
        rows = sum(row << ROW * y for y in range(lines))
        span = (1 << ROW * self.ROWS) - 1
        body = self.board >> _LOW & span
        self.board = self.board & ((1 << _LOW) - 1) | ((body << ROW * lines | rows) & span) << _LOW
        if any(self.cells[: lines * WIDTH]):
            self.over = "garbage_out"
        garbage = bytearray([GARBAGE_KIND]) * WIDTH
        garbage[hole] = 0
        del self.cells[: lines * WIDTH]
        self.cells += garbage * lines
