"""The conformance kit: hold a game to the contract that records, resume, replays and comparisons lean on.

    from lmgame_games.testing import check_game

    def test_my_game():
        check_game("mygame")

Every check is a short function below, so this file can be read as the contract in full. The idea of stepping two
copies in lockstep is PettingZoo's `seed_test`; Gymnasium's own `check_env` is one of the checks.
"""

import math
import random
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium.utils.env_checker import check_env, data_equivalence

from lmgame_common import GameError, LmgameError
from lmgame_games.card_check import ConformanceError, check_card, expect, moves_of, problems_are_told
from lmgame_games.core import GameEnv, Move, frame_of
from lmgame_games.registry import card, make, scripted_player
from lmgame_games.registry import game as registered
from lmgame_games.shared_testing import check_shared_game

__all__ = ["ConformanceError", "check_card", "check_game", "check_shared_game"]

type Env = GameEnv[Any, Any]


def check_game(
    game: str | Callable[..., Env],
    preset: str | None = None,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    steps: int = 500,
    **options: Any,
) -> None:
    """Check one preset of a game against the whole contract of `GameEnv` and `Card`.

    Args:
        game: A registered game's name, or its environment class (or a function that makes one), which is called with
            `render_mode="rgb_array"`, `preset` unless that is None, and the options.
        preset: The preset; the game's default one if None.
        seeds: Seeds to play, at least one.
        steps: Random moves to play per seed. What a finished episode does is checked only where an episode ends within
            them, so choose enough.
        options: The game's own options.

    Raises:
        ConformanceError: At the first breach; an AssertionError too, so test runners show it as a failure.
    """
    if isinstance(game, str):
        name = game

        def factory() -> Env:
            return make(name, preset, **options)
    else:
        named = {} if preset is None else {"preset": preset}

        def factory() -> Env:
            return game(render_mode="rgb_array", **named, **options)

    with closing(factory()) as env:
        check_card(getattr(env, "card", None))
        if isinstance(game, str):
            expect(env.card == card(game, preset), "The environment's `card` isn't the one registered for its preset.")
        _no_global_randomness(env, seeds[0])
        _gymnasium_check(env)
        _moves_and_actions(env, seeds[0])
    for seed in seeds:
        with closing(factory()) as one, closing(factory()) as other, closing(factory()) as fresh:
            _lockstep(one, other, seed, steps)
            # From here on the copies are used ones; that a reset makes them new is what comes next.
            _reset_starts_afresh(one, fresh, seed, steps)
            _arrays_are_fresh(one, other, seed, min(steps, 50))
            _views_are_pure(one, other, seed, min(steps, 50))
            _waiting(one, other, seed, min(steps, 20))
            if isinstance(game, str) and registered(game).scripted:
                _player(one, other, seed)


def _no_global_randomness(env: Env, seed: int) -> None:
    env.action_space.seed(seed)
    actions = [env.action_space.sample() for _ in range(20)]
    before = random.getstate(), np.random.get_state()  # noqa: NPY002 (the global state is what we look at)
    env.reset(seed=seed)
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        _views(env)
        if terminated or truncated:
            break
        env.wait(1)
    after = random.getstate(), np.random.get_state()  # noqa: NPY002
    for module, old, new in zip(("random", "numpy.random"), before, after, strict=True):
        expect(
            data_equivalence(old, new, exact=True),
            f"The game uses or seeds the global random state of `{module}`; draw from `self.np_random` instead, "
            "which `super().reset(seed=seed)` seeds.",
        )


def _gymnasium_check(env: Env) -> None:
    try:
        with warnings.catch_warnings():
            # An environment handed over as a class has no spec, and needs none here.
            warnings.filterwarnings("ignore", message=".*not having a spec.*")
            check_env(env)
    except LmgameError:
        raise
    except Exception as error:
        raise ConformanceError(f"Gymnasium's check_env found: {type(error).__name__}: {error}") from error


def _moves_and_actions(env: Env, seed: int) -> None:
    """`action` and `move` are inverse to each other, and every control on the card can be played."""
    card = env.card
    env.action_space.seed(seed)
    env.reset(seed=seed)
    for _ in range(100):
        action = env.action_space.sample()
        move = env.move(action)
        expect(card.problem(move) is None, f"move({action}) is {str(move)!r}: {card.problem(move)}")
        back = env.action(move)
        expect(np.array_equal(back, action), f"action(move(a)) must be a; for a = {action} it is {back}.")
    for control in card.controls:
        for move in moves_of(control, card):
            if env.problem(move) is not None and env.legal_moves() is not None:
                continue  # Not legal in this state; the card alone can't tell.
            try:
                action = env.action(move)
                expect(action in env.action_space, f"action({str(move)!r}) is {action}, not in the action space.")
                _, _, terminated, truncated, _ = env.step(action)
            except ConformanceError:
                raise
            except Exception as error:
                raise ConformanceError(f"The card has {str(move)!r}, but playing it fails: {error!r}") from error
            expect(env.move(action) == move, f"move(action(m)) must be m; for {str(move)!r} it is {env.move(action)}.")
            if terminated or truncated:
                env.reset(seed=seed)
    env.reset(seed=seed)
    problems_are_told(env.problem, card, "problem()")
    try:
        env.action(Move("no-such-move"))
    except GameError:
        return
    except Exception as error:
        raise ConformanceError(f"action() of an unknown move must raise GameError; it raised {error!r}.") from error
    raise ConformanceError("action() of an unknown move must raise GameError; it returned something.")


