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

from lmgame_common import GameError, LmgameError
from lmgame_games.card_check import ConformanceError, check_card, expect, problems_are_told
from lmgame_games.core import Move
from lmgame_games.registry import card, make_shared, scripted_player
from lmgame_games.registry import game as registered
from lmgame_games.shared import AGENTS, AlternatingGame, SharedGame, SimultaneousGame

type Actions = dict[str, Any]
"""One action of each seat named; of one seat where they take turns."""


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
        _illegal_moves(factory(), factory(), seed, min(steps, 20))
        for agent in AGENTS:
            _endings(factory, agent, seed, min(steps, 5))
        if isinstance(one, SimultaneousGame):
            _order_is_irrelevant(factory(), factory(), seed, min(steps, 100))
        if isinstance(game, str) and registered(game).scripted:
            _scripted(factory(), factory(), seed)


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
    except LmgameError:
        raise
    except Exception as error:
        raise ConformanceError(f"PettingZoo's tests found: {type(error).__name__}: {error}") from error


def _no_global_randomness(game: SharedGame, seed: int) -> None:
    before = random.getstate(), np.random.get_state()  # noqa: NPY002 (the global state is what we look at)
    _reset(game, seed)
    for _ in range(20):
        if game.over:
            break
        _step(game, _actions(game, np.random.default_rng(0)))
        _views(game)
    after = random.getstate(), np.random.get_state()  # noqa: NPY002
    for module, old, new in zip(("random", "numpy.random"), before, after, strict=True):
        expect(
            data_equivalence(old, new, exact=True),
            f"The game uses or seeds the global random state of `{module}`; draw from a generator of its own, which "
            "`reset(seed=seed)` seeds.",
        )


def _reset(game: SharedGame, seed: int) -> None:
    cast(Any, game).reset(seed=seed)


def _actions(game: SharedGame, rng: np.random.Generator) -> Actions:
    """A legal move of each seat that is to move, by chance."""
    moving = [game.agent_selection] if isinstance(game, AlternatingGame) else AGENTS
    found: Actions = {}
    for agent in moving:
        legal = game.legal_moves(agent)
        names = [control.name for control in game.card.controls] if legal is None else list(legal)
        expect(names, f"legal_moves({agent!r}) is empty although it is that seat's turn.")
        hold = game.card.hold
        move = Move(names[int(rng.integers(len(names)))], None if hold is None else int(rng.integers(*hold)))
        action = game.action(agent, move)
        space = cast(Any, game).action_space(agent)
        expect(action in space, f"action({agent!r}, {str(move)!r}) is {action}, not in the action space.")
        expect(game.move(agent, action) == move, f"move(action(m)) must be m; for {str(move)!r} it is another.")
        found[agent] = action
    return found


def _step(game: SharedGame, actions: Actions) -> dict[str, Any]:
    """Play a step; what it returned, for games whose seats move at once."""
    if isinstance(game, SimultaneousGame):
        names = ["observations", "rewards", "terminations", "truncations", "infos"]
        returned: dict[str, Any] = dict(zip(names, game.step(actions), strict=True))
        for agent, info in returned["infos"].items():
            expect(isinstance(info.get("turn_over"), bool), f"infos[{agent!r}]['turn_over'] must be a bool.")
            expect(info.get("score") == game.scores()[agent], f"infos[{agent!r}]['score'] isn't the seat's score.")
        return returned
    assert isinstance(game, AlternatingGame)
    (action,) = actions.values()
    game.step(action)
    return {"rewards": dict(game.rewards), "terminations": dict(game.terminations), "infos": dict(game.infos)}


def _views(game: SharedGame) -> dict[str, Any]:
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


def _same(one: dict[str, Any], other: dict[str, Any], message: str) -> None:
    differ = ", ".join(name for name in one if not data_equivalence(one[name], other.get(name), exact=True))
    if differ:
        raise ConformanceError(f"{message}: {differ} differ.")


def _lockstep(one: SharedGame, other: SharedGame, seed: int, steps: int) -> None:
    """Two copies show the same to the bit, move by move, and looking changes nothing: only one is looked at twice."""
    _reset(one, seed)
    _reset(other, seed)
    rng = np.random.default_rng(seed)
    sizes: set[tuple[int, ...]] = set()
    for number in range(steps + 1):
        message = f"Two copies with seed {seed} and the same {number} moves are not the same"
        seen = _views(one)
        _same(seen, _views(one), "Looking twice must show the same, and change nothing; two looks differ")
        _same(seen, _views(other), message)
        _looks(one, seen, sizes)
        if one.over:
            _finished(one, other)
            return
        actions = _actions(one, rng)
        _same(_step(one, actions), _step(other, actions), message)


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
    expect(all(cast(Any, one).terminations.values()) if isinstance(one, AlternatingGame) else True, "Not terminated.")
    for agent in AGENTS:
        one.forfeit(agent)
    one.adjudicate()
    _same(_views(one), _views(other), "forfeit() and adjudicate() of a finished game must be no-ops")


