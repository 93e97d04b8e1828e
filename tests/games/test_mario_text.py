"""The text view of Super Mario Bros against what the picture shows."""

import numpy as np
import pytest

from lmgame_games import Move, frame_of

pytest.importorskip("nes_py")

from lmgame_games.mario import ram
from lmgame_games.mario.buttons import COMBINATIONS
from lmgame_games.mario.cards import card
from lmgame_games.mario.env import SuperMarioBrosEnv
from lmgame_games.mario.text import view, visible_things

FIRST_SCREEN = """\
World 1-1, time 389, lives 1, score 203
Mario: small, on the ground, column 7, row 10, x 112, speed right 1.8, down 0
   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
 0 . . . . . . . . . . . . . . . .
 1 . . . . . . . . . . . . . . . .
 2 . . . . . . . . . . . . . . . .
 3 . . . . . . . . . . . . . . ? .
 4 . . . . . . . . . . . . . . . .
 5 . . . . . . . . . . . . . . . .
 6 . . . . . . . . . . . . . . . .
 7 . . . . . . . . ? . . . B ? B ?
 8 . . . . . . . . . . . . . . . .
 9 . . . . . . . . . . . . . . . .
10 . . . . . . . M . . . . E . . .
11 # # # # # # # # # # # # # # # #
12 # # # # # # # # # # # # # # # #
goomba: column 12, row 10, +79 px, speed right -0.6, down 0"""
"""Written down from the picture: three question blocks low and one high, two bricks, a goomba coming."""

TO_A_FIRE_BAR = [
    *("right+a+b:32", "right+a+b:32", "left:16", "right+a+b:32", "right+a+b:32", "right+a+b:14", "right+b:12"),
    *("right+a+b:14", "noop:16", "left:16", "right+a+b:32"),
]
SKY = (104, 136, 252)


def played(stage: str, *moves: str) -> SuperMarioBrosEnv:
    env = SuperMarioBrosEnv(render_mode="rgb_array", stage=stage)
    env.reset(seed=0)
    for move in moves:
        env.step(env.action(Move.parse(move)))
    return env


def place(memory: bytearray, number: int, x: int, y: int) -> None:
    """Put an object on the first screen of a stage."""
    memory[0x000F], memory[0x0016], memory[0x001E] = 1, number, 0
    memory[0x006E], memory[0x0087], memory[0x00B6], memory[0x00CF] = 0, x, 1, y


def test_the_first_screen_of_1_1() -> None:
    env = played("1-1", "right:30", "right+a:30", "noop:20", "right:30", "right:20")
    assert env.text() == FIRST_SCREEN


def test_the_picture_has_a_block_where_the_text_has_one() -> None:
    env = played("1-1", "right:30", "right+a:30", "noop:20", "right:30", "right:20", "noop:40")
    frame, left = frame_of(env), ram.scroll(env.memory)
    mismatches = 0
    for column in ram.visible_columns(env.memory):
        for row in range(3, 9):  # above them are letters and a cloud, below them a hill and Mario
            x, y = column * 16 - left, 32 + row * 16
            patch = frame[y + 1 : y + 15, max(x + 1, 0) : x + 15].reshape(-1, 3)
            empty = float(np.mean([tuple(pixel) == SKY for pixel in patch.tolist()])) > 0.95
            mismatches += empty != (ram.tile(env.memory, column, row).value == ".")
    assert mismatches == 0


def test_a_castle_with_its_fire_bars() -> None:
    env = played("1-4", *TO_A_FIRE_BAR)
    bars = [thing for thing in visible_things(env.memory) if thing.kind == "fire bar"]
    text = env.text()
    assert len(bars) == text.count("fire bar: ") > 0
    assert ", to column " in text


