"""What the conformance kit for shared games asks of seats: illegal moves, endings, moves made at once, players."""

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from lmgame_common import GameError
from lmgame_games.card_check import ConformanceError, expect, problems_are_told
from lmgame_games.core import Move
from lmgame_games.registry import scripted_player
from lmgame_games.shared import AGENTS, AlternatingGame, Seat, SharedGame, other
from lmgame_games.shared_steps import Actions, drawn_actions, reset, same, step, views


def illegal_moves(one: SharedGame, untouched: SharedGame, seed: int, steps: int) -> None:
    """An illegal move is told, raises GameError and changes nothing."""
    reset(one, seed)
    reset(untouched, seed)
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
        if isinstance(one, AlternatingGame):
            _illegal_actions(one)
        same(views(one), views(untouched), "An illegal move changed the game")
        actions = drawn_actions(one, rng)
        step(one, actions)
        step(untouched, actions)


def _illegal_actions(game: AlternatingGame) -> None:
    """What the mask leaves out is what isn't legal, and can't be played."""
    agent = game.agent_selection
    seen = game.observe(agent)
    mask = seen.get("action_mask") if isinstance(seen, dict) else None
    if not isinstance(mask, np.ndarray) or mask.ndim != 1:
        raise ConformanceError("observe() must give an 'action_mask' of shape (actions,).")
    legal = game.legal_moves(agent)
    masked = {game.move(agent, int(action)).name for action in np.flatnonzero(mask)}
    names = {control.name for control in game.card.controls} if legal is None else set(legal)
    expect(masked == names, f"The action_mask allows {sorted(masked)}, legal_moves() {sorted(names)}.")
    for action in np.flatnonzero(mask == 0):
        try:
            game.step(int(action))
        except GameError:
            continue
        except Exception as error:
            raise ConformanceError(f"step() of an illegal action must raise GameError, not {error!r}.") from error
        raise ConformanceError(f"step({action}), which is illegal, must raise GameError.")


def endings(factory: Callable[..., SharedGame], agent: str, seed: int, steps: int) -> None:
    """A forfeit loses, an adjudicated game is over, and neither does anything to a game that is."""
    for how in ("forfeit", "adjudicate"):
        game = factory()
        reset(game, seed)
        rng = np.random.default_rng(seed)
        for _ in range(steps):
            if not game.over:
                step(game, drawn_actions(game, rng))
        if game.over:
            return
        game.forfeit(agent) if how == "forfeit" else game.adjudicate()
        expect(game.over, f"{how}() must end the game.")
        word = game.outcome()
        expect(isinstance(word, str) and word, f"outcome() after {how}() must be a word; it is {word!r}.")
        scores = game.scores()
        expect(set(scores) == set(AGENTS), f"scores() must name each seat; it names {sorted(scores)}.")
        own, theirs = scores[agent], scores[other(agent)]
        expect(how != "forfeit" or own < theirs, f"A seat that forfeits must lose; the scores are {own} and {theirs}.")
        ended = views(game)
        game.forfeit(other(agent))
        game.adjudicate()
        same(ended, views(game), f"forfeit() and adjudicate() after {how}() must be no-ops")
        expect(game.outcome() == word, f"forfeit() and adjudicate() after {how}() must be no-ops: outcome() differs.")


def moving_at_once(one: SharedGame, other: SharedGame, seed: int, steps: int) -> None:
    """It doesn't matter in which order the actions of a step are named, and a seat left out stands still."""
    reset(one, seed)
    reset(other, seed)
    rng = np.random.default_rng(seed)
    for number in range(steps):
        if one.over:
            return
        if number % 5 == 4:
            step(one, {})
            same(views(one), views(other), "A step in which no seat moves must change nothing")
        actions = drawn_actions(one, rng)
        if number % 3 == 2:
            still = AGENTS[int(rng.integers(2))]
            actions.pop(still)
            _stands_still(one, still, actions)
            step(other, actions)
        else:
            first, second = step(one, actions), step(other, dict(reversed(actions.items())))
            same(first, second, "The order of seats within a step's actions must not matter")
        same(views(one), views(other), "The order of seats within a step's actions must not matter")


def _stands_still(game: SharedGame, still: str, actions: Actions) -> None:
    info = step(game, actions)["infos"][still]
    if not game.over:
        expect(not info["turn_over"], f"infos[{still!r}]['turn_over'] is True though that seat made no move.")
        frames = info.get("frames", 0)
        expect(frames == 0, f"No time passes for a seat that makes no move; infos[{still!r}]['frames'] is {frames}.")


def scripted_conduct(one: SharedGame, untouched: SharedGame, seed: int) -> None:
    """The scripted player answers legally and purely, from what its seat shows."""
    reset(one, seed)
    reset(untouched, seed)
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
            expect(moves == _sealed_answer(seats[agent]), "The scripted player must look at its own seat alone.")
            answers[agent] = moves
        same(views(one), views(untouched), "The scripted player's act() changed the game")
        for position in range(max(len(moves) for moves in answers.values())):
            actions = {}
            for agent, moves in answers.items():
                if position < len(moves):
                    problem = one.problem(agent, moves[position])
                    expect(problem is None, f"The scripted player gave {str(moves[position])!r}: {problem}")
                    actions[agent] = one.action(agent, moves[position])
            step(one, actions)
            step(untouched, actions)
            if one.over:
                return


class _SealedSeat(Seat):
    """A seat through which nothing leads to the game behind it."""

    def __init__(self, seat: Seat) -> None:
        self.agent, self.card = seat.agent, seat.card
        for name in ("view", "text", "render", "legal_moves", "problem", "action", "move", "idle"):
            setattr(self, name, getattr(seat, name))
        self._numbers = lambda: (seat.score, seat.action_space)

    @property
    def score(self) -> float:
        return self._numbers()[0]

    @property
    def action_space(self) -> spaces.Space[Any]:
        return self._numbers()[1]


def _sealed_answer(seat: Seat) -> list[Move]:
    try:
        return scripted_player(_SealedSeat(seat)).act()
    except AttributeError as error:
        raise ConformanceError(f"The scripted player must look at its own seat alone: {error}") from error
