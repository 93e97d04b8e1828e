"""The conformance kit for shared games: hold one to the contract of `SharedGame` and to PettingZoo's own.

from lmgame_games.testing import check_shared_game

def test_my_game():
    check_shared_game("mygame")
"""

import contextlib
import io
import random
import warnings
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from gymnasium.utils.env_checker import data_equivalence
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test

from lmgame_games.card_check import ConformanceError, check_card, expect
from lmgame_games.registry import card, make_shared
from lmgame_games.registry import game as registered
from lmgame_games.shared import AGENTS, AlternatingGame, SharedGame, SimultaneousGame
from lmgame_games.shared_conduct import endings, illegal_moves, moving_at_once, scripted_conduct
from lmgame_games.shared_steps import arrays, drawn_actions, reset, same, step, views


def check_shared_game(
    game: str | Callable[..., SharedGame],
    preset: str | None = None,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    steps: int = 300,
    **options: Any,
) -> None:
    """Check one preset of a shared game against the whole contract.

    Args:
        game: A registered game's name, or its environment class (or a function that makes one), which is called with
            `render_mode="rgb_array"`, `preset` unless that is None, and the options.
        preset: The preset; the game's default one if None.
        seeds: Seeds to play, at least one.
        steps: Random moves to play per seed; choose enough for a game to end.
        options: The game's own options.

    Raises:
        ConformanceError: At the first breach; an AssertionError too, so test runners show it as a failure.
    """
    named = {} if preset is None else {"preset": preset}

    def factory(**_: Any) -> SharedGame:
        if isinstance(game, str):
            return make_shared(game, preset, **options)
        return game(render_mode="rgb_array", **named, **options)

    one = factory()
    _check_shared_card(one)
    if isinstance(game, str):
        expect(one.card == card(game, preset), "The environment's `card` isn't the one registered for its preset.")
        expect(registered(game).seats == one.card.seats, "Game.seats and Card.seats differ.")
    _pettingzoo(factory, one)
    _no_global_randomness(factory(), seeds[0])
    for seed in seeds:
        _lockstep(factory(), factory(), seed, steps)
        _starts_afresh(factory(), factory(), seed, steps)
        _arrays_are_fresh(factory(), factory(), seed, min(steps, 40))
        illegal_moves(factory(), factory(), seed, min(steps, 20))
        for agent in AGENTS:
            endings(factory, agent, seed, min(steps, 5))
        if isinstance(one, SimultaneousGame):
            moving_at_once(factory(), factory(), seed, min(steps, 100))
        if isinstance(game, str) and registered(game).scripted:
            scripted_conduct(factory(), factory(), seed)


def _check_shared_card(game: SharedGame) -> None:
    check_card(getattr(game, "card", None))
    known = isinstance(game, AlternatingGame | SimultaneousGame)
    expect(known, "A shared game must be an AlternatingGame or a SimultaneousGame.")
    found = game.card
    expect(found.seats == 2, f"card.seats of a shared game is 2; it is {found.seats}.")
    simultaneous = isinstance(game, SimultaneousGame)
    expect(
        found.simultaneous is simultaneous, f"card.simultaneous must be {simultaneous} for this kind of environment."
    )
    expect(simultaneous or not found.timed, "Time that runs while nobody moves needs a SimultaneousGame: card.timed.")
    expect(found.forfeit_after >= 1, f"card.forfeit_after is {found.forfeit_after}; it must be at least 1.")
    expect(list(game.possible_agents) == list(AGENTS), f"possible_agents must be {list(AGENTS)}.")


