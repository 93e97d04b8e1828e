"""Players without a model: random, the game's own scripted one, and one that repeats what was logged."""

from collections.abc import Sequence

from lmgame_agents.core import Decision, Observation
from lmgame_common import UsageError
from lmgame_games import GameEnv, Seat, scripted_player
from lmgame_games.baselines import random_move


class RandomAgent:
    """Plays one move a decision, drawn uniformly from the action space, or from what is legal where the state decides.

    Each draw depends on the seed and the number of the decision alone, so an episode can be picked up in its middle.
    """

    def __init__(self, env: GameEnv | Seat, seed: int) -> None:
        self._env, self._seed = env, seed

    async def act(self, observation: Observation) -> Decision:
        """Draw a move."""
        return Decision((random_move(self._env, self._seed, observation.index),))

    def recall(self, observation: Observation, decision: Decision) -> None:
        """Nothing is remembered."""


class ScriptedAgent:
    """Lets the game's scripted player decide from the environment's state. Raises GameError if the game has none."""

    def __init__(self, env: GameEnv | Seat) -> None:
        self._player = scripted_player(env)

    async def act(self, observation: Observation) -> Decision:
        """Ask the player."""
        return Decision(tuple(self._player.act()))

    def recall(self, observation: Observation, decision: Decision) -> None:
        """Nothing is remembered: the player looks at the present state alone."""


class ReplayAgent:
    """Repeats logged decisions, each at its number."""

    def __init__(self, decisions: Sequence[Decision]) -> None:
        self._decisions = decisions

    async def act(self, observation: Observation) -> Decision:
        """The decision of that number. Raises UsageError past the last one."""
        if observation.index >= len(self._decisions):
            raise UsageError(
                f"The log has {len(self._decisions)} decisions; number {observation.index + 1} was asked for."
            )
        return self._decisions[observation.index]

    def recall(self, observation: Observation, decision: Decision) -> None:
        """Nothing is remembered."""
