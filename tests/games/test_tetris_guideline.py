"""Guideline rules: gravity, lock down, hold, top-outs, T-spins, points."""

import pytest

from lmgame_games.tetris.bag import Bag
from lmgame_games.tetris.cards import card
from lmgame_games.tetris.guideline import LOCK_FRAMES, LOCK_RESETS, MOVES, GuidelineEngine
from lmgame_games.tetris.pieces import LETTERS, ROW, SHAPES, I, O, T, corner, place
from lmgame_games.tetris.scoring import Spin, award

# Seconds a row by level, https://tetris.wiki/Marathon, to five decimals.
SECONDS = [1.0, 0.793, 0.6178, 0.47273, 0.3552, 0.262, 0.18968, 0.13473, 0.09388, 0.06415]

LEFT, RIGHT, CW, CCW, SOFT, HARD, HOLD, NO_OP = range(8)


class Order(Bag):
    """A bag that deals what the test wants."""

    def __init__(self, letters: str) -> None:
        self._kinds = bytearray(LETTERS.index(letter) for letter in letters) * 100


def game(letters: str = "TIOSZJL", *rows: str) -> GuidelineEngine:
    """A game with that order of pieces and a stack whose rows are written from the top."""
    engine = GuidelineEngine(Order(letters))
    for y, row in enumerate(reversed(rows)):
        for x, cell in enumerate(row):
            if cell != ".":
                engine.board |= 1 << place(x, y)
                engine.cells[(engine.ROWS - 1 - y) * 10 + x] = 2
    return engine


def put(engine: GuidelineEngine, x: int, y: int, *, rotation: int = 0, kind: int = T) -> None:
    """Stand the piece in play somewhere, as if it had just come down to there."""
    engine.kind, engine.rotation, engine.pos = kind, rotation, place(x, y + 1)
    engine.mask = SHAPES[kind][rotation] << engine.pos
    engine.lowest = 10**6
    engine.fallen = 0
    engine._descend()
    assert not engine.mask & engine.board, "the test's own set-up is impossible"


def height(engine: GuidelineEngine) -> int:
    return corner(engine.pos)[1]


# -- spawning ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letter", "columns"), [("I", {3, 4, 5, 6}), ("O", {4, 5}), *((letter, {3, 4, 5}) for letter in "TSZJL")]
)
def test_pieces_appear_above_the_board_and_come_down_a_row_at_once(letter: str, columns: set[int]) -> None:
    engine = game(letter)
    cells = engine.piece_cells()
    assert {x for x, _ in cells} == columns
    assert {y for _, y in cells} == ({19} if letter == "I" else {19, 20})


def test_a_new_piece_stays_hidden_where_the_row_below_is_taken() -> None:
    engine = game("OT", *["....##...."] * 18)
    engine.play(HARD)
    assert {y for _, y in engine.piece_cells()} == {20, 21}
    assert not engine.over


# -- gravity -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", range(1, 11))
def test_gravity_by_level(level: int) -> None:
    engine = game()
    engine.level = level
    start = height(engine)
    period = 60 * SECONDS[level - 1]
    for frames in range(1, 66):
        engine.wait(1)
        rows = start - height(engine)
        assert abs(rows - frames / period) < 1.01
        if rows == 18:
            break
        assert rows == int(frames / period + 1e-3)


def test_a_row_takes_exactly_sixty_frames_at_level_one() -> None:
    engine = game()
    start = height(engine)
    engine.wait(59)
    assert height(engine) == start
    engine.wait(1)
    assert height(engine) == start - 1


def test_a_move_takes_four_frames() -> None:
    engine = game()
    start = height(engine)
    for _ in range(14):
        engine.play(NO_OP)
    assert height(engine) == start
    engine.play(NO_OP)
    assert height(engine) == start - 1
    assert engine.frames == 60


def test_the_level_rises_every_ten_lines_up_to_ten() -> None:
    for lines, level in ((0, 1), (9, 2), (18, 2), (19, 3), (88, 9), (89, 10), (99, 10), (500, 10)):
        engine = game("I", "....######")
        engine.lines = lines
        put(engine, 0, -2, kind=I)
        engine.play(HARD)
        assert engine.lines == lines + 1
        assert engine.level == level


