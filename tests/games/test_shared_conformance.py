"""The kit for shared games finds what it is there to find: each broken game below fails for its own reason."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lmgame_common import GameError
from lmgame_games import Move, card, make_shared
from lmgame_games.testing import ConformanceError, check_shared_game
from lmgame_games.tetris_versus.env import TetrisVersusEnv
from lmgame_games.tic_tac_toe.env import TicTacToeEnv
from lmgame_games.tic_tac_toe.player import ACTIONS, TicTacToePlayer


@pytest.mark.parametrize("name", ["connect4", "tic-tac-toe"])
def test_the_games_that_come_along_keep_the_contract(name: str):
    check_shared_game(name, seeds=(0, 1), steps=60)


class DrawsAnew(TicTacToeEnv):
    """An opening that the seed doesn't decide."""

    resets = itertools.count()

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        super().reset(None if seed is None else seed + next(self.resets), options)


class DrawsFromTheGlobalGenerator(TicTacToeEnv):
    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        np.random.random()  # noqa: NPY002
        super().reset(seed, options)


class Forgets(TicTacToeEnv):
    """A reset that leaves something of the last game."""

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        self.games = getattr(self, "games", 0) + 1
        super().reset(seed, options)

    def text(self, agent: str) -> str:
        return f"{super().text(agent)}\nGames: {self.games}"


class ChangesWhenSeen(TicTacToeEnv):
    seen = 0

    def text(self, agent: str) -> str:
        self.seen += 1
        return f"{super().text(agent)}\nSeen: {self.seen}"


class SilentAboutIllegalMoves(TicTacToeEnv):
    def problem(self, agent: str, move: Move) -> str | None:
        return None if self.card.control(move.name) else super().problem(agent, move)


class RaisesSomethingElse(TicTacToeEnv):
    def action(self, agent: str, move: Move) -> int:
        try:
            return super().action(agent, move)
        except GameError as error:
            raise KeyError(move.name) from error


class RewardsForfeits(TicTacToeEnv):
    def forfeit(self, agent: str) -> None:
        super().forfeit("player_1" if agent == "player_0" else "player_0")


class GoesOnForEver(TicTacToeEnv):
    def adjudicate(self) -> None:
        pass


class FramesOfManySizes(TicTacToeEnv):
    def frame(self, agent: str) -> np.ndarray:
        frame = super().frame(agent)
        return frame[: 200 + 8 * self._stones[0].bit_count()]


class HandsOutItsOwn(TicTacToeEnv):
    """Views into memory of its own in place of copies."""

    def __init__(self, preset: str = "standard", render_mode: str | None = None) -> None:
        super().__init__(preset, render_mode)
        self._canvas: dict[str, np.ndarray] = {}

    def frame(self, agent: str) -> np.ndarray:
        fresh = super().frame(agent)
        kept = self._canvas.setdefault(agent, fresh)
        kept[:250] = fresh[:250]
        return kept


class OtherCard(TicTacToeEnv):
    def __init__(self, preset: str = "standard", render_mode: str | None = None) -> None:
        super().__init__(preset, render_mode)
        self.card = card("tetris")


class SaysThatSeatsMoveAtOnce(TicTacToeEnv):
    def __init__(self, preset: str = "standard", render_mode: str | None = None) -> None:
        super().__init__(preset, render_mode)
        self.card = replace(self.card, simultaneous=True)


class MasksTooMuch(TicTacToeEnv):
    """All but one of the legal moves."""

    def observe(self, agent: str) -> dict[str, np.ndarray]:
        seen = super().observe(agent)
        seen["action_mask"][np.flatnonzero(seen["action_mask"])[1:]] = 0
        return seen


class PlaysIllegalActions(TicTacToeEnv):
    """An action that isn't possible is passed over in silence."""

    def step(self, action: Any) -> None:
        if action is None or action in self.grid.legal(self._stones[0] | self._stones[1]):
            super().step(action)


class EndsTwice(TicTacToeEnv):
    """A second forfeit takes the first one back."""

    def forfeit(self, agent: str) -> None:
        if self.outcome() in ("", "forfeit", "adjudicated"):
            self._end("forfeit", winner=1 - self.possible_agents.index(agent))


