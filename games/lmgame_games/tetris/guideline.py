"""Tetris by the guideline, in frames of 1/60 s.

Source: 2009 Tetris Design Guideline as restated on https://tetris.wiki/Tetris_Guideline. Gravity, lock down and top-out
are here; kicks are in `srs`, points in `scoring`, the 7-bag in `bag`.
"""

from typing import Self

from lmgame_games.tetris.bag import Bag
from lmgame_games.tetris.engine import Engine, cell_offsets, spawns
from lmgame_games.tetris.picture import HEIGHT
from lmgame_games.tetris.pieces import FLOOR, ROW, TURNS, I, J, L, O, S, T, Z
from lmgame_games.tetris.scoring import HARD_DROP, SOFT_DROP, Spin, award

FPS = 60
MOVE_FRAMES = 4
"""Frames a move takes: 15 presses a second."""
LOCK_FRAMES = 30
"""Lock delay, 0.5 s."""
LOCK_RESETS = 15
"""Moves and turns on a surface ("extended placement"): each starts the lock delay anew, the last one locks."""
LINES_A_LEVEL, TOP_LEVEL = 10, 10
_TICK = 1000


def fall_period(level: int) -> int:
    """Time a piece takes to fall one row, in thousandths of a frame: (0.8 - (L - 1) * 0.007) ** (L - 1) seconds."""
    return round(FPS * _TICK * (0.8 - (level - 1) * 0.007) ** (level - 1))


PERIODS = (0, *(fall_period(level) for level in range(1, TOP_LEVEL + 1)))
"""`fall_period` by level."""

# Corners of a T's bounding box, as bits: those it points at and those behind it, by rotation state.
_LL, _LR, _UL, _UR = (1 << ROW * y + x for x, y in ((0, 0), (2, 0), (0, 2), (2, 2)))
_FRONT = (_UL | _UR, _UR | _LR, _LL | _LR, _UL | _LL)
_BACK = (_LL | _LR, _UL | _LL, _UL | _UR, _UR | _LR)

_HIDDEN = ROW * (FLOOR + HEIGHT)
_LAST_KICK = 4

MOVES = ("left", "right", "rotate_cw", "rotate_ccw", "soft_drop", "hard_drop", "hold", "no_op")
_LEFT, _RIGHT, _CW, _CCW, _SOFT, _HARD, _HOLD, _ = range(8)


