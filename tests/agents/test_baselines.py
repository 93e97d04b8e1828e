"""Players without a model."""

from collections import Counter

import pytest

from lmgame_agents import Agent, Decision, Observation, RandomAgent, ReplayAgent, ScriptedAgent, Verdict
from lmgame_common import UsageError
from lmgame_games import GameEnv, Move, make
from lmgame_games.baselines import random_action


@pytest.fixture
def env() -> GameEnv:
    env = make("tetris")
    env.reset(seed=0)
    return env


def at(index: int) -> Observation:
    return Observation(None, None, index=index)


async def test_random_draws_one_move_by_seed_and_number(env: GameEnv) -> None:
    agent: Agent = RandomAgent(env, 5)
    drawn = [await agent.act(at(index)) for index in range(300)]
    again = [await RandomAgent(env, 5).act(at(index)) for index in reversed(range(300))]
    other = [await RandomAgent(env, 6).act(at(index)) for index in range(300)]
    assert drawn == again[::-1]
    assert drawn != other
    assert all(len(decision.moves) == 1 and decision.verdict is Verdict.OK for decision in drawn)
    assert [d.moves[0] for d in drawn] == [env.move(random_action(env.action_space, 5, i)) for i in range(300)]
    counts = Counter(decision.moves[0].name for decision in drawn)
    assert set(counts) == {control.name for control in env.card.controls}


async def test_scripted_plays_what_the_games_player_plays(env: GameEnv) -> None:
    decision = await ScriptedAgent(env).act(at(0))
    assert decision.moves
    for move in decision.moves:
        assert env.problem(move) is None
    assert await ScriptedAgent(env).act(at(0)) == decision


async def test_replay_repeats_by_number_and_ends() -> None:
    log = [Decision((Move("left"),)), Decision((), Verdict.UNPARSABLE, "hm", problem="No moves.")]
    agent = ReplayAgent(log)
    assert [await agent.act(at(index)) for index in (1, 0)] == log[::-1]
    with pytest.raises(UsageError, match="2 decisions"):
        await agent.act(at(2))
