"""The rules of Lmgame-Bench: quirk by quirk, and the scores that random play reached under the original."""

import numpy as np
import pytest

from lmgame_games import make
from lmgame_games.tetris.bag import Bag
from lmgame_games.tetris.lmgame_bench import MAX_MOVES, BenchEngine
from lmgame_games.tetris.pieces import LETTERS, SHAPES, corner, place

NO_OP, LEFT, RIGHT, CCW, CW, SOFT, HARD = range(7)


class Order(Bag):
    def __init__(self, letters: str) -> None:
        self._kinds = bytearray(LETTERS.index(letter) for letter in letters) * 1000


def game(letters: str = "TIOSZJL") -> BenchEngine:
    return BenchEngine(Order(letters))


def put(engine: BenchEngine, x: int, y: int, rotation: int = 0) -> None:
    engine.rotation, engine.pos = rotation, place(x, y)
    engine.mask = SHAPES[engine.kind][rotation] << engine.pos


@pytest.mark.parametrize(
    ("letter", "column", "rows"), [("I", 3, {18}), ("O", 4, {18, 19}), *((letter, 4, {18, 19}) for letter in "TSZJL")]
)
def test_pieces_appear_in_array_row_0(letter: str, column: int, rows: set[int]) -> None:
    cells = game(letter).piece_cells()
    assert min(x for x, _ in cells) == column
    assert {y for _, y in cells} == rows


@pytest.mark.parametrize("move", [NO_OP, LEFT, RIGHT, CW, CCW])
def test_a_row_of_gravity_follows_a_move(move: int) -> None:
    engine = game()
    before = corner(engine.pos)[1]
    assert not engine.play(move)
    assert corner(engine.pos)[1] == before - 1
    assert engine.frames == 1


def test_a_soft_drop_and_gravity_make_two_rows() -> None:
    engine = game()
    before = corner(engine.pos)[1]
    engine.play(SOFT)
    assert corner(engine.pos)[1] == before - 2


def test_blocked_gravity_locks_without_delay() -> None:
    engine = game()
    put(engine, 4, -1)
    assert engine.play(LEFT)
    assert engine.pieces == 1
    assert engine.cells[-10:] == bytes([0, 0, 0, 3, 3, 3, 0, 0, 0, 0])
    assert corner(engine.pos) == (3, 16), "the new piece has not been moved"


def test_a_blocked_soft_drop_locks_and_gravity_moves_the_new_piece() -> None:
    engine = game()
    put(engine, 4, -1)
    assert engine.play(SOFT)
    assert engine.pieces == 1
    assert corner(engine.pos) == (3, 15)


def test_a_soft_drop_onto_the_ground_locks_at_once() -> None:
    engine = game()
    put(engine, 4, 0)
    assert engine.play(SOFT)
    assert engine.pieces == 1


def test_hard_drop_skips_gravity() -> None:
    engine = game()
    assert engine.play(HARD)
    assert corner(engine.pos) == (3, 16)


def test_no_kicks() -> None:
    engine = game("I")
    put(engine, -2, 5, rotation=1)
    engine.play(CW)
    assert engine.rotation == 1
    put(engine, 7, 5, rotation=1)
    engine.play(CW)
    assert engine.rotation == 1, "it would have to stick out of the right wall"


def test_nothing_sticks_out_of_the_top() -> None:
    engine = game("T")
    put(engine, 4, 18, rotation=2)  # cells in rows 18 and 19; turned, one would be in row 20
    assert not engine.mask & engine.board
    engine.play(CW)
    assert engine.rotation == 2


def test_score() -> None:
    engine = game("I")
    for row in range(4):
        engine.board |= 0x1FF << place(0, row)
        for x in range(9):
            engine.cells[(19 - row) * 10 + x] = 2
    put(engine, 7, 0, rotation=1)
    engine.play(HARD)
    assert (engine.pieces, engine.lines, engine.score) == (1, 4, 41)
    assert not any(engine.cells)
    assert engine.board == BenchEngine.empty_board()


def test_the_move_limit_ends_the_game() -> None:
    env = make("tetris", "lmgame-bench-2025", render_mode=None)
    env.reset(seed=0)
    engine = env.engine
    engine.frames = MAX_MOVES - 2
    assert env.step(NO_OP)[2:4] == (False, False)
    assert env.step(NO_OP)[2:4] == (False, True)
    assert env.outcome() == "move_limit"


def test_leftover_moves_are_played_on_the_next_piece() -> None:
    env = make("tetris", "lmgame-bench-2025", render_mode=None)
    env.reset(seed=0)
    info = env.step(HARD)[4]
    assert info["pieces"] == 1
    assert info["turn_over"] is False


def _scores(choose: str, games: int) -> np.ndarray:
    scores = []
    for seed in range(games):
        rng = np.random.default_rng([7, seed])
        actions = rng.integers(7, size=MAX_MOVES).tolist() if choose == "random" else [HARD] * MAX_MOVES
        engine = BenchEngine(Bag(seed))
        for action in actions:
            engine.play(action)
            if engine.over:
                break
        scores.append(engine.score)
    return np.array(scores)


def test_random_play_scores_what_it_scored_under_the_original() -> None:
    """Measured there: 11.8 (sd 1.7, 30 seeds); by a second implementation of its rules 11.56 (sd 1.70, n = 2,000)."""
    scores = _scores("random", 2000)
    error = (1.7**2 / 2000 * 2) ** 0.5
    assert abs(scores.mean() - 11.56) < 3 * error
    assert abs(scores.mean() - 11.8) < 3 * 1.7 / 30**0.5
    assert abs(scores.std(ddof=1) - 1.7) < 0.15


def test_dropping_everything_scores_what_it_scored_under_the_original() -> None:
    """Measured there: 10.8 (sd 0.6); by the second implementation 10.87."""
    scores = _scores("hard_drop", 2000)
    assert abs(scores.mean() - 10.87) < 0.05
    assert abs(scores.std(ddof=1) - 0.6) < 0.1
