"""The renderer of Tetris: what a frame shows, and that it never depends on what was drawn before."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmgame_games.tetris.picture import HEIGHT, HIDDEN_ROWS_SHOWN, WIDTH, Picture
from lmgame_games.tetris.render import BOARD_X, BOARD_Y, CELL, FRAME_HEIGHT, FRAME_WIDTH, Renderer

PICTURE = Picture(
    cells=bytes(WIDTH * (HIDDEN_ROWS_SHOWN + HEIGHT - 1)) + bytes([1, 2, 3, 4, 5, 6, 7, 0, 0, 0]),
    active=((3, 4), (4, 3), (4, 4), (4, 5)),
    active_kind=3,
    rotation=0,
    ghost=((17, 4), (18, 3), (18, 4), (18, 5)),
    queue=(1, 2, 3, 4, 5),
    has_hold=True,
    hold=7,
    hold_used=False,
    score=12480,
    lines=37,
    level=4,
    pieces=103,
    game_over=False,
)


def cell_of(frame: np.ndarray, row: int, column: int) -> np.ndarray:
    y, x = BOARD_Y + row * CELL, BOARD_X + column * CELL
    return frame[y : y + CELL, x : x + CELL]


def centre(frame: np.ndarray, row: int, column: int) -> tuple[int, ...]:
    return tuple(cell_of(frame, row, column)[CELL // 2, CELL // 2].tolist())


kinds = st.integers(0, 7)
four_cells = st.lists(st.tuples(st.integers(-4, HEIGHT - 1), st.integers(0, WIDTH - 1)), min_size=4, max_size=4)
some_cells = st.one_of(st.just(()), four_cells.map(tuple))
pictures = st.builds(
    Picture,
    cells=st.binary(min_size=220, max_size=220).map(lambda raw: bytes(byte % 8 for byte in raw)),
    active=some_cells,
    active_kind=st.integers(1, 7),
    rotation=st.integers(0, 3),
    ghost=some_cells,
    queue=st.lists(st.integers(1, 7), min_size=4, max_size=5).map(tuple),
    has_hold=st.booleans(),
    hold=kinds,
    hold_used=st.booleans(),
    score=st.integers(0, 10**8),
    lines=st.integers(0, 10**4),
    level=st.integers(0, 99),
    pieces=st.integers(0, 10**4),
    game_over=st.booleans(),
)


@given(st.lists(pictures, min_size=2, max_size=5))
@settings(max_examples=100, deadline=None)
def test_a_kept_canvas_shows_what_a_fresh_one_does(shown: list[Picture]) -> None:
    kept = Renderer()
    for picture in shown:
        np.testing.assert_array_equal(kept.draw(picture), Renderer().draw(picture))


def test_frames_are_fresh_arrays() -> None:
    renderer = Renderer()
    first = renderer.draw(PICTURE)
    assert first.shape == (FRAME_HEIGHT, FRAME_WIDTH, 3)
    assert first.dtype == np.uint8
    expected = first.copy()
    first[:] = 7
    np.testing.assert_array_equal(renderer.draw(PICTURE), expected)


def test_the_frame_is_the_same_to_the_bit_everywhere() -> None:
    digest = hashlib.sha256(Renderer().draw(PICTURE).tobytes()).hexdigest()
    assert digest == "8caaff82f3c42a72dd6185e6eb029dc93ada2809634091158d5f3842f927b35f"


def test_active_locked_ghost_and_empty_cells_of_one_kind_differ() -> None:
    cells = bytearray(PICTURE.cells)
    cells[(HIDDEN_ROWS_SHOWN + 10) * WIDTH] = 3
    frame = Renderer().draw(replace(PICTURE, cells=bytes(cells)))
    looks = {cell_of(frame, row, column).tobytes() for row, column in [(4, 4), (10, 0), (18, 4), (11, 0)]}
    assert len(looks) == 4


def test_each_kind_has_the_colour_of_the_guideline() -> None:
    """Hues by the guideline; tested by which channels dominate, so that shades are free to change."""
    frame = Renderer().draw(PICTURE)
    hues = {}
    for column, name in enumerate("IOTSZJL"):
        red, green, blue = centre(frame, HEIGHT - 1, column)
        top = max(red, green, blue)
        hues[name] = tuple(round(2 * part / top) for part in (red, green, blue))
    assert hues == {
        "I": (0, 2, 2),
        "O": (2, 2, 0),
        "T": (2, 1, 2),
        "S": (0, 2, 1),
        "Z": (2, 0, 0),
        "J": (0, 1, 2),
        "L": (2, 1, 0),
    }


def test_a_piece_out_of_the_top_is_seen_above_the_board() -> None:
    frame = Renderer().draw(replace(PICTURE, active=((-1, 4), (0, 3), (0, 4), (0, 5))))
    np.testing.assert_array_equal(cell_of(frame, -1, 4), cell_of(frame, 0, 4))


def test_locked_cells_out_of_the_top_are_seen_above_the_board() -> None:
    cells = bytearray(PICTURE.cells)
    cells[0] = cells[WIDTH + 9] = cells[2 * WIDTH] = cells[2 * WIDTH + 9] = 6  # in rows -2, -1, 0 and 0
    frame, before = Renderer().draw(replace(PICTURE, cells=bytes(cells))), Renderer().draw(PICTURE)
    for place in [(-2, 0), (-1, 9), (0, 9)]:
        np.testing.assert_array_equal(cell_of(frame, *place), cell_of(frame, 0, 0))
        cell_of(before, *place)[:] = cell_of(frame, *place)
    cell_of(before, 0, 0)[:] = cell_of(frame, 0, 0)
    np.testing.assert_array_equal(frame, before, "nothing else has changed, the empty cells above the board neither")


def test_game_over_is_readable_whatever_stood_above_the_board() -> None:
    over = replace(PICTURE, active=(), ghost=(), game_over=True)
    full = replace(over, cells=bytes([6]) * (HIDDEN_ROWS_SHOWN * WIDTH) + over.cells[HIDDEN_ROWS_SHOWN * WIDTH :])
    np.testing.assert_array_equal(Renderer().draw(full), Renderer().draw(over))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"score": 12481}, (slice(222, 260), slice(200, 288))),
        ({"lines": 38}, (slice(260, 300), slice(200, 249))),
        ({"level": 5}, (slice(260, 300), slice(249, 288))),
        ({"pieces": 104}, (slice(300, 350), slice(200, 249))),
        ({"rotation": 1}, (slice(300, 350), slice(249, 288))),
        ({"hold": 6}, (slice(14, 46), slice(200, 288))),
        ({"hold_used": True}, (slice(14, 46), slice(200, 288))),
        ({"queue": (1, 2, 3, 4, 6)}, (slice(180, 216), slice(200, 288))),
        ({"queue": (1, 2, 3, 4)}, (slice(180, 216), slice(200, 288))),
        ({"game_over": True, "active": (), "ghost": ()}, (slice(0, 32), slice(32, 192))),
    ],
)
def test_everything_a_player_needs_is_on_the_frame(change: dict, where: tuple[slice, slice]) -> None:
    before, after = Renderer().draw(PICTURE), Renderer().draw(replace(PICTURE, **change))
    changed = (before != after).any(axis=2)
    assert changed[where].any()
    if "active" not in change:
        changed[where] = False
        assert not changed.any()


def test_a_number_too_long_for_its_place_shows_as_nines() -> None:
    renderer = Renderer()
    np.testing.assert_array_equal(
        renderer.draw(replace(PICTURE, score=10**7)), renderer.draw(replace(PICTURE, score=10**7 - 1))
    )
