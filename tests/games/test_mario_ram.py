"""Reading Super Mario Bros' RAM: made-up bytes here, real ones where the emulator is installed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmgame_games.mario import ram
from lmgame_games.mario.ram import Phase
from lmgame_games.mario.tiles import Tile, tile_of


def memory(**values: int) -> bytearray:
    """RAM of a game being played, with bytes set by address, such as `x0086=40`."""
    made = bytearray(0x800)
    made[0x0770], made[0x0772], made[0x000E], made[0x00B5] = 1, 3, 8, 1
    for name, value in values.items():
        made[int(name[1:], 16)] = value
    return made


def thing(number: int, state: int = 0, *, slot: int = 0, flag: int = 1) -> bytearray:
    """RAM with one object at x 300, y 184."""
    made = memory()
    made[0x000F + slot], made[0x0016 + slot], made[0x001E + slot] = flag, number, state
    made[0x006E + slot], made[0x0087 + slot] = 1, 44
    made[0x00B6 + slot], made[0x00CF + slot] = 1, 184
    made[0x0058 + slot] = 0xF8
    return made


@pytest.mark.parametrize(
    ("values", "phase"),
    [
        ({}, Phase.PLAY),
        ({"x0770": 0}, Phase.TITLE),
        ({"x0770": 3}, Phase.GAME_OVER),
        ({"x0770": 2}, Phase.TRANSITION),
        ({"x0770": 2, "x075F": 7}, Phase.COMPLETED),
        ({"x0772": 0}, Phase.TRANSITION),
        ({"x000E": 11}, Phase.DYING),
        ({"x00B5": 2}, Phase.DYING),
        ({"x00B5": 2, "x0743": 1}, Phase.TRANSITION),  # out of the clouds
        ({"x00B5": 0}, Phase.PLAY),  # above the picture
        ({"x000E": 9}, Phase.TRANSITION),  # growing
        ({"x000E": 4}, Phase.TRANSITION),  # down the flagpole
    ],
)
def test_phases(values: dict[str, int], phase: Phase) -> None:
    made = memory(**values)
    assert ram.phase(made) is phase
    assert ram.playing(made) is (phase is Phase.PLAY)


def test_numbers_on_the_screen() -> None:
    made = memory(x075F=3, x075C=1, x075A=2, x07F8=3, x07F9=0, x07FA=7, x07ED=1, x07EE=2)
    made[0x07DD:0x07E3] = bytes((0, 1, 2, 3, 4, 5))
    assert ram.stage(made) == (4, 2)
    assert ram.lives(made) == 3
    assert ram.time_left(made) == 307
    assert ram.coins(made) == 12
    assert ram.points(made) == 123450
    assert ram.lives(memory(x075A=0xFF)) == 0


def test_mario() -> None:
    mario = ram.mario(
        memory(x006D=2, x0086=5, x00CE=176, x0057=0xE8, x009F=0xFC, x001D=1, x0756=1, x0033=2, x079F=9, x0499=1)
    )
    assert (mario.x, mario.y, mario.feet) == (517, 176, 208)
    assert (mario.vx, mario.vy) == (-24, -4)
    assert not mario.on_ground
    assert not mario.facing_right
    assert mario.power_up is ram.PowerUp.BIG
    assert mario.star
    assert mario.invincible
    assert (mario.box.left, mario.box.top, mario.box.right, mario.box.bottom) == (520, 196, 530, 208)


@pytest.mark.parametrize(
    ("number", "state", "kind", "dangerous"),
    [
        (0x06, 0, "goomba", True),
        (0x00, 0, "green koopa", True),
        (0x03, 4, "red koopa shell", False),
        (0x02, 0x84, "moving buzzy beetle shell", True),
        (0x2E, 0, "mushroom", False),
        (0x2D, 0, "bowser", True),
        (0x25, 0, "platform", False),
        (0x32, 0, "spring", False),
    ],
)
def test_objects(number: int, state: int, kind: str, dangerous: bool) -> None:
    (found,) = ram.objects(thing(number, state, slot=5 if number == 0x2E else 2))
    assert (found.kind, found.dangerous, found.x, found.y) == (kind, dangerous, 300, 184)


@pytest.mark.parametrize(
    ("number", "state", "flag"),
    [
        (0x06, 0, 0),  # an empty slot
        (0x06, 0, 0x83),  # part of another object
        (0x06, 4, 1),  # stamped flat
        (0x00, 0x20, 1),  # knocked off the screen
        (0x17, 0, 1),  # steers the game, shows nothing
    ],
)
def test_what_does_not_show(number: int, state: int, flag: int) -> None:
    assert ram.objects(thing(number, state, flag=flag)) == []


@pytest.mark.parametrize(
    ("x", "y", "shows"),
    [(300, 184, True), (85, 184, True), (84, 184, False), (355, 184, True), (356, 184, False), (300, 250, False)],
)
def test_what_is_on_the_screen(x: int, y: int, shows: bool) -> None:
    made = thing(0x06)
    made[0x049A] = 3
    made[0x071C] = 100
    made[0x006E], made[0x0087] = divmod(x, 256)
    made[0x00CF] = y
    assert ram.on_screen(made, ram.objects(made)[0]) is shows


def test_an_egg_thrown_above_the_picture_shows_while_it_reaches_in() -> None:
    made = thing(0x12)
    made[0x049A], made[0x071A], made[0x00B6] = 3, 1, 0
    made[0x00CF] = 255
    assert ram.on_screen(made, ram.objects(made)[0])
    made[0x00CF] = 200
    assert not ram.on_screen(made, ram.objects(made)[0])


def test_speed_is_read_where_there_is_one() -> None:
    assert ram.objects(thing(0x06))[0].vx == -8
    assert ram.objects(thing(0x0D))[0].vx == 0  # a plant keeps something else there


def test_hit_boxes_are_the_cartridges_own() -> None:
    pytest.importorskip("nes_py")
    from lmgame_games.mario.cartridge import find

    boxes = []
    for control in range(12):
        made = thing(0x06)
        made[0x049A] = control
        box = ram.objects(made)[0].box
        boxes += [box.left - 300, box.top - 184, box.right - 300, box.bottom - 184]
    assert bytes(boxes) in Path(find(None).path).read_bytes()


def test_shots() -> None:
    made = memory(x0024=2, x0074=1, x008D=4, x00D5=100, x002B=0x90, x007B=1, x0094=9, x00DC=50)
    made[0x002C] = 1  # a coin jumping out of a block
    assert [(shot.kind, shot.x, shot.y, shot.dangerous) for shot in ram.shots(made)] == [
        ("fireball", 260, 100, False),
        ("hammer", 265, 50, True),
    ]


@pytest.mark.parametrize(("turn", "tip"), [(0, (304, 148)), (8, (344, 188)), (16, (304, 228)), (24, (264, 188))])
def test_fire_bars_turn_clockwise_from_straight_up(turn: int, tip: tuple[int, int]) -> None:
    made = thing(0x1B)
    made[0x00A0] = turn
    balls = ram.fire_bar(made, ram.objects(made)[0])
    assert (len(balls), balls[0], balls[-1]) == (6, (304, 188), tip)
    assert len(ram.fire_bar(made, ram.objects(thing(0x1F))[0])) == 12


@pytest.mark.parametrize(("direction", "left"), [(2, 300), (1, 284)])
def test_bowser_is_two_tiles_wide_and_high_from_his_front_backwards(direction: int, left: int) -> None:
    made = thing(0x2D, slot=2)
    made[0x0048] = direction
    (found,) = ram.objects(made)
    assert ram.bowser(made, found) == [(left + x, 184 + y) for y in (8, 24) for x in (8, 24)]


@pytest.mark.parametrize(("control", "worlds"), [(0, ()), (1, ()), (4, (4, 3, 2)), (5, (5,)), (6, (8, 7, 6)), (7, ())])
def test_warp_zones(control: int, worlds: tuple[int, ...]) -> None:
    assert ram.warp_worlds(memory(x06D6=control)) == worlds
    assert ram.warp_worlds(memory(x06D6=control, x0772=0)) == ()


def test_tiles_that_hide_look_like_nothing() -> None:
    assert tile_of(0x5F) is tile_of(0x60) is Tile.EMPTY
    # Bricks and question blocks don't show what is in them.
    assert {tile_of(number) for number in range(0x55, 0x5F)} == {Tile.BRICK}
    assert tile_of(0xC0) is tile_of(0xC1) is Tile.QUESTION
    assert Tile.USED.solid
    assert not Tile.COIN.solid


@given(st.integers(0, 4095), st.integers(0, 12))
def test_the_tile_window_holds_32_columns(column: int, row: int) -> None:
    made = memory()
    made[0x0500 + column // 16 % 2 * 0xD0 + row * 16 + column % 16] = 0xC0
    assert ram.tile(made, column, row) is Tile.QUESTION
    assert ram.tile(made, column + 32, row) is Tile.QUESTION
    assert ram.tile(made, column + 16, row) is Tile.EMPTY


def test_rows_outside_of_the_window_are_empty() -> None:
    made = memory()
    made[0x0500:0x06A0] = bytes([0x54]) * 0x1A0
    assert ram.tile(made, 3, -1) is ram.tile(made, 3, 13) is Tile.EMPTY


@given(st.integers(0, 5000))
def test_sixteen_columns_show_wherever_the_picture_is(left: int) -> None:
    made = memory()
    made[0x071A], made[0x071C] = divmod(left, 256)
    columns = ram.visible_columns(made)
    assert len(columns) == 16
    for column in columns:
        shown = min(column * 16 + 16, left + 256) - max(column * 16, left)
        assert shown >= 8