def test_what_is_off_the_screen_is_not_told() -> None:
    env = played("1-1", "right:30", "right+a:30", "noop:20", "right:30", "right:20")
    (goomba,) = ram.objects(env.memory)
    memory = bytearray(env.memory)
    memory[0x006E + goomba.slot] += 2
    assert "goomba" in view(env.memory, 0, 1)
    assert "goomba" not in view(memory, 0, 1)
    assert "E" not in view(memory, 0, 1).partition("0 1 2")[2]


def test_a_plant_inside_its_pipe_is_not_told() -> None:
    memory = bytearray(played("1-1").memory)
    place(memory, 0x0D, 100, 150)
    memory[0x0434] = 174
    assert "piranha plant: column 6" in view(memory, 0, 1)
    memory[0x00CF] = 174
    assert "piranha" not in view(memory, 0, 1)


def test_big_mario_takes_two_cells_and_a_platform_its_width() -> None:
    memory = bytearray(played("1-1").memory)
    memory[0x0756] = 1
    place(memory, 0x25, 96, 100)
    memory[0x049A] = 6  # 48 pixels wide
    rows = view(memory, 0, 1).splitlines()[3:16]
    assert [row[9] for row in rows[8:11]] == [".", "M", "M"]
    assert rows[4][3:] == ". . . . . . = = = . . . . . . ."


def test_bowser_takes_four_cells() -> None:
    memory = bytearray(played("1-1").memory)
    place(memory, 0x2D, 98, 125)
    memory[0x049A], memory[0x0046] = 10, 2
    lines = view(memory, 0, 1).splitlines()
    assert [line[3:] for line in lines[9:11]] == [". . . . . . E E . . . . . . . ."] * 2
    assert lines[-1] == "bowser: column 6, row 6, +58 px, to column 7, row 7"
    assert view(memory, 0, 1).count(" E") == 4


def test_things_at_the_edge_may_lie_outside_of_the_grid() -> None:
    memory = bytearray(played("1-1").memory)
    place(memory, 0x06, 250, 184)
    memory[0x049A] = 9
    assert view(memory, 0, 1).splitlines()[-1].startswith("goomba: column 16, row 10, ")
    assert "beyond the grid lie outside of the picture" in card("standard").rules


def glide(env: SuperMarioBrosEnv, x: int) -> None:
    """Run above the picture to level x, on borrowed height."""
    memory, advance = env.console.ram, env.console.advance
    while ram.mario_x(env.memory) < x:
        memory[0x00B5], memory[0x00CE], memory[0x009F], memory[0x001D] = 0, 200, 0, 0
        advance(COMBINATIONS["right+b"])


@pytest.mark.parametrize(
    ("stage", "x", "line"),
    [("1-2", 2932, "Warp pipes lead to worlds 4, 3, 2"), ("4-2", 3445, "Warp pipe leads to world 5")],
)
def test_a_warp_zone_says_where_its_pipes_lead(stage: str, x: int, line: str) -> None:
    env = played(stage)
    glide(env, x - 10)  # its pipes are on the screen, its words not yet
    assert "Warp" not in env.text()
    glide(env, x)
    assert line in env.text().splitlines()


def test_the_text_says_when_mario_is_not_under_control() -> None:
    memory = bytearray(played("1-1").memory)
    memory[0x000E] = 11
    assert view(memory, 7, 2).splitlines()[1] == "Mario is dying"
    memory[0x000E], memory[0x0770], memory[0x075F] = 8, 2, 7
    assert "game completed" in view(memory, 7, 2)


@pytest.mark.parametrize("stage", ["1-1", "1-2", "1-4", "2-2"])
def test_the_form_is_always_the_same(stage: str) -> None:
    env = played(stage, "right+b:30", "right+a+b:20")
    lines = env.text().splitlines()
    assert lines[0].startswith(f"World {stage}, time ")
    assert lines[2] == "   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5"
    for row, line in enumerate(lines[3:16]):
        assert line.startswith(f"{row:2} ")
        assert len(line[3:].split(" ")) == 16
    assert all(" column " in line for line in lines[16:])
    assert env.text() == env.text()
