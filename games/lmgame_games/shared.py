"""Games that two players share: PettingZoo environments with a card, and one view a seat.

A shared game is either an `AlternatingGame` (PettingZoo's `AECEnv`: the seats take turns) or a `SimultaneousGame` (its
`ParallelEnv`: both move at once). Agents are given a `Seat`, which shows one side and nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import AECEnv, ParallelEnv

from lmgame_common import GameError
from lmgame_games.core import Card, Move

AGENTS = ("player_0", "player_1")
"""Names of the seats, in PettingZoo's own fashion; `player_0` moves first where seats take turns."""


def other(agent: str) -> str:
    """The seat across."""
    return AGENTS[1 - AGENTS.index(agent)]


class SharedGame(ABC):
    """What every shared game has on top of PettingZoo's own contract.

    All randomness comes from `reset(seed=…)`. Observations and frames are fresh arrays. Everything that takes an
    `agent` shows or tells what that seat may know, and never what is hidden from it.
    """

    card: Card
    """The card of the preset this environment was made with."""
    possible_agents: list[str] = list(AGENTS)  # noqa: RUF012 (PettingZoo's own contract)

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether the game has ended."""

    @abstractmethod
    def scores(self) -> dict[str, float]:
        """Each seat's score so far, as the card defines it. Once the game is over the higher one has won; equal scores
        are a draw."""

    @abstractmethod
    def text(self, agent: str) -> str:
        """The seat's text view: everything needed to play, deterministic, compact, one canonical form."""

    @abstractmethod
    def frame(self, agent: str) -> np.ndarray:
        """The seat's frame, uint8 (height, width, 3), a fresh array; of one size whatever the state."""

    @abstractmethod
    def view(self, agent: str) -> Any:
        """What the seat knows as plain data, for scripted players; hidden things are not in it."""

    @abstractmethod
    def action(self, agent: str, move: Move) -> Any:
        """The element of the seat's action space that plays this move. Raises GameError for an illegal one."""

    @abstractmethod
    def move(self, agent: str, action: Any) -> Move:
        """The move that an element of the seat's action space plays; inverse of `action`."""

    @abstractmethod
    def idle(self, agent: str) -> Move | None:
        """What an unusable answer costs right now; None where nothing is played and the seat is asked again."""

    @abstractmethod
    def forfeit(self, agent: str) -> None:
        """End the game with this seat the loser, because its answers couldn't be used. No-op once over."""

    @abstractmethod
    def adjudicate(self) -> None:
        """End the game as it stands, because the decisions are used up; the card says who wins. No-op once over."""

    @abstractmethod
    def outcome(self) -> str:
        """One word for how the game ended, such as `four_in_a_row`; only asked once it has."""

    def legal_moves(self, agent: str) -> tuple[str, ...] | None:
        """Names of the moves legal right now; None where all on the card always are."""
        return None

    def problem(self, agent: str, move: Move) -> str | None:
        """Why this move is illegal right now, in one sentence for the model; None if it is legal."""
        if told := self.card.problem(move):
            return told
        legal = self.legal_moves(agent)
        if legal is not None and move.name not in legal:
            return f"{move.name!r} is not possible now; possible are {', '.join(legal)}."
        return None

    def seat(self, agent: str) -> "Seat":
        """One side of the game."""
        return Seat(self, agent)


