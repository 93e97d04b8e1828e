"""How the conformance kit for shared games plays a step, and looks at everything there is to see."""

from typing import Any, cast

import numpy as np
from gymnasium.utils.env_checker import data_equivalence

from lmgame_games.card_check import ConformanceError, expect
from lmgame_games.core import Move
from lmgame_games.shared import AGENTS, AlternatingGame, SharedGame, SimultaneousGame

type Actions = dict[str, Any]
"""One action of each seat named; of one seat where they take turns."""


def reset(game: SharedGame, seed: int) -> None:
    """Begin the seed's game."""
    cast(Any, game).reset(seed=seed)


def drawn_actions(game: SharedGame, rng: np.random.Generator) -> Actions:
    """A legal move of each seat that is to move, by chance."""
    moving = [game.agent_selection] if isinstance(game, AlternatingGame) else AGENTS
    found: Actions = {}
    for agent in moving:
        legal = game.legal_moves(agent)
        names = [control.name for control in game.card.controls] if legal is None else list(legal)
        expect(names, f"legal_moves({agent!r}) is empty although it is that seat's turn.")
        hold = game.card.hold
        move = Move(
            names[int(rng.integers(len(names)))], None if hold is None else int(rng.integers(*hold, endpoint=True))
        )
        action = game.action(agent, move)
        space = cast(Any, game).action_space(agent)
        expect(action in space, f"action({agent!r}, {str(move)!r}) is {action}, not in the action space.")
        expect(game.move(agent, action) == move, f"move(action(m)) must be m; for {str(move)!r} it is another.")
        found[agent] = action
    return found


def step(game: SharedGame, actions: Actions) -> dict[str, Any]:
    """Play a step; what it returned or, where seats take turns, what it left in the environment."""
    if isinstance(game, SimultaneousGame):
        names = ["observations", "rewards", "terminations", "truncations", "infos"]
        returned: dict[str, Any] = dict(zip(names, game.step(actions), strict=True))
        for agent, info in returned["infos"].items():
            expect(isinstance(info.get("turn_over"), bool), f"infos[{agent!r}]['turn_over'] must be a bool.")
            expect(info.get("score") == game.scores()[agent], f"infos[{agent!r}]['score'] isn't the seat's score.")
        return returned
    assert isinstance(game, AlternatingGame)
    (action,) = actions.values()
    before = game.scores()
    game.step(action)
    one, other = (game.scores()[agent] - before[agent] for agent in AGENTS)
    rewards = dict(game.rewards)
    expect(
        np.allclose([rewards[agent] for agent in AGENTS], [one - other, other - one]),
        f"A seat's reward is what its score gained on the other's, {one - other} and {other - one}; it is {rewards}.",
    )
    return {"rewards": rewards, "terminations": dict(game.terminations), "infos": dict(game.infos)}


def views(game: SharedGame) -> dict[str, Any]:
    """All that anybody can see of the present state."""
    seen: dict[str, Any] = {"scores": game.scores(), "over": game.over, "spectators' frame": cast(Any, game).render()}
    for agent in AGENTS:
        seen[f"text of {agent}"] = game.text(agent)
        seen[f"frame of {agent}"] = game.frame(agent)
        seen[f"legal moves of {agent}"] = game.legal_moves(agent)
        seen[f"idle move of {agent}"] = game.idle(agent)
        if isinstance(game, AlternatingGame):
            seen[f"observation of {agent}"] = game.observe(agent)
    return seen


def same(one: dict[str, Any], other: dict[str, Any], message: str) -> None:
    """Raise ConformanceError, which names what differs, unless both are equal to the bit."""
    differ = ", ".join(name for name in one if not data_equivalence(one[name], other.get(name), exact=True))
    if differ:
        raise ConformanceError(f"{message}: {differ} differ.")


def arrays(value: Any) -> list[np.ndarray]:
    """The arrays in a nest of dicts, lists and tuples."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    return [array for part in value for array in arrays(part)] if isinstance(value, tuple | list) else []
