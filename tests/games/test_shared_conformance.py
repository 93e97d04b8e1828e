"""The kit for shared games finds what it is there to find: each broken game below fails for its own reason."""

import itertools
from typing import Any

import numpy as np
import pytest

from lmgame_common import GameError
from lmgame_games import Move, card, make_shared
from lmgame_games.testing import ConformanceError, check_shared_game
from lmgame_games.tic_tac_toe.env import TicTacToeEnv


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


@pytest.mark.parametrize(
    ("broken", "told"),
    [
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


def test_a_seat_shows_its_own_side_alone():
    game = make_shared("tic-tac-toe")
    game.reset(seed=0)  # type: ignore[attr-defined]
    first, second = game.seat("player_0"), game.seat("player_1")
    assert first.text().startswith("You are X") and second.text().startswith("You are O")
    assert first.number == 0 and second.number == 1
    assert second.legal_moves() == ()  # not its turn
    assert not np.array_equal(first.render(), second.render())
    move = Move((first.legal_moves() or ())[0])
    assert first.move(first.action(move)) == move
    with pytest.raises(GameError):
        second.action(move)
