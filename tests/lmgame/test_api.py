import pytest

import lmgame
from lmgame_common import UsageError

from .conftest import needs_mario


@needs_mario
def test_typed_results(tmp_path):
    result = lmgame.play(
        model="random", game=["tetris", "mario"], episodes=2, max_decisions=3, out=str(tmp_path / "run")
    )
    assert result.complete and result.stopped is None
    assert [(row.game, row.seed, row.decisions) for row in result.episodes] == [
        (game, seed, 3) for game in ("tetris", "mario") for seed in (0, 1)
    ]
    assert [row.n for row in result.summary] == [2, 2]
    assert result.document()["episodes"][0]["id"] == "tetris-standard-0"
    assert result.episode_path("mario-standard-1").exists()


async def test_play_works_inside_a_running_loop(tmp_path):
    assert lmgame.play(model="random", max_decisions=2, out=tmp_path / "run").complete


def test_seeds_or_episodes(tmp_path):
    assert [row.seed for row in lmgame.play("random", seeds=[7, 3], max_decisions=1, out=tmp_path / "a").episodes] == [
        7,
        3,
    ]
    with pytest.raises(UsageError, match="either"):
        lmgame.play("random", seeds=[1], episodes=5, out=tmp_path / "b")


def test_make_is_the_environment():
    env = lmgame.make("tetris")
    _, info = env.reset(seed=1)
    assert info["score"] == 0 == env.score
    assert env.card.game == "tetris"