class RewardsNothing(TicTacToeEnv):
    def _reward(self, before: Mapping[str, float]) -> None:
        super()._reward(self.scores())


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (SaysThatSeatsMoveAtOnce, r"card\.simultaneous must be False"),
        (MasksTooMuch, "action_mask allows"),
        (PlaysIllegalActions, r"step\(\d\), which is illegal, must raise"),
        (EndsTwice, r"after forfeit\(\) must be no-ops"),
        (RewardsNothing, "reward is what its score gained"),
        (DrawsAnew, "PettingZoo"),
        (DrawsFromTheGlobalGenerator, "global random state of `numpy"),
        (Forgets, "something is left of the last game"),
        (ChangesWhenSeen, "Looking twice"),
        (SilentAboutIllegalMoves, r"must say why .* is illegal"),
        (RaisesSomethingElse, "must raise GameError, not KeyError"),
        (RewardsForfeits, "forfeits must lose"),
        (GoesOnForEver, r"adjudicate\(\) must end the game"),
        (FramesOfManySizes, "one size"),
        (HandsOutItsOwn, "return copies"),
        (OtherCard, r"card\.seats of a shared game is 2"),
    ],
)
def test_a_broken_game_is_found_out(broken: type[TicTacToeEnv], told: str):
    with pytest.raises(ConformanceError, match=told):
        check_shared_game(broken, seeds=(0,), steps=30)


type Stepped = tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]


class FirstNamedFirst(TetrisVersusEnv):
    """Remembers which seat was named first."""

    first = "nobody"

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.first = "nobody"
        return super().reset(seed, options)

    def step(self, actions: Mapping[str, Any]) -> Stepped:
        self.first = next(iter(actions), self.first)
        return super().step(actions)

    def text(self, agent: str) -> str:
        return f"{super().text(agent)}\nFirst: {self.first}"


class NobodyStandsStill(TetrisVersusEnv):
    """A seat left out moves all the same, unless both are."""

    def step(self, actions: Mapping[str, Any]) -> Stepped:
        return super().step({agent: actions.get(agent, 0) for agent in self.possible_agents} if actions else {})


class TimeRunsOn(TetrisVersusEnv):
    """A step takes time even if nobody moves."""

    def step(self, actions: Mapping[str, Any]) -> Stepped:
        return super().step(actions or dict.fromkeys(self.possible_agents, 0))


class SilentAboutTurns(TetrisVersusEnv):
    def step(self, actions: Mapping[str, Any]) -> Stepped:
        returned = super().step(actions)
        for info in returned[-1].values():
            del info["turn_over"]
        return returned


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (FirstNamedFirst, "order of seats"),
        (NobodyStandsStill, "No time passes for a seat that makes no move"),
        (TimeRunsOn, "no seat moves must change nothing"),
        (SilentAboutTurns, r"\['turn_over'\] must be a bool"),
    ],
)
def test_a_broken_game_of_simultaneous_moves_is_found_out(broken: type[TetrisVersusEnv], told: str):
    with pytest.raises(ConformanceError, match=told):
        check_shared_game(broken, seeds=(0,), steps=30)


class Peeks(TicTacToePlayer):
    def act(self) -> list[Move]:
        self._seat._game.view("player_0")
        return super().act()


class PlaysTakenCells(TicTacToePlayer):
    def act(self) -> list[Move]:
        return [Move(next(name for name in ACTIONS if name not in (self._seat.legal_moves() or ())))]


class ChangesItsMind(TicTacToePlayer):
    asked = itertools.count()

    def act(self) -> list[Move]:
        legal = self._seat.legal_moves() or ()
        return [Move(legal[next(self.asked) % len(legal)])]


@pytest.mark.parametrize(
    ("player", "told"),
    [(Peeks, "its own seat alone"), (PlaysTakenCells, "scripted player gave"), (ChangesItsMind, "must be pure")],
)
def test_a_broken_scripted_player_is_found_out(
    player: type[TicTacToePlayer], told: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("lmgame_games.tic_tac_toe.player.TicTacToePlayer", player)
    with pytest.raises(ConformanceError, match=told):
        check_shared_game("tic-tac-toe", seeds=(0,), steps=10)


def test_a_seat_shows_its_own_side_alone():
    game = make_shared("tic-tac-toe")
    game.reset(seed=0)  # type: ignore[attr-defined]
    first, second = game.seat("player_0"), game.seat("player_1")
    assert first.text().startswith("You are X") and second.text().startswith("You are O")
    assert first.number == 0 and second.number == 1
    assert second.legal_moves() == ()  # not its turn
    assert not np.array_equal(first.render(), second.render())
    legal = first.legal_moves()
    assert legal
    move = Move(legal[0])
    assert first.move(first.action(move)) == move
    with pytest.raises(GameError):
        second.action(move)