def _starts_afresh(used: SharedGame, fresh: SharedGame, seed: int, steps: int) -> None:
    """Nothing of an earlier game shows after `reset(seed=…)`."""
    _reset(used, seed + 1)
    rng = np.random.default_rng(seed + 1)
    for _ in range(steps):
        if used.over:
            break
        _step(used, _actions(used, rng))
    _reset(used, seed)
    _reset(fresh, seed)
    rng = np.random.default_rng(seed)
    message = "reset(seed=…) of a used game must equal a fresh one; something is left of the last game"
    for _ in range(min(steps, 40)):
        _same(_views(used), _views(fresh), message)
        if used.over:
            return
        actions = _actions(fresh, rng)
        _same(_step(used, actions), _step(fresh, actions), message)


def _arrays(value: Any) -> list[np.ndarray]:
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    return [array for part in value for array in _arrays(part)] if isinstance(value, tuple | list) else []


def _arrays_are_fresh(one: SharedGame, other: SharedGame, seed: int, steps: int) -> None:
    """What was handed out is the taker's: writing into it changes nothing."""
    _reset(one, seed)
    _reset(other, seed)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        if one.over:
            return
        actions = _actions(one, rng)
        returned = _step(one, actions)
        _step(other, actions)
        for array in _arrays([returned, _views(one)]):
            if array.flags.writeable:
                array[...] = 0 if array.any() else 1
        _same(_views(one), _views(other), "Writing into a returned array changed the game; return copies")


def _illegal_moves(one: SharedGame, untouched: SharedGame, seed: int, steps: int) -> None:
    """An illegal move is told, raises GameError and changes nothing."""
    _reset(one, seed)
    _reset(untouched, seed)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        if one.over:
            return
        for agent in AGENTS:
            problems_are_told(lambda move, agent=agent: one.problem(agent, move), one.card, f"problem({agent!r}, …)")
            legal = one.legal_moves(agent)
            wrong = [Move("no-such-move")]
            if legal is not None:
                wrong += [Move(control.name) for control in one.card.controls if control.name not in legal]
            for move in wrong:
                told = one.problem(agent, move)
                expect(isinstance(told, str) and told, f"problem({agent!r}, {str(move)!r}) must say why it is illegal.")
                try:
                    one.action(agent, move)
                except GameError:
                    continue
                except Exception as error:
                    raise ConformanceError(
                        f"action() of an illegal move must raise GameError, not {error!r}."
                    ) from error
                raise ConformanceError(f"action() of {str(move)!r}, which is illegal, must raise GameError.")
        _same(_views(one), _views(untouched), "Asking about illegal moves changed the game")
        actions = _actions(one, rng)
        _step(one, actions)
        _step(untouched, actions)


def _endings(factory: Callable[..., SharedGame], agent: str, seed: int, steps: int) -> None:
    """A forfeit loses, and an adjudicated game is over."""
    for how in ("forfeit", "adjudicate"):
        game = factory()
        _reset(game, seed)
        rng = np.random.default_rng(seed)
        for _ in range(steps):
            if not game.over:
                _step(game, _actions(game, rng))
        if game.over:
            return
        game.forfeit(agent) if how == "forfeit" else game.adjudicate()
        expect(game.over, f"{how}() must end the game.")
        expect(game.outcome(), f"outcome() after {how}() must be a word.")
        own, theirs = (game.scores()[name] for name in (agent, AGENTS[1 - AGENTS.index(agent)]))
        expect(how != "forfeit" or own < theirs, f"A seat that forfeits must lose; the scores are {own} and {theirs}.")


def _order_is_irrelevant(one: SharedGame, other: SharedGame, seed: int, steps: int) -> None:
    """It doesn't matter in which order the actions of a step are named, nor that a seat left out stands still."""
    _reset(one, seed)
    _reset(other, seed)
    rng = np.random.default_rng(seed)
    for number in range(steps):
        if one.over:
            return
        actions = _actions(one, rng)
        if number % 3 == 2:
            still = AGENTS[int(rng.integers(2))]
            before = one.text(still), one.scores()
            actions.pop(still)
            expect(before == (one.text(still), one.scores()), "Looking changed the game.")
        first, second = _step(one, actions), _step(other, dict(reversed(actions.items())))
        _same(first, second, "The order of seats within a step's actions must not matter")
        _same(_views(one), _views(other), "The order of seats within a step's actions must not matter")


def _scripted(one: SharedGame, untouched: SharedGame, seed: int) -> None:
    """The scripted player answers legally and purely, from what its seat shows."""
    _reset(one, seed)
    _reset(untouched, seed)
    seats = {agent: one.seat(agent) for agent in AGENTS}
    players = {agent: scripted_player(seat) for agent, seat in seats.items()}
    for _ in range(6):
        moving = [one.agent_selection] if isinstance(one, AlternatingGame) else list(AGENTS)
        answers: dict[str, list[Move]] = {}
        for agent in moving:
            moves = players[agent].act()
            expect(1 <= len(moves) <= one.card.max_moves, f"The scripted player gave {len(moves)} moves.")
            again, newcomer = players[agent].act(), scripted_player(seats[agent]).act()
            expect(moves == again == newcomer, "The scripted player's act() must be pure: it answered differently.")
            answers[agent] = moves
        _same(_views(one), _views(untouched), "The scripted player's act() changed the game")
        for position in range(max(len(moves) for moves in answers.values())):
            actions = {}
            for agent, moves in answers.items():
                if position < len(moves):
                    problem = one.problem(agent, moves[position])
                    expect(problem is None, f"The scripted player gave {str(moves[position])!r}: {problem}")
                    actions[agent] = one.action(agent, moves[position])
            _step(one, actions)
            _step(untouched, actions)
            if one.over:
                return