def test_a_hard_drop_starts_the_next_piece_on_its_own_clock() -> None:
    engine = game()
    for _ in range(13):
        engine.play(NO_OP)
    engine.play(HARD)
    start = height(engine)
    engine.wait(59)
    assert height(engine) == start
    engine.wait(1)
    assert height(engine) == start - 1


# -- lock down ---------------------------------------------------------------------------------------------------------


def test_a_piece_at_rest_locks_after_half_a_second() -> None:
    engine = game()
    put(engine, 3, -1, kind=T)
    assert engine.grounded
    assert LOCK_FRAMES == 30
    assert not engine.wait(29)
    assert engine.pieces == 0
    assert engine.wait(1)
    assert engine.pieces == 1


@pytest.mark.parametrize("press", [LEFT, CW])
def test_moves_and_turns_start_the_delay_anew(press: int) -> None:
    engine = game()
    put(engine, 3, -1)
    engine.wait(29)
    assert not engine.play(press), "the delay starts anew, so the move's own four frames can't lock it"
    assert not engine.wait(25)
    assert engine.wait(1)


def test_a_blocked_move_does_not() -> None:
    engine = game()
    put(engine, 0, -1)
    engine.wait(27)
    assert engine.play(LEFT)


def test_the_fifteenth_move_on_a_surface_locks() -> None:
    assert LOCK_RESETS == 15
    engine = game()
    put(engine, 3, -1)
    for number in range(14):
        assert not engine.play(LEFT if number % 2 else RIGHT)
    assert engine.play(RIGHT)
    assert "restarts them; the 15th move or turn at rest locks it at once." in card("standard").rules


def test_falling_further_than_before_gives_fifteen_more() -> None:
    engine = game("TIO", "..####....")
    put(engine, 3, 0)
    assert engine.grounded
    for number in range(12):
        engine.play(LEFT if number % 2 else RIGHT)
    assert engine.resets == 12
    for _ in range(3):
        engine.play(RIGHT)
    assert not engine.grounded
    engine.play(SOFT)
    assert engine.grounded
    assert engine.resets == 0
    assert engine.lock_left == LOCK_FRAMES - 4


def test_moves_in_the_air_do_not_count() -> None:
    engine = game("TIO", "####......", *["..........", "###......."] * 4)
    put(engine, 1, 8)
    for _ in range(3):
        engine.play(RIGHT)
    assert engine.resets == 3
    engine.play(SOFT)
    assert not engine.grounded
    for press in (RIGHT, LEFT, CW, CCW):
        engine.play(press)
    assert engine.resets == 0


def test_hopping_up_by_a_kick_gives_no_more() -> None:
    engine = game()
    put(engine, 3, -1)
    presses = 0
    while not engine.play(CW):
        presses += 1
        assert presses < 20, "spinning on the floor must end"
    assert presses == 14


def test_soft_drop_does_not_lock() -> None:
    engine = game()
    put(engine, 3, -1)
    for _ in range(7):
        assert not engine.play(SOFT)
    assert engine.score == 0
    assert engine.play(SOFT), "the eighth time the 30 frames are over"


# -- hold --------------------------------------------------------------------------------------------------------------


def test_hold_takes_the_next_piece_then_swaps_once_a_piece() -> None:
    engine = game("TIO")
    engine.play(LEFT)
    engine.play(CW)
    engine.play(HOLD)
    assert (engine.kind, engine.hold_kind, engine.rotation) == (I, T, 0)
    engine.play(HOLD)
    assert (engine.kind, engine.hold_kind) == (I, T), "not twice"
    engine.play(HARD)
    assert engine.kind == O
    engine.play(HOLD)
    assert (engine.kind, engine.hold_kind) == (T, O)
    assert {x for x, _ in engine.piece_cells()} == {3, 4, 5}, "it comes back unturned in the middle"


def test_hold_restarts_the_fall_and_the_lock_down() -> None:
    engine = game("TIO")
    put(engine, 3, -1)
    engine.wait(29)
    assert not engine.play(HOLD)
    assert not engine.grounded
    assert engine.fallen == 4000


# -- the end -----------------------------------------------------------------------------------------------------------


def test_block_out() -> None:
    engine = game("TO", *["...###...."] * 19)
    assert not engine.over
    engine.play(HARD)
    assert engine.over == "block_out"


