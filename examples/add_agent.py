"""Add an agent of your own: anything with `act` and `recall`.

uv run python examples/add_agent.py
"""

import lmgame
from lmgame.episode import EpisodePlan
from lmgame_agents import Decision, Observation
from lmgame_games import GameEnv, Move


class LeftAndRight:
    """Drops every other piece at the left wall and the ones between at the right wall."""

    async def act(self, observation: Observation) -> Decision:
        side = "left" if observation.index % 2 else "right"
        return Decision(moves=(*[Move(side)] * 5, Move("hard_drop")), raw=f"to the {side}")

    def recall(self, observation: Observation, decision: Decision) -> None:
        """Nothing to take back into memory: the answer depends on the number of the decision alone."""


def make_agent(plan: EpisodePlan, env: GameEnv) -> LeftAndRight:
    return LeftAndRight()


def main() -> None:
    result = lmgame.play(model="left-and-right", agent=make_agent, game="tetris", episodes=3)
    for episode in result.episodes:
        print(f"{episode.id}: {episode.score:g} ({episode.outcome})")
    print(f"records: {result.folder}")


if __name__ == "__main__":
    main()
