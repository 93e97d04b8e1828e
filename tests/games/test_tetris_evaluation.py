"""The player's bit tricks against the same features counted cell by cell."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmgame_games.tetris import evaluation
from lmgame_games.tetris.bag import Bag
from lmgame_games.tetris.evaluation import after, may_stack, worth
from lmgame_games.tetris.guideline import GuidelineEngine
from lmgame_games.tetris.pieces import FLOOR, ROW, place

HEIGHT, WIDTH = 24, 10

type Grid = list[list[bool]]


def played(seed: int, actions: list[int]) -> GuidelineEngine:
    engine = GuidelineEngine(Bag(seed))
    for action in actions:
        before = engine.copy()
        engine.play(action)
        if engine.over:
            return before
    return engine


games = st.builds(played, st.integers(0, 10**9), st.lists(st.sampled_from([0, 0, 1, 1, 2, 5]), max_size=120))


def grid(board: int) -> Grid:
    return [[bool(board >> place(x, y) & 1) for x in range(WIDTH)] for y in range(HEIGHT)]


def holes(cells: Grid) -> int:
    return sum(
        not cells[y][x] and any(cells[above][x] for above in range(y + 1, HEIGHT))
        for y in range(HEIGHT)
        for x in range(WIDTH)
    )


def slow_worth(cells: Grid, landing: float, lines: int) -> float:
    rows = sum([True, *row, True][x] != [True, *row, True][x + 1] for row in cells for x in range(WIDTH + 1))
    columns = sum(
        [True, *(row[x] for row in cells)][y] != [True, *(row[x] for row in cells)][y + 1]
        for x in range(WIDTH)
        for y in range(HEIGHT)
    )
    wells = 0
    for x in range(WIDTH):
        depth = 0
        for y in range(HEIGHT - 1, -1, -1):
            walled = (x == 0 or cells[y][x - 1]) and (x == WIDTH - 1 or cells[y][x + 1])
            if cells[y][x]:
                break
            depth = depth + 1 if walled else 0
            wells += depth
    return (
        evaluation.LANDING_HEIGHT * landing
        + evaluation.LINES * lines
        + evaluation.ROW_TRANSITIONS * rows
        + evaluation.COLUMN_TRANSITIONS * columns
        + evaluation.HOLES * holes(cells)
        + evaluation.WELLS * wells
    )


@settings(max_examples=60, deadline=None)
@given(game=games)
def test_after_is_what_locking_leaves(game: GuidelineEngine) -> None:
    mask = game.mask >> ROW * game.drop_rows()
    board, lines = after(game.board, mask)
    locked = game.copy()
    locked.hard_drop()
    assert grid(board) == grid(locked.board)
    assert lines == locked.lines - game.lines


@settings(max_examples=60, deadline=None)
@given(game=games)
def test_worth_is_the_sum_of_its_features(game: GuidelineEngine) -> None:
    mask = game.mask >> ROW * game.drop_rows()
    board, lines = after(game.board, mask)
    rows = [y for y in range(HEIGHT + 4) if mask >> ROW * (y + FLOOR) & 0x3FF]
    landing = (rows[0] + rows[-1]) / 2 + 1
    assert worth(board, mask, lines, stack=False) == pytest.approx(slow_worth(grid(board), landing, lines))


@settings(max_examples=60, deadline=None)
@given(game=games)
def test_only_low_boards_without_holes_are_built_up(game: GuidelineEngine) -> None:
    cells = grid(game.board)
    height = max((y + 1 for y in range(HEIGHT) if any(cells[y])), default=0)
    assert may_stack(game.board) == (holes(cells) == 0 and height <= 12)


def test_building_up_keeps_the_well_open_until_four_lines_clear() -> None:
    board = GuidelineEngine.empty_board()
    flat = sum(0x1FF << place(0, row) for row in range(4)) | board
    upright = sum(1 << place(9, row) for row in range(4))
    beside = sum(1 << place(8, row) for row in range(4, 8))
    four = worth(*after(flat, upright)[:1], upright, 4, stack=True)
    assert four > worth(*after(flat, beside)[:1], beside, 0, stack=True)
    low = sum(0x1FF << place(0, row) for row in range(2)) | board
    flat_on_top = sum(1 << place(x, 2) for x in range(4))
    assert worth(low | flat_on_top, flat_on_top, 0, stack=True) > worth(
        after(low, upright)[0], upright, 2, stack=True
    ), "an I is not spent on two lines while the board may be built up"