class AlternatingGame(SharedGame, AECEnv):  # type: ignore[type-arg]
    """A game whose seats take turns: `agent_selection` is to move, `step(action)` is its move.

    Illegal actions raise GameError and change nothing. Observations are dicts with PettingZoo's `action_mask` beside
    `observation`. A seat's reward is what it gained on the other. The game ends for both seats at once.

    Subclasses write `_play`, call `_begin` at the end of their `reset`, and `_finish` when the game is over.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "is_parallelizable": False}  # noqa: RUF012

    @abstractmethod
    def _play(self, agent: str, action: Any) -> str:
        """Play a move; who moves next. Raises GameError for an illegal one, having changed nothing."""

    def step(self, action: Any) -> None:
        """Play the move of `agent_selection`; as PettingZoo's."""
        agent = self._started()
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        before = self.scores()
        following = self._play(agent, action)
        self._cumulative_rewards[agent] = 0.0
        self._reward(before)
        self.agent_selection = following

    def _started(self) -> str:
        if not getattr(self, "agents", None):
            raise GameError(f"This game of {self.card.title} is over or was never started: call reset() first.")
        return self.agent_selection

    def _begin(self, first: str) -> None:
        """Both seats are at the game, nobody has gained anything, and `first` is to move."""
        self.agents = list(AGENTS)
        self.agent_selection = first
        self.rewards = dict.fromkeys(AGENTS, 0.0)
        self._cumulative_rewards = dict.fromkeys(AGENTS, 0.0)
        self.terminations = dict.fromkeys(AGENTS, False)
        self.truncations = dict.fromkeys(AGENTS, False)
        self.infos = {agent: {"score": 0.0} for agent in AGENTS}

    def _finish(self) -> None:
        """The game is over for both seats."""
        self.terminations = dict.fromkeys(AGENTS, True)

    def _reward(self, before: Mapping[str, float]) -> None:
        """Give each seat what it has gained on the other since its score was that of `before`."""
        now = self.scores()
        gained = {agent: now[agent] - before[agent] for agent in AGENTS}
        one, other = AGENTS
        self.rewards = {one: gained[one] - gained[other], other: gained[other] - gained[one]}
        self.infos = {agent: {"score": now[agent]} for agent in AGENTS}
        self._accumulate_rewards()


class SimultaneousGame(SharedGame, ParallelEnv):  # type: ignore[type-arg]
    """A game whose seats move at once: `step(actions)` plays one move of each seat, and the time it takes.

    A seat that is missing from `actions` does nothing, and on its side no time passes; that is how lists of moves of
    unequal length are played under the paused clock. `infos[agent]` has `score` and `turn_over` (bool: the moves left
    over of the seat's answer must be dropped, because what they were meant for is gone, such as a piece that has
    locked). The result doesn't depend on the order of seats within `actions`. The game ends for both seats at once.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    @abstractmethod
    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """One move of each seat named; as PettingZoo's."""


class Seat:
    """One side of a shared game: all that an agent may see or ask. Has what agents use of a `GameEnv`."""

    def __init__(self, game: SharedGame, agent: str) -> None:
        self._game, self.agent = game, agent
        self.card = game.card

    @property
    def number(self) -> int:
        """0 for the seat that moves first, 1 for the other."""
        return AGENTS.index(self.agent)

    @property
    def score(self) -> float:
        """This seat's score so far."""
        return self._game.scores()[self.agent]

    @property
    def action_space(self) -> spaces.Space[Any]:
        """The seat's action space."""
        return self._game.action_space(self.agent)  # type: ignore[attr-defined]

    def view(self) -> Any:
        """What the seat knows as plain data, for scripted players."""
        return self._game.view(self.agent)

    def text(self) -> str:
        """The text view."""
        return self._game.text(self.agent)

    def render(self) -> np.ndarray:
        """The frame, uint8 (height, width, 3)."""
        return self._game.frame(self.agent)

    def legal_moves(self) -> tuple[str, ...] | None:
        """Names of the moves legal right now; None where all on the card always are."""
        return self._game.legal_moves(self.agent)

    def problem(self, move: Move) -> str | None:
        """Why this move is illegal right now; None if it is legal."""
        return self._game.problem(self.agent, move)

    def action(self, move: Move) -> Any:
        """The element of `action_space` that plays this move. Raises GameError for an illegal one."""
        return self._game.action(self.agent, move)

    def move(self, action: Any) -> Move:
        """The move that an element of `action_space` plays."""
        return self._game.move(self.agent, action)

    def idle(self) -> Move | None:
        """What an unusable answer costs right now; None: nothing, the seat is asked again."""
        return self._game.idle(self.agent)
