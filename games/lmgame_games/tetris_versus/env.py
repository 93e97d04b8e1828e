"""Tetris Versus as a PettingZoo environment. One step is one move of each seat."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding

from lmgame_common import GameError, UsageError
from lmgame_games.core import Move
from lmgame_games.shared import AGENTS, SimultaneousGame
from lmgame_games.tetris.bag import Bag
from lmgame_games.tetris.guideline import MOVES
from lmgame_games.tetris.picture import HEIGHT, WIDTH
from lmgame_games.tetris_versus.cards import PIECE_LIMIT, card
from lmgame_games.tetris_versus.engine import VersusEngine
from lmgame_games.tetris_versus.garbage import Holes
from lmgame_games.tetris_versus.view import SHOWN, VersusView, seat_text, seat_view

type Observation = dict[str, np.ndarray]

_BOARD = (HEIGHT, WIDTH)
_CELLS = HEIGHT * WIDTH
_HIGHEST = 15
_RESULTS = {0.0: ("LOST", "you lost"), 0.5: ("DRAW", "draw"), 1.0: ("WON", "you won")}
_ACTIONS = {name: action for action, name in enumerate(MOVES)}


class TetrisVersusEnv(SimultaneousGame):
    """Tetris against each other; PettingZoo's ParallelEnv.

    Actions: `Discrete`, in the order of the card's controls. Observations: `board` and `other_board`, uint8 (20, 10),
    rows from the top, 0 empty, 1..7 a locked cell of kind I, O, T, S, Z, J, L, 8..14 the piece in play, 15 garbage;
    `piece` and `other_piece`, uint8 (2,), kind and rotation state; `queue`, uint8 (5,), the own next kinds; `hold` and
    `other_hold`, uint8 (2,), the held kind and whether hold is used up; `numbers`, int32 (2, 4), a row for the own and
    for the other side: pending lines of garbage, lines of attack made, lines cleared, pieces placed. A win is 1 point,
    a draw half a point for both. Rewards: 1, 0 or -1 when the game is over. `infos[agent]`: `score`, `turn_over` (a
    piece of the seat's has locked), `frames` (that passed on its side), `lines`, `pieces`, `level`, and in lines of
    garbage `attack` (made), `cancelled` (of its pending ones, by its attacks), `sent`, `received` and `pending`.

    Attacks change sides after the moves of a step have been played; so neither seat is first.

    Args:
        preset: `standard`.
        render_mode: `rgb_array` or None.

    Raises:
        UnknownNameError: For an unknown preset.
        UsageError: For an unknown render mode.
    """

    def __init__(self, preset: str = "standard", render_mode: str | None = None) -> None:
        self.card = card(preset)
        if render_mode not in (None, "rgb_array"):
            raise UsageError(
                f"Unknown render mode {render_mode!r}; {self.card.title} renders 'rgb_array' or nothing (None)."
            )
        self.render_mode = render_mode
        # A film of one frame a step plays at the game's own speed.
        rate = int(self.card.fps) // self.card.tap_frames
        self.metadata = {**self.metadata, "name": f"tetris-versus_v{self.card.version}", "render_fps": rate}
        self.possible_agents = list(AGENTS)
        self.agents: list[str] = []
        self._engines: tuple[VersusEngine, VersusEngine] | None = None
        self._arrived = [0, 0]
        self._ending = ""
        self._scores = (0.0, 0.0)
        self._renderers: dict[str | None, Any] = {}
        self._space = spaces.Discrete(len(MOVES))
        self._view_space = _observation_space()

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return self._view_space

    def action_space(self, agent: str) -> spaces.Space[Any]:
        return self._space

    @property
    def engines(self) -> tuple[VersusEngine, VersusEngine]:
        """Both sides, by seat. Raises GameError before the first reset."""
        if self._engines is None:
            raise GameError("This game of Tetris Versus has not been started: call reset() first.")
        return self._engines

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        if seed is not None or not hasattr(self, "_random"):
            self._random, _ = seeding.np_random(seed)
        # Raw draws, because NumPy promises stable streams for bit generators, not for the distributions over them.
        pieces, holes = (int(self._random.bit_generator.random_raw()) for _ in range(2))
        bag = Bag(pieces)
        self._engines = (VersusEngine(bag), VersusEngine(bag))
        self._holes = Holes(holes)
        self._arrived = [0, 0]
        self._ending, self._scores = "", (0.0, 0.0)
        self.agents = list(AGENTS)
        return self._observations(), {agent: self._info(agent, False, 0) for agent in AGENTS}

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """One move of each seat named, and its 4 frames on that seat's side. Raises GameError, having changed nothing,
        for an unknown seat or action, and for a game that is over or was never started."""
        if not self.agents:
            raise GameError("This game of Tetris Versus is over or was never started: call reset() first.")
        played = {AGENTS.index(self._known(agent)): _checked(action) for agent, action in actions.items()}
        engines = self.engines
        before: list[int] = [engine.frames for engine in engines]
        locked = [seat in played and engine.play(played[seat]) for seat, engine in enumerate(engines)]
        for seat, engine in enumerate(engines):
            if engine.outgoing:
                self._send(engine.outgoing, 1 - seat)
                engine.outgoing = 0
        self._judge()
        one, two = self._scores
        rewards: dict[str, float] = {AGENTS[0]: one - two, AGENTS[1]: two - one}
        terminations: dict[str, bool] = dict.fromkeys(self.possible_agents, self.over)
        truncations: dict[str, bool] = dict.fromkeys(self.possible_agents, False)
        infos = {
            agent: self._info(agent, locked[seat], engines[seat].frames - before[seat])
            for seat, agent in enumerate(AGENTS)
        }
        return self._observations(), rewards, terminations, truncations, infos

    def _known(self, agent: str) -> str:
        if agent not in AGENTS:
            raise GameError(f"{agent!r} is no seat of Tetris Versus; the seats are {' and '.join(AGENTS)}.")
        return agent

    def _send(self, lines: int, to: int) -> None:
        self.engines[to].receive(lines, self._holes[self._arrived[to]])
        self._arrived[to] += 1

    def _judge(self) -> None:
        """End the game if a seat has topped out, or the pieces are used up."""
        engines = self.engines
        out = [bool(engine.over) for engine in engines]
        if all(out):
            self._end("both_topped_out", (0.5, 0.5))
        elif any(out):
            self._end("topped_out", (float(out[1]), float(out[0])))
        elif max(engine.pieces for engine in engines) >= PIECE_LIMIT:
            self._end("piece_limit", self._by_attack())

    def _by_attack(self) -> tuple[float, float]:
        one, two = (engine.attack for engine in self.engines)
        return (0.5, 0.5) if one == two else (float(one > two), float(two > one))

    def _end(self, ending: str, scores: tuple[float, float]) -> None:
        self._ending, self._scores = ending, scores
        self.agents = []

    @property
    def over(self) -> bool:
        return bool(self._ending)

    def scores(self) -> dict[str, float]:
        return dict(zip(AGENTS, self._scores, strict=True))

    def outcome(self) -> str:
        """`topped_out`, `both_topped_out`, `piece_limit`, `forfeit` or `adjudicated`."""
        return self._ending

    def forfeit(self, agent: str) -> None:
        if not self.over:
            loser = AGENTS.index(agent)
            self._end("forfeit", (float(loser == 1), float(loser == 0)))

    def adjudicate(self) -> None:
        """Who has made more lines of attack wins, as at the limit of pieces."""
        if not self.over:
            self._end("adjudicated", self._by_attack())

    def idle(self, agent: str) -> Move | None:
        return self.card.idle

    def action(self, agent: str, move: Move) -> int:
        if problem := self.problem(agent, move):
            raise GameError(problem)
        return _ACTIONS[move.name]

    def move(self, agent: str, action: Any) -> Move:
        return Move(MOVES[int(action)])

    def view(self, agent: str) -> VersusView:
        return seat_view(*self._own_first(agent))

    def text(self, agent: str) -> str:
        """The own side as in Tetris, with pending garbage; then the other one, in short."""
        seat = AGENTS.index(agent)
        result = f"{_RESULTS[self._scores[seat]][1]} ({self._ending})" if self.over else None
        return seat_text(*self._own_first(agent), result)

    def frame(self, agent: str) -> np.ndarray:
        return self._draw(agent)

    def render(self) -> np.ndarray | None:
        """The spectators' frame, uint8 (416, 576, 3), a fresh array; None where the render mode is None."""
        return None if self.render_mode is None else self._draw(None)

    def close(self) -> None:
        """Nothing is held."""

    def _own_first(self, agent: str) -> tuple[VersusEngine, VersusEngine]:
        seat, engines = AGENTS.index(agent), self.engines
        return engines[seat], engines[1 - seat]

    def _draw(self, agent: str | None) -> np.ndarray:
        if agent not in self._renderers:
            from lmgame_games.tetris_versus.render import VersusRenderer

            self._renderers[agent] = (
                VersusRenderer((SHOWN, SHOWN), ("PLAYER 0", "PLAYER 1"))
                if agent is None
                else VersusRenderer((SHOWN, 0), ("YOU", "OPPONENT"))
            )
        left = 0 if agent is None else AGENTS.index(agent)
        words = [_RESULTS[score][0] if self.over else "" for score in self._scores]
        return self._renderers[agent].draw((self.engines[left], self.engines[1 - left]), (words[left], words[1 - left]))

    def _info(self, agent: str, locked: bool, frames: int) -> dict[str, Any]:
        seat = AGENTS.index(agent)
        engine = self.engines[seat]
        return {
            "score": self._scores[seat],
            "turn_over": locked,
            "frames": frames,
            "lines": engine.lines,
            "pieces": engine.pieces,
            "level": engine.level,
            "attack": engine.attack,
            "cancelled": engine.cancelled,
            "sent": engine.sent,
            "received": engine.received,
            "pending": engine.pending,
        }

    def _observations(self) -> dict[str, Observation]:
        return {agent: _observe(*self._own_first(agent)) for agent in AGENTS}


def _checked(action: Any) -> int:
    action = int(action)
    if not 0 <= action < len(MOVES):
        raise GameError(f"{action} is no action of Tetris Versus; expected 0 to {len(MOVES) - 1}: {MOVES}.")
    return action


def _observation_space() -> spaces.Dict:
    piece = np.array([7, 3], np.uint8)
    hold = np.array([7, 1], np.uint8)
    most = np.iinfo(np.int32).max
    return spaces.Dict(
        {
            "board": spaces.Box(0, _HIGHEST, _BOARD, np.uint8),
            "piece": spaces.Box(0, piece, (2,), np.uint8),
            "queue": spaces.Box(1, 7, (SHOWN,), np.uint8),
            "hold": spaces.Box(0, hold, (2,), np.uint8),
            "other_board": spaces.Box(0, _HIGHEST, _BOARD, np.uint8),
            "other_piece": spaces.Box(0, piece, (2,), np.uint8),
            "other_hold": spaces.Box(0, hold, (2,), np.uint8),
            "numbers": spaces.Box(0, most, (2, 4), np.int32),
        }
    )


def _observe(own: VersusEngine, other: VersusEngine) -> Observation:
    numbers = [(side.pending, side.attack, side.lines, side.pieces) for side in (own, other)]
    board, piece, hold = _observe_side(own)
    other_board, other_piece, other_hold = _observe_side(other)
    return {
        "board": board,
        "piece": piece,
        "queue": np.array(own.next_kinds(SHOWN), np.uint8),
        "hold": hold,
        "other_board": other_board,
        "other_piece": other_piece,
        "other_hold": other_hold,
        "numbers": np.array(numbers, np.int32),
    }


def _observe_side(engine: VersusEngine) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Board, piece and hold of one side."""
    # One fresh buffer and disjoint views of it: making an array costs three times as much as slicing one.
    buffer = engine.painted()
    buffer += bytes((0 if engine.over else engine.kind, engine.rotation, engine.hold_kind, engine.hold_used))
    flat = np.ndarray((len(buffer),), np.uint8, buffer)
    return flat[-4 - _CELLS : -4].reshape(_BOARD), flat[-4:-2], flat[-2:]
