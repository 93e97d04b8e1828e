"""The environment of all line games. One step is one stone."""

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding

from lmgame_common import GameError, UsageError
from lmgame_games.core import Card, Move
from lmgame_games.line_game.grid import Grid, Position
from lmgame_games.line_game.render import Picture, Style, draw
from lmgame_games.shared import AGENTS, AlternatingGame, other

MOST_DRAWS = 1000


class LineGameEnv(AlternatingGame):
    """Two players, a grid, and a line to be made; PettingZoo's AEC.

    Actions: `Discrete`, in the order of the card's controls. Observations: `observation`, uint8 (rows, columns, 2),
    rows from the top, 1 where the seat itself, then the other one, has a stone; `action_mask`, int8 (actions,). A win
    is 1 point, a draw half a point for both. Rewards: 1, 0 or -1 when the game is over.

    The seed draws the opening: `opening` stones put by chance, after which nobody has won or can win at once. Without
    it two players without chance of their own would play one and the same game again and again; it is even because
    seats are swapped on each seed.

    Args:
        card: The game under its preset.
        grid: The shape of the game.
        style: How it is drawn.
        opening: Stones of the opening, an even number.
        line_outcome: The outcome's word for a line.
        render_mode: `rgb_array` or None.

    Raises:
        UsageError: For an unknown render mode.
    """

    def __init__(
        self, card: Card, grid: Grid, style: Style, *, opening: int, line_outcome: str, render_mode: str | None
    ) -> None:
        super().__init__()
        if render_mode not in (None, "rgb_array"):
            raise UsageError(
                f"Unknown render mode {render_mode!r}; {card.title} renders 'rgb_array' or nothing (None)."
            )
        self.card, self.grid, self.render_mode = card, grid, render_mode
        self.metadata = {**self.metadata, "name": f"{card.game}_v{card.version}", "render_fps": int(card.fps)}
        self._style, self._opening, self._line_outcome = style, opening, line_outcome
        self._names = tuple(control.name for control in card.controls)
        self._actions = {name: action for action, name in enumerate(self._names)}
        self.possible_agents = list(AGENTS)
        shape = (grid.rows, grid.columns, 2)
        self._space = spaces.Discrete(grid.actions)
        self._view_space = spaces.Dict(
            {
                "observation": spaces.Box(0, 1, shape, np.uint8),
                "action_mask": spaces.Box(0, 1, (grid.actions,), np.int8),
            }
        )
        self._stones = [0, 0]
        self._last: int | None = None
        self._ending = ""
        self._scores = (0.0, 0.0)

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return self._view_space

    def action_space(self, agent: str) -> spaces.Space[Any]:
        return self._space

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        if seed is not None or not hasattr(self, "_random"):
            self._random, _ = seeding.np_random(seed)
        self._ending, self._scores = "", (0.0, 0.0)
        self._stones, self._last = self._opened()
        self._begin(AGENTS[0])

    def _opened(self) -> tuple[list[int], int | None]:
        """The stones of a drawn opening, and the last of its moves."""
        grid = self.grid
        for _ in range(MOST_DRAWS):
            stones, last = [0, 0], None
            for ply in range(self._opening):
                legal = grid.legal(stones[0] | stones[1])
                # A raw draw: NumPy promises stable streams for bit generators, not for the distributions over them.
                last = legal[int(self._random.bit_generator.random_raw()) % len(legal)]  # type: ignore[attr-defined]
                stones[ply % 2] |= grid.cell_of(last, stones[0] | stones[1])
            taken = stones[0] | stones[1]
            threats = any(
                grid.has_won(own | grid.cell_of(action, taken)) for own in stones for action in grid.legal(taken)
            )
            if not threats and not any(grid.has_won(own) for own in stones):
                return stones, last
        raise GameError(f"No quiet opening of {self._opening} stones was found on this grid.")

    def _play(self, agent: str, action: Any) -> str:
        action = int(action)
        if not 0 <= action < self.grid.actions:
            raise GameError(f"{action} is no action of {self.card.title}; expected 0 to {self.grid.actions - 1}.")
        cell = self.grid.cell_of(action, self._stones[0] | self._stones[1])
        if not cell:
            raise GameError(f"{self._names[action]} is taken.")
        seat = AGENTS.index(agent)
        self._stones[seat] |= cell
        self._last = action
        if self.grid.has_won(self._stones[seat]):
            self._end(self._line_outcome, winner=seat)
        elif self._stones[0] | self._stones[1] == self.grid.full:
            self._end("full_board", winner=None)
        return other(agent)

    def _end(self, ending: str, winner: int | None) -> None:
        self._ending = ending
        self._scores = (0.5, 0.5) if winner is None else (float(winner == 0), float(winner == 1))
        self._finish()

    @property
    def over(self) -> bool:
        return bool(self._ending)

    def scores(self) -> dict[str, float]:
        return dict(zip(AGENTS, self._scores, strict=True))

    def outcome(self) -> str:
        """The line's own word, `full_board`, `forfeit` or `adjudicated`."""
        return self._ending

    def forfeit(self, agent: str) -> None:
        self._stop("forfeit", winner=1 - AGENTS.index(agent))

    def adjudicate(self) -> None:
        self._stop("adjudicated", winner=None)

    def _stop(self, ending: str, winner: int | None) -> None:
        if not self.over:
            before = self.scores()
            self._end(ending, winner)
            self._reward(before)

    def idle(self, agent: str) -> Move | None:
        return None

    def observe(self, agent: str) -> dict[str, np.ndarray]:
        position, grid = self.view(agent), self.grid
        planes = np.zeros((grid.rows, grid.columns, 2), np.uint8)
        for plane, stones in enumerate((position.own, position.other)):
            for column in range(grid.columns):
                for row in range(grid.rows):
                    planes[grid.rows - 1 - row, column, plane] = bool(stones & grid.bit(column, row))
        mask = np.zeros(grid.actions, np.int8)
        if position.to_move:
            mask[grid.legal(position.taken)] = 1
        return {"observation": planes, "action_mask": mask}

    def view(self, agent: str) -> Position:
        seat = AGENTS.index(agent)
        to_move = not self.over and self.agent_selection == agent
        return Position(self.grid, self._stones[seat], self._stones[1 - seat], to_move)

    def legal_moves(self, agent: str) -> tuple[str, ...] | None:
        if not self.view(agent).to_move:
            return ()
        return tuple(self._names[action] for action in self.grid.legal(self._stones[0] | self._stones[1]))

    def action(self, agent: str, move: Move) -> int:
        if problem := self.problem(agent, move):
            raise GameError(problem)
        return self._actions[move.name]

    def move(self, agent: str, action: Any) -> Move:
        return Move(self._names[int(action)])

    def text(self, agent: str) -> str:
        """Who is who, the last stone, and the grid with its coordinates."""
        grid, style, seat = self.grid, self._style, AGENTS.index(agent)
        mine, theirs = style.signs[seat], style.signs[1 - seat]
        last = "none" if self._last is None else self._names[self._last]
        if self.over:
            points = self._scores[seat]
            turn = f"Game over: {'you won' if points == 1 else 'you lost' if points == 0 else 'draw'}"
        else:
            turn = "Your turn" if self.agent_selection == agent else "The other player's turn"
        width = max(len(label) for label in style.columns)
        margin = max((len(label) for label in style.rows), default=0)
        lines = [f"You are {mine}, the other player is {theirs}. {turn}. Last stone: {last}"]
        lines.append(" ".join([*([" " * margin] if margin else []), *(label.rjust(width) for label in style.columns)]))
        for row in range(grid.rows):
            cells = [self._sign(column, grid.rows - 1 - row).rjust(width) for column in range(grid.columns)]
            lines.append(" ".join([*([style.rows[row].rjust(margin)] if margin else []), *cells]))
        return "\n".join(lines)

    def _sign(self, column: int, row: int) -> str:
        bit = self.grid.bit(column, row)
        return next((sign for sign, own in zip(self._style.signs, self._stones, strict=True) if own & bit), ".")

    def frame(self, agent: str) -> np.ndarray:
        return draw(self.grid, self._style, self._picture(AGENTS.index(agent)))

    def render(self) -> np.ndarray | None:
        """The spectators' frame, uint8 (height, width, 3), a fresh array; None where the render mode is None."""
        return None if self.render_mode is None else draw(self.grid, self._style, self._picture(None))

    def _picture(self, seat: int | None) -> Picture:
        last = None
        if self._last is not None:
            # The cell last taken: where stones fall, the highest of its column.
            taken = self._stones[0] | self._stones[1]
            last = self._last_cell(taken)
        wins = self.grid.wins(self._stones[0]) | self.grid.wins(self._stones[1])
        to_move = None if self.over else AGENTS.index(self.agent_selection)
        return Picture(tuple(self._stones), last, wins, seat, to_move, self._scores if self.over else None)

    def _last_cell(self, taken: int) -> int:
        assert self._last is not None
        if not self.grid.drops:
            return self.grid.cell_of(self._last, 0)
        column = taken >> self.grid.height * self._last & (1 << self.grid.rows) - 1
        return self.grid.bit(self._last, column.bit_length() - 1)

    def close(self) -> None:
        """Nothing is held."""