def _views(env: Env) -> dict[str, Any]:
    """All a player can see of the present state."""
    return {"text": env.text(), "frame": frame_of(env), "score": env.score, "legal moves": env.legal_moves()}


def _result(returned: tuple[Any, ...]) -> dict[str, Any]:
    """What `step`, `wait` or `reset` returned, by name."""
    if len(returned) == 2:
        return dict(zip(("observation", "info"), returned, strict=True))
    return dict(zip(("observation", "reward", "terminated", "truncated", "info"), returned, strict=True))


def _differences(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Names of what differs, comma-separated; empty if all is equal to the bit."""
    return ", ".join(name for name in one if not data_equivalence(one[name], other[name], exact=True))


def _same_views(one: Env, other: Env, message: str) -> None:
    if differ := _differences(_views(one), _views(other)):
        raise ConformanceError(f"{message}: {differ} differ.")


def _same_result(one: tuple[Any, ...], other: tuple[Any, ...], message: str) -> None:
    if differ := _differences(_result(one), _result(other)):
        raise ConformanceError(f"{message}: {differ} differ.")


def _actions(env: Env, seed: int, steps: int) -> list[Any]:
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(steps)]


def _info(env: Env, returned: tuple[Any, ...], what: str) -> None:
    """`info` carries the score and, after a move, whether the turn is over; the observation lies in its space."""
    result = _result(returned)
    info = result["info"]
    expect(result["observation"] in env.observation_space, f"{what} returned an observation outside of its space.")
    expect("score" in info, f"The info of {what} has no 'score'.")
    expect(info["score"] == env.score, f"The info of {what} says score {info['score']}, `score` is {env.score}.")
    if len(returned) > 2:
        over = info.get("turn_over")
        expect(isinstance(over, bool), f"info['turn_over'] of {what} must be a bool; it is {over!r}.")


def _lockstep(one: Env, other: Env, seed: int, steps: int) -> None:
    """Two fresh copies show the same to the bit, move by move."""
    first, second = one.reset(seed=seed), other.reset(seed=seed)
    _info(one, first, "reset()")
    _looks_the_same_twice(one)
    _looks_the_same_twice(other)
    message = f"Two copies reset with seed {seed} are not the same"
    _same_result(first, second, message)
    _same_views(one, other, message)
    for number, action in enumerate(_actions(one, seed, steps), 1):
        first, second = one.step(action), other.step(action)
        _info(one, first, "step()")
        message = f"Two copies with seed {seed} and the same {number} moves are not the same"
        _same_result(first, second, message)
        _same_views(one, other, message)
        if first[2] or first[3]:
            _finished(one, other)
            return


def _finished(one: Env, other: Env) -> None:
    """Once an episode is over nothing moves it any more."""
    _, reward, terminated, truncated, _ = one.wait(7)
    expect(terminated or truncated, "wait() of a finished episode must still return it as terminated or truncated.")
    expect(reward == 0, f"wait() of a finished episode must be a no-op; it gave the reward {reward}.")
    _same_views(one, other, "wait() of a finished episode must be a no-op")
    outcome = one.outcome()
    expect(isinstance(outcome, str) and outcome, f"outcome() must be a word; it is {outcome!r}.")


def _reset_starts_afresh(used: Env, fresh: Env, seed: int, steps: int) -> None:
    """Nothing of an earlier episode shows after `reset(seed=…)`."""
    used.reset(seed=seed + 1)
    for action in _actions(used, seed + 1, steps):
        _, _, terminated, truncated, _ = used.step(action)
        if terminated or truncated:
            break
    message = "reset(seed=…) of a used environment must equal a fresh one; something is left of the last episode"
    _same_result(used.reset(seed=seed), fresh.reset(seed=seed), message)
    _same_views(used, fresh, message)
    for action in _actions(fresh, seed, min(steps, 50)):
        first, second = used.step(action), fresh.step(action)
        _same_result(first, second, message)
        _same_views(used, fresh, message)
        if first[2] or first[3]:
            return


def _arrays(value: Any) -> list[np.ndarray]:
    """The arrays in an observation."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    return [array for part in value for array in _arrays(part)] if isinstance(value, tuple | list) else []


def _arrays_are_fresh(one: Env, other: Env, seed: int, steps: int) -> None:
    """What was handed out is the taker's: the game neither changes it later nor minds what he does to it."""
    kept = one.reset(seed=seed)[0], frame_of(one)
    other.reset(seed=seed)
    message = "Writing into a returned array changed the game; return copies"
    for action in _actions(one, seed, steps):
        copies = deepcopy(kept)
        returned, frame = one.step(action), frame_of(one)
        for what, then, now in zip(("An observation", "A frame"), copies, kept, strict=True):
            expect(
                data_equivalence(then, now, exact=True),
                f"{what} changed after it was returned; return a copy, not a view into the game's own memory.",
            )
        _same_result(returned, other.step(action), message)
        kept = returned[0], frame
        for array in _arrays(kept):
            if array.flags.writeable:
                array[...] = 0 if array.any() else 1
        _same_views(one, other, message)
        if returned[2] or returned[3]:
            return


def _looks_the_same_twice(env: Env) -> None:
    first, second = _views(env), _views(env)
    for what, call in (("text", "text()"), ("frame", "render()"), ("legal moves", "legal_moves()")):
        expect(
            data_equivalence(first[what], second[what], exact=True),
            f"{call} must be pure: two calls in a row gave different results.",
        )
    expect(isinstance(first["text"], str) and first["text"], "text() must return a string that isn't empty.")


def _views_are_pure(watched: Env, unwatched: Env, seed: int, steps: int) -> None:
    """Looking at the game changes nothing, and shows the same each time."""
    watched.reset(seed=seed)
    unwatched.reset(seed=seed)
    message = "text(), render() and legal_moves() must be pure: the game went on differently after them"
    for action in _actions(watched, seed, steps):
        _looks_the_same_twice(watched)
        returned = watched.step(action)
        _same_result(returned, unwatched.step(action), message)
        if returned[2] or returned[3]:
            break
    _same_views(watched, unwatched, message)


def _waiting(one: Env, other: Env, seed: int, steps: int) -> None:
    """Time passes the same however it is cut up, and no time changes nothing."""
    cuts = ((0, 1), (1, 1), (3, 4), (16, 14), (60, 47))
    one.reset(seed=seed)
    other.reset(seed=seed)
    for number, action in enumerate(_actions(one, seed, steps)):
        idle = one.wait(0)
        _info(one, idle, "wait()")
        expect(idle[1] == 0, f"wait(0) must change nothing; it gave the reward {idle[1]}.")
        _same_views(one, other, "wait(0) must change nothing")
        first, second = cuts[number % len(cuts)]
        message = f"wait({first}) then wait({second}) must equal wait({first + second})"
        halves, whole = (one.wait(first), one.wait(second)), other.wait(first + second)
        _same_views(one, other, message)
        expect(data_equivalence(halves[1][0], whole[0], exact=True), f"{message}: observation differ.")
        expect(halves[1][2:4] == whole[2:4], f"{message}: terminated, truncated differ.")
        expect(
            math.isclose(halves[0][1] + halves[1][1], whole[1], abs_tol=1e-9),
            f"{message}: the sums of rewards differ.",
        )
        if whole[2] or whole[3]:
            return
        over = halves[0][4]["turn_over"] or halves[1][4]["turn_over"]
        expect(over is whole[4]["turn_over"], f"{message}: turn_over differ.")
        stepped = one.step(action)
        _same_result(
            stepped,
            other.step(action),
            f"The next move after {message.replace(' must equal ', ' or ')} is not the same",
        )
        if stepped[2] or stepped[3]:
            return


def _player(one: Env, other: Env, seed: int) -> None:
    """The scripted player answers legally, and what it answers depends on the present state alone."""
    one.reset(seed=seed)
    other.reset(seed=seed)
    player = scripted_player(one)
    for _ in range(5):
        moves = player.act()
        limit = one.card.max_moves
        expect(1 <= len(moves) <= limit, f"The scripted player gave {len(moves)} moves; 1 to {limit} are legal.")
        _same_views(one, other, "The scripted player's act() must be pure; it changed the game")
        newcomer = scripted_player(one).act()
        expect(
            player.act() == moves == newcomer,
            "The scripted player's act() must be pure: asked again in the same state, it answered differently.",
        )
        for move in moves:
            expect(one.problem(move) is None, f"The scripted player gave {str(move)!r}: {one.problem(move)}")
            _, _, terminated, truncated, info = one.step(one.action(move))
            other.step(other.action(move))
            if terminated or truncated:
                return
            if info["turn_over"]:
                break