def _pettingzoo(factory: Callable[..., SharedGame], game: SharedGame) -> None:
    """PettingZoo's own tests, without what they print."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if isinstance(game, AlternatingGame):
                api_test(cast(Any, factory()), num_cycles=200)
                seed_test(cast(Any, factory), num_cycles=100)
            else:
                parallel_api_test(cast(Any, factory()), num_cycles=200)
                parallel_seed_test(cast(Any, factory), num_cycles=100)
    except ConformanceError:
        raise
    except Exception as error:
        raise ConformanceError(f"PettingZoo's tests found: {type(error).__name__}: {error}") from error


def _no_global_randomness(game: SharedGame, seed: int) -> None:
    before = random.getstate(), np.random.get_state()  # noqa: NPY002 (the global state is what we look at)
    reset(game, seed)
    for _ in range(20):
        if game.over:
            break
        step(game, drawn_actions(game, np.random.default_rng(0)))
        views(game)
    after = random.getstate(), np.random.get_state()  # noqa: NPY002
    for module, old, new in zip(("random", "numpy.random"), before, after, strict=True):
        expect(
            data_equivalence(old, new, exact=True),
            f"The game uses or seeds the global random state of `{module}`; draw from a generator of its own, which "
            "`reset(seed=seed)` seeds.",
        )


def _lockstep(one: SharedGame, other: SharedGame, seed: int, steps: int) -> None:
    """Two copies show the same to the bit, move by move, and looking changes nothing: only one is looked at twice."""
    reset(one, seed)
    reset(other, seed)
    rng = np.random.default_rng(seed)
    sizes: set[tuple[int, ...]] = set()
    for number in range(steps + 1):
        message = f"Two copies with seed {seed} and the same {number} moves are not the same"
        seen = views(one)
        same(seen, views(one), "Looking twice must show the same, and change nothing; two looks differ")
        same(seen, views(other), message)
        _looks(one, seen, sizes)
        if one.over:
            _finished(one, other)
            return
        actions = drawn_actions(one, rng)
        same(step(one, actions), step(other, actions), message)


def _looks(game: SharedGame, seen: dict[str, Any], sizes: set[tuple[int, ...]]) -> None:
    for agent in AGENTS:
        text, frame = seen[f"text of {agent}"], seen[f"frame of {agent}"]
        expect(isinstance(text, str) and text, f"text({agent!r}) must return a string that isn't empty.")
        right = isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3
        expect(right, f"frame({agent!r}) must be a uint8 array of shape (height, width, 3).")
        sizes.add(frame.shape)
        idle = seen[f"idle move of {agent}"]
        acting = not isinstance(game, AlternatingGame) or game.agent_selection == agent
        if idle is not None and acting and not game.over:
            expect(game.problem(agent, idle) is None, f"idle({agent!r}) is {str(idle)!r}, which is illegal now.")
    expect(len(sizes) == 1, f"A seat's frame must always be of one size; there are {sorted(sizes)}.")


def _finished(one: SharedGame, other: SharedGame) -> None:
    """Once over, a game has a word for it, and nothing moves it any more."""
    word = one.outcome()
    expect(isinstance(word, str) and word, f"outcome() must be a word; it is {word!r}.")
    if isinstance(one, AlternatingGame):
        ended = all(one.terminations[agent] or one.truncations[agent] for agent in AGENTS)
        expect(ended, "A game that is over must be terminated or truncated for both seats.")
    for agent in AGENTS:
        one.forfeit(agent)
    one.adjudicate()
    same(views(one), views(other), "forfeit() and adjudicate() of a finished game must be no-ops")


def _starts_afresh(used: SharedGame, fresh: SharedGame, seed: int, steps: int) -> None:
    """Nothing of an earlier game shows after `reset(seed=…)`."""
    reset(used, seed + 1)
    rng = np.random.default_rng(seed + 1)
    for _ in range(steps):
        if used.over:
            break
        step(used, drawn_actions(used, rng))
    reset(used, seed)
    reset(fresh, seed)
    rng = np.random.default_rng(seed)
    message = "reset(seed=…) of a used game must equal a fresh one; something is left of the last game"
    for _ in range(min(steps, 40)):
        same(views(used), views(fresh), message)
        if used.over:
            return
        actions = drawn_actions(fresh, rng)
        same(step(used, actions), step(fresh, actions), message)


def _arrays_are_fresh(one: SharedGame, other: SharedGame, seed: int, steps: int) -> None:
    """What was handed out is the taker's: writing into it changes nothing."""
    reset(one, seed)
    reset(other, seed)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        if one.over:
            return
        actions = drawn_actions(one, rng)
        returned = step(one, actions)
        step(other, actions)
        for array in arrays([returned, views(one)]):
            if array.flags.writeable:
                array[...] = 0 if array.any() else 1
        same(views(one), views(other), "Writing into a returned array changed the game; return copies")