class GuidelineEngine(Engine):
    """Guideline Tetris: 20 visible and 20 hidden rows, SRS, hold, lock delay with extended placement.

    A piece that locks takes the rest of that move's frames with it, so that the next one starts on its own clock.
    """

    __slots__ = ("back_to_back", "combo", "fallen", "grounded", "kick", "landed", "lock_left", "lowest", "resets")

    ROWS = 2 * HEIGHT
    SPAWN = spawns({I: (3, 18), O: (4, 20), **dict.fromkeys((T, S, Z, J, L), (3, 19))})
    MOVES = MOVES
    OFFSETS = cell_offsets()
    TURN_BASED = True

    def __init__(self, bag: Bag) -> None:
        super().__init__(bag)
        self.level = 1
        self.back_to_back, self.combo = False, -1
        self.fallen = 0
        """Thousandths of frames since the piece last came down a row."""
        self.grounded = False
        """Whether the piece rests on something."""
        self.landed = False
        """Whether it has rested on something since it reached its lowest row."""
        self.lowest = 0
        self.lock_left = self.resets = 0
        self.kick = -1
        """Which kick the last turn took; -1 if the piece has moved or fallen since."""
        self._spawn(self._deal())

    def copy(self) -> Self:
        new = super().copy()
        new.back_to_back, new.combo, new.kick = self.back_to_back, self.combo, self.kick
        new.fallen, new.grounded, new.landed = self.fallen, self.grounded, self.landed
        new.lowest, new.lock_left, new.resets = self.lowest, self.lock_left, self.resets
        return new

    def play(self, action: int) -> bool:
        if self.over:
            return False
        self.frames += MOVE_FRAMES
        if action <= _RIGHT:
            self.shift(1 if action else -1)
        elif action <= _CCW:
            self.rotate(action - _CW)
        elif action == _SOFT:
            if not self.grounded:
                self._descend()
                self.fallen = 0
                self.score += SOFT_DROP
        elif action == _HARD:
            self.hard_drop()
            return True
        elif action == _HOLD:
            self.hold()
            if self.over:
                return False
        return self._pass(MOVE_FRAMES) >= 0

    def wait(self, frames: int) -> bool:
        locked = False
        while frames and not self.over:
            left = self._pass(frames)
            if left < 0:
                self.frames += frames
                break
            self.frames += frames - left
            frames, locked = left, True
        return locked

    def shift(self, columns: int) -> bool:
        """Move the piece one column, -1 left or 1 right; whether it went."""
        mask = self.mask << 1 if columns > 0 else self.mask >> 1
        if mask & self.board:
            return False
        self.mask = mask
        self.pos += columns
        self.kick = -1
        self._touched()
        return True

    def rotate(self, counter: int) -> bool:
        """Turn the piece, 0 clockwise or 1 counter-clockwise, by the first kick that fits; whether it went."""
        state, shape, kicks = TURNS[self.kind][self.rotation][counter]
        board = self.board
        for kick, change in enumerate(kicks):
            pos = self.pos + change
            mask = shape << pos
            if not mask & board:
                self.rotation, self.pos, self.mask, self.kick = state, pos, mask, kick
                self._touched()
                return True
        return False

    def hard_drop(self) -> None:
        """Drop the piece as far as it goes, and lock it."""
        if rows := self.drop_rows():
            self.mask >>= ROW * rows
            self.pos -= ROW * rows
            self.score += HARD_DROP * rows
            self.kick = -1
        self._lock()

    def hold(self) -> bool:
        """Swap the piece with the held one, or with the next if there is none, once a piece; whether it went."""
        if self.hold_used:
            return False
        kind, self.hold_kind = self.hold_kind, self.kind
        self._spawn(kind or self._deal())
        self.hold_used = True
        return True

    def spin(self) -> Spin:
        """Whether the piece, locked as it stands, would be a T-spin, by the 3-corner rule.

        Three corners of the bounding box taken and the last thing it did a turn; a mini unless both corners it
        points at are taken, or that turn took the last kick.
        """
        if self.kind != T or self.kick < 0:
            return Spin.NONE
        front = (_FRONT[self.rotation] << self.pos & self.board).bit_count()
        back = (_BACK[self.rotation] << self.pos & self.board).bit_count()
        if front + back < 3:
            return Spin.NONE
        return Spin.FULL if front == 2 or self.kick == _LAST_KICK else Spin.MINI

    def _spawn(self, kind: int) -> None:
        if not self._appear(kind):
            self.over = "block_out"
            return
        self.hold_used = False
        self.fallen = 0
        self.kick = -1
        self.landed = False
        self.lowest = ROW * (2 * self.ROWS)
        if self.mask >> ROW & self.board:
            self.grounded = self.landed = True
            self.lock_left, self.resets = LOCK_FRAMES, 0
        else:
            self._descend()  # a new piece comes down one row at once

    def _descend(self) -> None:
        """One row down, which must be free."""
        self.mask >>= ROW
        self.pos -= ROW
        self.kick = -1
        lowest = (self.mask & -self.mask).bit_length() // ROW
        if lowest < self.lowest:
            self.lowest = lowest
            self.landed = False
            self.lock_left, self.resets = LOCK_FRAMES, 0
        self.grounded = self.mask >> ROW & self.board != 0
        if self.grounded:
            self.landed = True

    def _touched(self) -> None:
        """After a move or turn that went: extended placement starts the lock delay anew, a limited number of times."""
        if self.landed:
            self.resets += 1
            self.lock_left = LOCK_FRAMES
        self.grounded = self.mask >> ROW & self.board != 0
        if self.grounded:
            self.landed = True
            self.fallen = 0

    def _pass(self, frames: int) -> int:
        """Let frames pass until the piece locks; the frames left over then, or -1 if it didn't."""
        while True:
            if self.grounded:
                need = self.lock_left if self.resets < LOCK_RESETS else 0
                if frames < need:
                    self.lock_left -= frames
                    return -1
                self._lock()
                return frames - need
            period = PERIODS[self.level]
            need = -((self.fallen - period) // _TICK)
            if frames < need:
                self.fallen += _TICK * frames
                return -1
            frames -= need
            self.fallen += _TICK * need - period
            self._descend()
            if self.grounded:
                self.fallen = 0

    def _lock(self) -> None:
        spin = self.spin()
        hidden = not self.mask & ((1 << _HIDDEN) - 1)
        lines, again = self._settle(), self.back_to_back
        points, self.back_to_back, self.combo = award(lines, spin, self.level, again, self.combo)
        self.score += points
        self.level = min(TOP_LEVEL, 1 + self.lines // LINES_A_LEVEL)
        if hidden:
            self.over = "lock_out"
        else:
            self._go_on(lines, spin, again)

    def _go_on(self, lines: int, spin: Spin, again: bool) -> None:
        """The next piece, after a lock that cleared `lines`; `again` is `back_to_back` as it was before."""
        self._spawn(self._deal())
