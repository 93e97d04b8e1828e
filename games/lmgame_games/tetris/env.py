"""Tetris as a Gymnasium environment. One step is one move."""

from typing import Any

import numpy as np
from gymnasium import spaces

from lmgame_common import GameError, UsageError
from lmgame_games.core import GameEnv, Move
from lmgame_games.tetris import view
from lmgame_games.tetris.bag import Bag
from lmgame_games.tetris.cards import card
from lmgame_games.tetris.engine import Engine
from lmgame_games.tetris.guideline import FPS, MOVE_FRAMES, GuidelineEngine
from lmgame_games.tetris.lmgame_bench import BenchEngine
from lmgame_games.tetris.picture import HEIGHT, WIDTH, Picture, picture_of

type Observation = dict[str, np.ndarray]

_ENGINES: dict[str, type[Engine]] = {"standard": GuidelineEngine, "lmgame-bench-2025": BenchEngine}
_SHOWN = {"standard": 5, "lmgame-bench-2025": 4}
_CELLS = HEIGHT * WIDTH
_BOARD = (HEIGHT, WIDTH)
_UINT8 = np.dtype(np.uint8)


class TetrisEnv(GameEnv[Any, Any]):
    """Tetris, by the guideline (`standard`) or by the rules of Lmgame-Bench (`lmgame-bench-2025`).

    Actions: `Discrete`, in the order of the card's controls. Observations, all uint8: `board` (20, 10), rows from the
    top, 0 empty, 1..7 a locked cell of kind I, O, T, S, Z, J, L, 8..14 the piece in play; `piece` (2,), its kind and
    rotation state; `queue` (5,) or (4,), the next kinds; `hold` (2,), the held kind and whether hold is used up. The
    reward is the gain in score. `info`: `score`, `turn_over` (a piece has locked, in `standard`), `frames`, `lines`,
    `pieces`, `level`.

    Args:
        preset: `standard` or `lmgame-bench-2025`.
        render_mode: `rgb_array` or None.

    Raises:
        UnknownNameError: For an unknown preset.
        UsageError: For an unknown render mode.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS // MOVE_FRAMES}  # noqa: RUF012 (Gymnasium's own contract)

    def __init__(self, preset: str = "standard", render_mode: str | None = None) -> None:
        self.card = card(preset)
        if render_mode not in (None, "rgb_array"):
            raise UsageError(f"Unknown render mode {render_mode!r}; Tetris renders 'rgb_array' or nothing (None).")
        self.render_mode = render_mode
        # A film of one frame a step plays at the game's own speed.
        self.metadata = {**self.metadata, "render_fps": int(self.card.fps) // self.card.tap_frames}
        self._guideline = preset == "standard"
        self._shown = _SHOWN[preset]
        self._new_engine = _ENGINES[preset]
        self._names = self._new_engine.MOVES
        self._size = self._new_engine.ROWS * WIDTH + 4 + self._shown  # of the buffer behind an observation
        self._moves = {name: index for index, name in enumerate(self._names)}
        self._engine: Engine | None = None
        self._finished = True
        self._renderer: Any = None
        self.action_space = spaces.Discrete(len(self._names))
        self.observation_space = spaces.Dict(
            {
                "board": spaces.Box(0, 14, _BOARD, np.uint8),
                "piece": spaces.Box(0, np.array([7, 3], np.uint8), (2,), np.uint8),
                "queue": spaces.Box(1, 7, (self._shown,), np.uint8),
                "hold": spaces.Box(0, np.array([7, 1], np.uint8), (2,), np.uint8),
            }
        )

    @property
    def engine(self) -> Engine:
        """The game underneath; players that look ahead take copies of it. Raises GameError before the first reset."""
        if self._engine is None:
            raise GameError("This Tetris has not been started: call reset() first.")
        return self._engine

    @property
    def score(self) -> float:
        return self.engine.score

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        # A raw draw, because NumPy promises stable streams for bit generators, not for the distributions over them.
        engine = self._engine = self._new_engine(Bag(int(self.np_random.bit_generator.random_raw())))
        self._finished = False
        return self._observe(engine), self._info(engine, False, 0)

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        engine = self._engine
        if engine is None or self._finished:
            raise GameError("This game of Tetris is over or was never started: call reset() first.")
        action = int(action)
        if not 0 <= action < len(self._names):
            raise GameError(f"{action} is no action of Tetris; expected 0 to {len(self._names) - 1}: {self._names}.")
        score, frames = engine.score, engine.frames
        locked = engine.play(action)
        return self._result(engine, locked, score, frames)

    def wait(self, frames: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        if frames < 0:
            raise GameError(f"Can't wait {frames} frames; expected 0 or more.")
        engine = self.engine
        score, before = engine.score, engine.frames
        locked = engine.wait(frames)
        return self._result(engine, locked, score, before)

    def _result(
        self, engine: Engine, locked: bool, score: int, frames: int
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """What `step` returns, given score and time before it."""
        over, cut_off = bool(engine.over), engine.cut_off
        self._finished = over or cut_off
        info = self._info(engine, locked and engine.TURN_BASED, engine.frames - frames)
        return self._observe(engine), float(engine.score - score), over, cut_off and not over, info

    def _observe(self, engine: Engine) -> Observation:
        # One fresh buffer and disjoint views of it: making an array costs three times as much as slicing one.
        buffer = engine.painted()
        kind = 0 if engine.over else engine.kind
        buffer += bytes((kind, engine.rotation, engine.hold_kind, engine.hold_used))
        buffer += engine.next_kinds(self._shown)
        flat = np.ndarray((self._size,), _UINT8, buffer)
        rest = self._size - self._shown
        return {
            "board": flat[rest - 4 - _CELLS : rest - 4].reshape(_BOARD),
            "piece": flat[rest - 4 : rest - 2],
            "queue": flat[rest:],
            "hold": flat[rest - 2 : rest],
        }

    @staticmethod
    def _info(engine: Engine, turn_over: bool, frames: int) -> dict[str, Any]:
        return {
            "score": engine.score,
            "turn_over": turn_over,
            "frames": frames,
            "lines": engine.lines,
            "pieces": engine.pieces,
            "level": engine.level,
        }

    def text(self) -> str:
        return view.text(self.engine, shown=self._shown, guideline=self._guideline)

    def picture(self) -> Picture:
        """What the present frame shows."""
        return picture_of(self.engine, shown=self._shown, guideline=self._guideline)

    def render(self) -> np.ndarray | None:  # type: ignore[override]
        """The present frame, uint8 (height, width, 3), a fresh array; None where the render mode is None."""
        if self.render_mode is None:
            return None
        if self._renderer is None:
            from lmgame_games.tetris.render import Renderer

            self._renderer = Renderer()
        return self._renderer.draw(self.picture())

    def action(self, move: Move) -> int:
        if problem := self.problem(move):
            raise GameError(problem)
        return self._moves[move.name]

    def move(self, action: int) -> Move:
        return Move(self._names[action])

    def outcome(self) -> str:
        """`topped_out`, or `move_limit` where the preset's own limit of moves was reached."""
        return "topped_out" if self.engine.over else "move_limit"