def test_lock_out() -> None:
    engine = game("O", *["....##...."] * 19)
    put(engine, 6, 20, kind=O)
    engine.board |= 0b11 << place(6, 19)
    engine.play(HARD)
    assert engine.over == "lock_out"


def test_a_piece_partly_below_the_top_row_is_no_lock_out() -> None:
    engine = game("O")
    put(engine, 7, 19, kind=O)
    engine.board |= 0b11 << place(7, 18)
    engine.play(HARD)
    assert not engine.over


# -- T-spins -----------------------------------------------------------------------------------------------------------

SLOT = ["####......", "###...####", "####.#####"]


def spun(x: int, y: int, rotation: int, turn: int, *rows: str) -> tuple[GuidelineEngine, Spin, int]:
    """A T stood at (x, y) and turned: the game, what the turn is, and the points it locks for, drop points apart."""
    engine = game("TIO", *rows)
    put(engine, x, y, rotation=rotation)
    assert engine.rotate(turn)
    spin, score = engine.spin(), engine.score
    engine.hard_drop()
    return engine, spin, engine.score - score


def test_t_spin_double() -> None:
    engine, spin, points = spun(3, 0, 1, 0, *SLOT)
    assert (spin, points, engine.lines) == (Spin.FULL, 1200, 2)


def test_t_spin_single() -> None:
    engine, spin, points = spun(3, 0, 1, 0, "####......", "###...####", "####.####.")
    assert (spin, points, engine.lines) == (Spin.FULL, 800, 1)


def test_t_spin_without_lines() -> None:
    engine, spin, points = spun(3, 0, 1, 0, "####......", "###...###.", "####.####.")
    assert (spin, points, engine.lines) == (Spin.FULL, 400, 0)


def test_t_spin_triple_by_the_last_kick() -> None:
    rows = ["#####.....", "####...###", "####.#####", "####..####", "####.#####"]
    engine, spin, points = spun(4, 2, 0, 0, *rows)
    assert (spin, points, engine.lines) == (Spin.FULL, 1600, 3)


def test_the_last_kick_makes_a_mini_a_full_one() -> None:
    rows = ["######....", "####......", "####......", "####..####", "####.#####"]
    engine = game("TIO", *rows)
    put(engine, 4, 2, rotation=2)
    assert engine.rotate(1)
    assert engine.kick == 4
    assert engine.spin() is Spin.FULL
    engine.kick = 1
    assert engine.spin() is Spin.MINI, "the same place by an earlier kick"
    engine.kick = 4
    engine.hard_drop()
    assert (engine.score, engine.lines) == (1200, 2)


def test_mini_t_spin_single() -> None:
    engine, spin, points = spun(0, 0, 0, 0, ".#########")
    assert (spin, points, engine.lines) == (Spin.MINI, 200, 1)


def test_mini_t_spin_without_lines() -> None:
    engine, spin, points = spun(0, 0, 0, 0, ".########.")
    assert (spin, points, engine.lines) == (Spin.MINI, 100, 0)


def test_two_corners_are_no_spin() -> None:
    _, spin, points = spun(3, 0, 1, 0, "..........", "###...####", "####.#####")
    assert (spin, points) == (Spin.NONE, 300)


def test_a_move_after_the_turn_spoils_the_spin() -> None:
    engine = game("TIO", *SLOT)
    put(engine, 3, 0, rotation=1)
    engine.rotate(0)
    engine.wait(4)
    assert engine.spin() is Spin.FULL, "time spent at rest doesn't"
    engine.rotate(1)
    engine.rotate(0)
    assert engine.spin() is Spin.FULL
    engine = game("TIO", ".#........", "..........")
    put(engine, 2, -1)
    engine.kick = 0
    assert engine.shift(-1)
    assert engine.spin() is Spin.NONE
    engine.kick = 0
    assert engine.spin() is Spin.MINI, "there a turn would have been one"


def test_falling_after_the_turn_spoils_the_spin() -> None:
    engine = game("TIO", ".#########")
    put(engine, 0, 0)
    engine.rotate(0)
    assert engine.spin() is Spin.MINI
    put(engine, -1, 0, rotation=1)
    assert engine.spin() is Spin.NONE


def test_only_t_spins() -> None:
    engine = game("JIO", *SLOT)
    put(engine, 3, 0, rotation=1)
    engine.rotate(0)
    engine.kind = LETTERS.index("J")
    assert engine.spin() is Spin.NONE


