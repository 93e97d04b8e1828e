"""The scripted player: it survives, it is pure, it minds gravity."""

import pytest

from lmgame_games import make, scripted_player
from lmgame_games.tetris.env import TetrisEnv


def run(env: TetrisEnv, pieces: int) -> bool:
    """Let the scripted player play that many pieces; whether it lived."""
    player = scripted_player(env)
    while env.engine.pieces < pieces:
        for move in player.act():
            _, _, terminated, truncated, info = env.step(env.action(move))
            if terminated or truncated:
                return not terminated
            if info["turn_over"]:
                break
    return True


@pytest.mark.parametrize("seed", range(3))
def test_survives_500_pieces_of_standard(seed: int) -> None:
    env = make("tetris", render_mode=None)
    env.reset(seed=seed)
    assert run(env, 500)
    assert env.engine.level == 10


@pytest.mark.parametrize("seed", range(2))
def test_uses_up_the_moves_of_lmgame_bench(seed: int) -> None:
    env = make("tetris", "lmgame-bench-2025", render_mode=None)
    env.reset(seed=seed)
    assert run(env, 2000)
    assert env.outcome() == "move_limit"
    assert env.score > 2000


def test_places_the_piece_where_it_meant_to_even_when_gravity_is_fast() -> None:
    """One answer, one piece: what it pressed was never cut short."""
    env = make("tetris", render_mode=None)
    env.reset(seed=0)
    env.engine.level, env.engine.lines = 10, 90
    player = scripted_player(env)
    for number in range(1, 101):
        moves = player.act()
        for index, move in enumerate(moves, 1):
            info = env.step(env.action(move))[4]
            assert info["turn_over"] == (index == len(moves))
        assert info["pieces"] == number


@pytest.mark.parametrize("preset", ["standard", "lmgame-bench-2025"])
def test_is_pure_and_legal(preset: str) -> None:
    env = make("tetris", preset, render_mode=None)
    env.reset(seed=2)
    player = scripted_player(env)
    for _ in range(30):
        before = env.text()
        moves = player.act()
        assert moves == player.act() == scripted_player(env).act()
        assert env.text() == before
        assert 1 <= len(moves) <= env.card.max_moves
        for move in moves:
            env.step(env.action(move))
