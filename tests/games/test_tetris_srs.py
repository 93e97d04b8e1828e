"""Shapes and wall kicks against the guideline's own pictures and table, typed here a second time."""

import pytest

from lmgame_games.tetris.bag import Bag
from lmgame_games.tetris.guideline import GuidelineEngine
from lmgame_games.tetris.pieces import CELLS, FULL_ROW, LETTERS, ROW, SHAPES, corner, place

# States 0, R, 2, L of each piece in its bounding box, side by side.
PICTURES = {
    "I": [".... ..#. .... .#..", "#### ..#. .... .#..", ".... ..#. #### .#..", ".... ..#. .... .#.."],
    "O": ["## ## ## ##", "## ## ## ##"],
    "T": [".#. .#. ... .#.", "### .## ### ##.", "... .#. .#. .#."],
    "S": [".## .#. ... #..", "##. .## .## ##.", "... ..# ##. .#."],
    "Z": ["##. ..# ... .#.", ".## .## ##. ##.", "... .#. .## #.."],
    "J": ["#.. .## ... .#.", "### .#. ### .#.", "... .#. ..# ##."],
    "L": ["..# .#. ... ##.", "### .#. ### .#.", "... .## #.. .#."],
}

# https://tetris.wiki/Super_Rotation_System: x to the right, y up.
TABLE_JLSTZ = """
0->R ( 0, 0) (-1, 0) (-1,+1) ( 0,-2) (-1,-2)
R->0 ( 0, 0) (+1, 0) (+1,-1) ( 0,+2) (+1,+2)
R->2 ( 0, 0) (+1, 0) (+1,-1) ( 0,+2) (+1,+2)
2->R ( 0, 0) (-1, 0) (-1,+1) ( 0,-2) (-1,-2)
2->L ( 0, 0) (+1, 0) (+1,+1) ( 0,-2) (+1,-2)
L->2 ( 0, 0) (-1, 0) (-1,-1) ( 0,+2) (-1,+2)
L->0 ( 0, 0) (-1, 0) (-1,-1) ( 0,+2) (-1,+2)
0->L ( 0, 0) (+1, 0) (+1,+1) ( 0,-2) (+1,-2)
"""
TABLE_I = """
0->R ( 0, 0) (-2, 0) (+1, 0) (-2,-1) (+1,+2)
R->0 ( 0, 0) (+2, 0) (-1, 0) (+2,+1) (-1,-2)
R->2 ( 0, 0) (-1, 0) (+2, 0) (-1,+2) (+2,-1)
2->R ( 0, 0) (+1, 0) (-2, 0) (+1,-2) (-2,+1)
2->L ( 0, 0) (+2, 0) (-1, 0) (+2,+1) (-1,-2)
L->2 ( 0, 0) (-2, 0) (+1, 0) (-2,-1) (+1,+2)
L->0 ( 0, 0) (+1, 0) (-2, 0) (+1,-2) (-2,+1)
0->L ( 0, 0) (-1, 0) (+2, 0) (-1,+2) (+2,-1)
"""


def _read(table: str) -> list[tuple[int, int, list[tuple[int, int]]]]:
    rows = []
    for line in table.strip().splitlines():
        turn, _, offsets = line.partition(" ")
        before, after = ("0R2L".index(state) for state in turn.split("->"))
        pairs = [pair.strip("() ").split(",") for pair in offsets.split(") (")]
        rows.append((before, after, [(int(x), int(y)) for x, y in pairs]))
    return rows


CASES = [
    pytest.param(kind, before, after, offsets, test, id=f"{LETTERS[kind]} {'0R2L'[before]}->{'0R2L'[after]} {test + 1}")
    for kind in (1, 3, 4, 5, 6, 7)
    for before, after, offsets in _read(TABLE_I if LETTERS[kind] == "I" else TABLE_JLSTZ)
    for test in range(5)
]


@pytest.mark.parametrize("letter", PICTURES)
def test_shapes(letter: str) -> None:
    size = len(PICTURES[letter])
    for state in range(4):
        rows = [row.split()[state] for row in PICTURES[letter]]
        cells = {(x, size - 1 - r) for r, row in enumerate(rows) for x, cell in enumerate(row) if cell == "#"}
        assert set(CELLS[LETTERS.index(letter)][state]) == cells


def _only_free(mask: int) -> int:
    """A board with a single hole, of that shape."""
    return sum(FULL_ROW << ROW * row for row in range(44)) & ~mask


def _engine(kind: int, state: int, x: int, y: int) -> GuidelineEngine:
    engine = GuidelineEngine(Bag(0))
    engine.kind, engine.rotation, engine.pos = kind, state, place(x, y)
    engine.mask = SHAPES[kind][state] << engine.pos
    return engine


@pytest.mark.parametrize(("kind", "before", "after", "offsets", "test"), CASES)
def test_a_turn_takes_the_kick_that_fits(
    kind: int, before: int, after: int, offsets: list[tuple[int, int]], test: int
) -> None:
    engine = _engine(kind, before, 4, 8)
    right, up = offsets[test]
    engine.board = _only_free(SHAPES[kind][after] << place(4 + right, 8 + up))
    assert engine.rotate(0 if (after - before) % 4 == 1 else 1)
    assert (engine.rotation, corner(engine.pos), engine.kick) == (after, (4 + right, 8 + up), test)
    assert not engine.mask & engine.board


@pytest.mark.parametrize("kind", range(1, 8))
@pytest.mark.parametrize("counter", [0, 1])
def test_the_first_kick_that_fits_is_taken(kind: int, counter: int) -> None:
    engine = _engine(kind, 0, 4, 8)
    assert engine.rotate(counter)
    assert engine.kick == 0
    assert corner(engine.pos) == (4, 8)


@pytest.mark.parametrize("kind", (1, 3, 4, 5, 6, 7))
@pytest.mark.parametrize("counter", [0, 1])
def test_a_turn_with_no_room_does_nothing(kind: int, counter: int) -> None:
    engine = _engine(kind, 0, 4, 8)
    engine.board = _only_free(engine.mask)
    assert not engine.rotate(counter)
    assert (engine.rotation, corner(engine.pos)) == (0, (4, 8))


@pytest.mark.parametrize("kind", range(1, 8))
def test_walls_hold_at_every_height_and_turn(kind: int) -> None:
    """No kick carries a piece through a wall, whose bits neighbouring rows share."""
    for state in range(4):
        for x in range(-2, 10):
            engine = _engine(kind, state, x, 10)
            if engine.mask & engine.board:
                continue
            assert all(0 <= column < 10 for column, _ in engine.piece_cells())
            for counter in (0, 1):
                turned = engine.copy()
                turned.rotate(counter)
                columns = [column for column, _ in turned.piece_cells()]
                assert 0 <= min(columns) <= max(columns) < 10
                assert turned.mask == sum(1 << place(column, row) for column, row in turned.piece_cells())
