"""Tetris by the rules of Lmgame-Bench (2025), quirks included, so that its published scores can stand beside ours.

Facts from https://github.com/lmgame-org/GamingAgent, gamingagent/envs/custom_04_tetris/tetrisEnv.py: pieces are arrays
turned in place, their first array row appears in row 0; 3-wide pieces and O appear at column 4, I at column 3; the
7-bag deals; a move is followed by one row of gravity, hard_drop excepted, and gravity that is blocked locks.
"""

from lmgame_games.tetris.bag import Bag
from lmgame_games.tetris.engine import Engine, cell_offsets, spawns
from lmgame_games.tetris.picture import HEIGHT
from lmgame_games.tetris.pieces import FLOOR, ROW, TURNS, I, J, L, O, S, T, Z

MOVES = ("no_op", "left", "right", "rotate_left", "rotate_right", "soft_drop", "hard_drop")
_, _LEFT, _RIGHT, _CCW, _CW, _SOFT, _HARD = range(7)
LINE_POINTS = 10
MAX_MOVES = 2000
"""Moves, waited rows included, after which a game is cut off."""


class BenchEngine(Engine):
    """Tetris without hidden rows, kicks, hold, levels or lock delay. A frame is one move."""

    __slots__ = ()

    ROWS = HEIGHT
    SPAWN = spawns({I: (3, 16), O: (4, 18), **dict.fromkeys((T, S, Z, J, L), (4, 17))})
    MOVES = MOVES
    OFFSETS = cell_offsets()
    TURN_BASED = False

    def __init__(self, bag: Bag) -> None:
        super().__init__(bag)
        self._appear(self._deal())

    @classmethod
    def empty_board(cls) -> int:
        ceiling = (1 << ROW * FLOOR) - 1  # nothing may stick out of the top
        return super().empty_board() | ceiling << ROW * (FLOOR + cls.ROWS)

    @property
    def cut_off(self) -> bool:
        """Whether the moves are used up."""
        return self.frames >= MAX_MOVES

    def play(self, action: int) -> bool:
        if self.over or self.frames >= MAX_MOVES:
            return False
        self.frames += 1
        locked = False
        if action in (_LEFT, _RIGHT):
            mask = self.mask << 1 if action == _RIGHT else self.mask >> 1
            if not mask & self.board:
                self.mask = mask
                self.pos += 1 if action == _RIGHT else -1
        elif action in (_CCW, _CW):
            state, shape, _ = TURNS[self.kind][self.rotation][action == _CCW]
            mask = shape << self.pos
            if not mask & self.board:
                self.rotation, self.mask = state, mask
        elif action == _SOFT:
            locked = self._sink()
        elif action == _HARD:
            rows = self.drop_rows()
            self.mask >>= ROW * rows
            self.pos -= ROW * rows
            self._lock()
            return True
        if not self.over:
            locked |= self._sink()
        return locked

    def wait(self, frames: int) -> bool:
        locked = False
        for _ in range(frames):
            if self.over or self.frames >= MAX_MOVES:
                break
            locked |= self.play(0)
        return locked

    def _sink(self) -> bool:
        """One row down, or lock; whether it locked."""
        below = self.mask >> ROW
        if below & self.board:
            self._lock()
            return True
        self.mask = below
        self.pos -= ROW
        return False

    def _lock(self) -> None:
        self.score += 1 + LINE_POINTS * self._settle()
        if not self._appear(self._deal()):
            self.over = "block_out"
