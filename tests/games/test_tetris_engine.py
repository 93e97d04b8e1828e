"""What holds whatever is played, under both rule sets."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmgame_games.tetris.bag import Bag
from lmgame_games.tetris.engine import Engine
from lmgame_games.tetris.guideline import GuidelineEngine
from lmgame_games.tetris.lmgame_bench import BenchEngine
from lmgame_games.tetris.pieces import FULL_ROW, ROW, place

ENGINES = [GuidelineEngine, BenchEngine]
seeds = st.integers(0, 2**63)
moves = st.lists(st.integers(0, 6), max_size=300)


@given(seeds)
def test_every_seven_pieces_hold_each_kind_once(seed: int) -> None:
    bag = Bag(seed)
    for start in range(0, 70, 7):
        assert sorted(bag.window(start, 7)) == [1, 2, 3, 4, 5, 6, 7]
    assert [bag[index] for index in range(70)] == list(bag.window(0, 70))


def test_every_order_of_a_bag_is_as_likely() -> None:
    """Each kind in each place: 7,000 bags, 1,000 expected, five standard deviations are 146."""
    counts = Counter((place, kind) for seed in range(7000) for place, kind in enumerate(Bag(seed).window(0, 7)))
    assert len(counts) == 49
    assert all(abs(count - 1000) < 146 for count in counts.values())


def _state(engine: Engine) -> tuple[object, ...]:
    slots = {slot for base in type(engine).__mro__ for slot in getattr(base, "__slots__", ())}
    return tuple(bytes(engine.cells) if slot == "cells" else getattr(engine, slot) for slot in sorted(slots - {"bag"}))


def _consistent(engine: Engine) -> None:
    rows = engine.ROWS
    board = type(engine).empty_board()
    for index, kind in enumerate(engine.cells):
        if kind:
            board |= 1 << place(index % 10, rows - 1 - index // 10)
    assert board == engine.board, "bits and cells tell the same board"
    assert sum(map(bool, engine.cells)) == 4 * engine.pieces - 10 * engine.lines
    assert all((board >> ROW * row) & FULL_ROW != FULL_ROW for row in range(4, 4 + rows)), "full lines are gone"
    if not engine.over:
        assert not engine.mask & engine.board, "the piece overlaps nothing"
        cells = engine.piece_cells()
        assert engine.mask == sum(1 << place(x, y) for x, y in cells)
        assert all(0 <= x < 10 and 0 <= y < rows for x, y in cells)
        painted = engine.painted()
        assert sum(cell > 7 for cell in painted) == 4
        assert all(painted[(rows - 1 - y) * 10 + x] == engine.kind + 7 for x, y in cells)
        assert bytes(cell if cell < 8 else 0 for cell in painted) == bytes(engine.cells)


@pytest.mark.parametrize("rules", ENGINES)
@settings(max_examples=60, deadline=None)
@given(seed=seeds, actions=moves)
def test_play_keeps_the_board_sound(rules: type[Engine], seed: int, actions: list[int]) -> None:
    engine = rules(Bag(seed))
    for action in actions:
        pieces, score = engine.pieces, engine.score
        locked = engine.play(action)
        assert locked == (engine.pieces > pieces)
        assert engine.score >= score
        _consistent(engine)


@pytest.mark.parametrize("rules", ENGINES)
@settings(max_examples=40, deadline=None)
@given(seed=seeds, actions=moves, cut=st.integers(0, 300))
def test_a_copy_goes_the_same_way_and_leaves_the_original_alone(
    rules: type[Engine], seed: int, actions: list[int], cut: int
) -> None:
    engine, straight = rules(Bag(seed)), rules(Bag(seed))
    for action in actions:
        straight.play(action)
    for action in actions[:cut]:
        engine.play(action)
    before = _state(engine)
    copy = engine.copy()
    for action in actions[cut:]:
        copy.play(action)
    assert _state(engine) == before
    assert _state(copy) == _state(straight)


@pytest.mark.parametrize("rules", ENGINES)
@settings(max_examples=60, deadline=None)
@given(seed=seeds, actions=st.lists(st.integers(0, 6), max_size=40), waits=st.lists(st.integers(0, 200), max_size=6))
def test_time_can_be_cut_up(rules: type[Engine], seed: int, actions: list[int], waits: list[int]) -> None:
    whole, parts = rules(Bag(seed)), rules(Bag(seed))
    for action in actions:
        whole.play(action)
        parts.play(action)
    before = whole.frames
    locked, parts_locked = whole.wait(sum(waits)), [parts.wait(frames) for frames in waits]
    assert locked == any(parts_locked)
    assert _state(whole) == _state(parts)
    if not whole.over and not whole.cut_off:
        assert whole.frames == before + sum(waits)


@pytest.mark.parametrize("rules", ENGINES)
@settings(max_examples=60, deadline=None)
@given(seed=seeds, actions=moves)
def test_drop_rows_counts_the_free_rows_below(rules: type[Engine], seed: int, actions: list[int]) -> None:
    engine = rules(Bag(seed))
    for action in actions:
        engine.play(action)
        if engine.over:
            return
        rows = 0
        while not engine.mask >> ROW * (rows + 1) & engine.board:
            rows += 1
        assert engine.drop_rows() == rows


@pytest.mark.parametrize("rules", ENGINES)
def test_nothing_moves_a_finished_game(rules: type[Engine]) -> None:
    engine = rules(Bag(3))
    while not engine.over:
        engine.play(engine.MOVES.index("hard_drop"))
    before = _state(engine)
    for action in range(len(engine.MOVES)):
        assert not engine.play(action)
    assert not engine.wait(1000)
    assert _state(engine) == before