# -- points ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "points"), [(1, 100), (2, 300), (3, 500), (4, 800)])
@pytest.mark.parametrize("level", [1, 7])
def test_lines(rows: int, points: int, level: int) -> None:
    engine = game("I", *["#########."] * rows, *["########.."] * (4 - rows))
    engine.level = level
    put(engine, 7, 0, rotation=1, kind=I)
    engine.play(HARD)
    assert (engine.score, engine.lines) == (points * level, rows)
    assert sum(map(bool, engine.cells)) == 4 - rows + 8 * (4 - rows)


def test_lines_that_are_apart_clear_too_and_the_rest_comes_down() -> None:
    engine = game("I", "#.........", "#########.", "##.######.", "#########.", ".########.")
    put(engine, 7, 0, rotation=1, kind=I)
    engine.play(HARD)
    assert engine.lines == 2
    rows = [bytes(engine.cells[start : start + 10]) for start in range(360, 400, 10)]
    assert ["".join(".#"[cell > 0] for cell in row) for row in rows] == [
        "..........",
        "#.........",
        "##.#######",
        ".#########",
    ]


def test_drops() -> None:
    engine = game()
    engine.play(SOFT)
    engine.play(SOFT)
    assert engine.score == 2
    rows = engine.drop_rows()
    engine.play(HARD)
    assert engine.score == 2 + 2 * rows


def test_gravity_brings_nothing() -> None:
    engine = game()
    engine.wait(600)
    assert engine.score == 0


def test_back_to_back() -> None:
    assert award(4, Spin.NONE, 1, False, -1) == (800, True, 0)
    assert award(4, Spin.NONE, 1, True, -1) == (1200, True, 0)
    assert award(2, Spin.FULL, 2, True, -1) == (3600, True, 0)
    assert award(1, Spin.MINI, 1, True, -1) == (300, True, 0)
    assert award(0, Spin.FULL, 1, True, -1) == (400, True, -1), "a spin without lines keeps it and isn't raised"
    assert award(0, Spin.NONE, 1, True, 3) == (0, True, -1), "so does a lock without lines"
    assert award(3, Spin.NONE, 1, True, -1) == (500, False, 0), "an easy clear ends it"
    assert award(0, Spin.FULL, 1, False, -1)[1] is False, "a spin without lines doesn't begin it"


def test_combo() -> None:
    back_to_back, combo, points = False, -1, []
    for lines in (1, 1, 2, 0, 1):
        won, back_to_back, combo = award(lines, Spin.NONE, 2, back_to_back, combo)
        points.append(won)
    assert points == [200, 200 + 100, 600 + 200, 0, 200]


def test_the_rules_a_player_reads_say_what_clears_bring() -> None:
    """Four rows three times in a row, then once more after a piece that clears nothing."""
    engine = game("I", *["#########."] * 16)
    gains = []
    for clears in (True, True, True, False, True):
        before, engine.level = engine.score, 1
        if clears:
            put(engine, 7, 0, rotation=1, kind=I)
            engine.play(HARD)
            gains.append(engine.score - before)
        else:
            put(engine, 0, 10, kind=I)
            engine.play(HARD)
    half_more, rules = 800 * 3 // 2, card("standard").rules
    assert gains == [800, half_more + 50 * 1, half_more + 50 * 2, half_more]
    assert "half more for four rows or a T-spin clear if the last clear was such a one too;" in rules
    assert "for any clear also 50 times the number of pieces in a row that cleared just before." in rules


def test_two_tetrises_in_a_row() -> None:
    engine = game("I", *["#########."] * 8)
    for expected in (800, 800 + 1200 + 50):
        put(engine, 7, 0, rotation=1, kind=I)
        engine.play(HARD)
        assert engine.score == expected


def test_a_line_is_scored_at_the_level_before_it() -> None:
    engine = game("I", *["#########."])
    engine.lines = 9
    put(engine, 7, 0, rotation=1, kind=I)
    engine.play(HARD)
    assert (engine.score, engine.level) == (100, 2)


def test_moves_are_as_the_tests_number_them() -> None:
    assert MOVES == ("left", "right", "rotate_cw", "rotate_ccw", "soft_drop", "hard_drop", "hold", "no_op")
    assert ROW == 14
