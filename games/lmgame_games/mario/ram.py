"""What the 2,048 bytes of RAM say: pure functions and dataclasses, no emulator needed.

Addresses and meanings follow the well-known commented disassembly of the game ("SMBDIS.ASM", doppelganger) and the
RAM map at datacrystal.tcrf.net. All positions are in pixels. Level x grows to the right from the start of the area;
y grows downwards from the top of the picture, so the ground of 1-1 has its surface at y = 208.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import cos, pi, sin

from lmgame_games.mario.tiles import COLUMNS_IN_BUFFER, ROWS, Tile, tile_of

Ram = Sequence[int]
"""The RAM: a uint8 array, a memoryview or bytes of length 2,048."""


class Phase(Enum):
    """Whether the game listens to the buttons, and if it doesn't, what goes on instead."""

    PLAY = "play"
    DYING = "dying"
    TRANSITION = "transition"
    """Entering a stage, pipes, vines, growing, the flagpole, the walk to the castle, the bridge, the black screen."""
    GAME_OVER = "game_over"
    TITLE = "title"
    COMPLETED = "completed"
    """The end of world 8: the princess is free, and the game waits for a button to start over."""


class PowerUp(Enum):
    """Mario's size and abilities, in the order of the game's own numbers (RAM 0x0756)."""

    SMALL = 0
    BIG = 1
    FIERY = 2


class Motion(Enum):
    """What Mario stands on (RAM 0x001D)."""

    GROUND = 0
    JUMPING = 1
    FALLING = 2
    CLIMBING = 3


@dataclass(frozen=True, slots=True)
class Box:
    """A hit box in level pixels; `left` and `top` inclusive, `right` and `bottom` exclusive."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Mario:
    """The player."""

    x: int
    """Left edge of the 16 pixel wide sprite, in the level."""
    y: int
    """Top of the 32 pixel high sprite cell; the feet are at `y + 32` whether Mario is small or big."""
    vx: int
    """Speed to the right in sixteenths of a pixel a frame. Walking ends at 28 and running at 48 on the European
    cartridge, at 24 and 40 on others."""
    vy: int
    """Speed downwards in pixels a frame, rounded down; about -5 as a jump begins."""
    motion: Motion
    power_up: PowerUp
    facing_right: bool
    crouching: bool
    swimming: bool
    invincible: bool
    """After a hit or under a star: enemies do no harm now."""
    star: bool
    """Under a star: enemies die on touch."""
    box: Box

    @property
    def on_ground(self) -> bool:
        """Whether a jump can begin."""
        return self.motion is Motion.GROUND

    @property
    def feet(self) -> int:
        """The y just below the feet; the surface Mario stands on."""
        return self.y + 32


@dataclass(frozen=True, slots=True)
class Thing:
    """Anything that moves and isn't Mario: an enemy, a power-up, a platform, a shot."""

    kind: str
    """Name, such as `goomba`, `green koopa`, `mushroom`, `platform`."""
    x: int
    """Left edge of its sprite, in the level."""
    y: int
    vx: int
    """Speed to the right in sixteenths of a pixel a frame; 0 for things that move by other rules."""
    vy: int
    """Speed downwards in pixels a frame; 0 for things that move by other rules."""
    box: Box
    dangerous: bool
    """Whether touching it from the side hurts."""
    slot: int
    state: int
    """The game's own state byte."""


# Enemy object ids (the disassembly's "enemy object constants" and jump tables). 0x1B-0x1F are fire bars,
# 0x24-0x2C platforms. Ids that only steer the game (0x17, 0x18, 0x34, 0x36 and the group ids 0x37-0x3F) show nothing.
ENEMIES = {
    0x00: "green koopa",
    0x01: "red koopa",
    0x02: "buzzy beetle",
    0x03: "red koopa",
    0x04: "green koopa",
    0x05: "hammer bro",
    0x06: "goomba",
    0x07: "blooper",
    0x08: "bullet bill",
    0x0A: "grey cheep-cheep",
    0x0B: "red cheep-cheep",
    0x0C: "podoboo",
    0x0D: "piranha plant",
    0x0E: "green paratroopa",
    0x0F: "red paratroopa",
    0x10: "green paratroopa",
    0x11: "lakitu",
    0x12: "spiny",
    0x14: "flying cheep-cheep",
    0x15: "bowser flame",
    0x1B: "fire bar",
    0x1C: "fire bar",
    0x1D: "fire bar",
    0x1E: "fire bar",
    0x1F: "long fire bar",
    0x2D: "bowser",
    0x33: "bullet bill",
}
FIRE_BARS = frozenset(range(0x1B, 0x20))
PLATFORMS = frozenset(range(0x24, 0x2D))
OTHER_OBJECTS = {0x2F: "vine", 0x30: "flag", 0x31: "castle flag", 0x32: "spring", 0x35: "toad"}
POWER_UPS = ("mushroom", "fire flower", "star", "1-up mushroom")
SHELLED = frozenset({0x00, 0x01, 0x02, 0x03, 0x04})

# (left, top, right, bottom) of hit boxes relative to the object, by the game's bounding box control (BoundBoxCtrlData).
# As on the European cartridge; others have small enemies (box 9) begin two pixels lower, at 14.
_BOXES = (
    (2, 8, 14, 32),
    (3, 20, 13, 32),
    (2, 20, 14, 32),
    (2, 9, 14, 21),
    (0, 0, 24, 6),
    (0, 0, 32, 13),
    (0, 0, 48, 13),
    (0, 0, 8, 8),
    (6, 4, 10, 8),
    (3, 12, 13, 20),
    (0, 2, 16, 21),
    (4, 4, 12, 28),
)


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def _box(control: int, x: int, y: int) -> Box:
    left, top, right, bottom = _BOXES[control] if control < len(_BOXES) else (0, 0, 16, 16)
    return Box(x + left, y + top, x + right, y + bottom)


def playing(ram: Ram) -> bool:
    """Whether the phase is PLAY; cheap enough to ask after every frame."""
    # Mode 1 is the game, task 3 its running part, routine 8 the one that reads the controller; below the lower edge
    # of the picture (second screen and on) Mario is lost already.
    return ram[0x0770] == 1 and ram[0x0772] == 3 and ram[0x000E] == 8 and ram[0x00B5] <= 1


def in_scene(ram: Ram) -> bool:
    """Whether an area is on the screen, instead of the black screen between two of them."""
    return ram[0x0770] != 1 or ram[0x0772] == 3


def phase(ram: Ram) -> Phase:
    """Whether the buttons matter in the frame to come, and if not, why."""
    if playing(ram):
        return Phase.PLAY
    mode = ram[0x0770]
    if mode == 0:
        return Phase.TITLE
    if mode == 3:
        return Phase.GAME_OVER
    if mode == 2:
        return Phase.COMPLETED if ram[0x075F] == 7 else Phase.TRANSITION
    if ram[0x0772] != 3:
        return Phase.TRANSITION
    # Routines 6 and 11 take a life; so does a fall, except from a bonus area in the clouds (0x0743).
    lost = ram[0x000E] in (6, 11) or (ram[0x000E] == 8 and ram[0x0743] == 0)
    return Phase.DYING if lost else Phase.TRANSITION


def stage(ram: Ram) -> tuple[int, int]:
    """World and stage, both from 1."""
    return ram[0x075F] + 1, ram[0x075C] + 1


def area(ram: Ram) -> int:
    """The area that is loaded, by the game's own number (0x25 is 1-1's, 0x40 is 1-2's underground).

    Not RAM 0x0750, which already names the area the next pipe leads to.
    """
    return ram[0x074E] << 5 | ram[0x074F]


def lives(ram: Ram) -> int:
    """Lives that remain, the one being played included; 0 after the last one."""
    return (ram[0x075A] + 1) & 0xFF


def time_left(ram: Ram) -> int:
    """The game's clock, as shown; a unit is 20 frames on the European cartridge, 24 on others."""
    return ram[0x07F8] * 100 + ram[0x07F9] * 10 + ram[0x07FA]


def points(ram: Ram) -> int:
    """The game's own score, as shown."""
    return int("".join(str(ram[address] % 10) for address in range(0x07DD, 0x07E3))) * 10


def coins(ram: Ram) -> int:
    """Coins, as shown."""
    return ram[0x07ED] * 10 + ram[0x07EE]


def mario_x(ram: Ram) -> int:
    """Mario's x in the level."""
    return ram[0x006D] << 8 | ram[0x0086]


def scroll(ram: Ram) -> int:
    """Level x of the left edge of the picture."""
    return ram[0x071A] << 8 | ram[0x071C]


def mario(ram: Ram) -> Mario:
    """The player's state."""
    x, y = mario_x(ram), (ram[0x00B5] - 1) * 256 + ram[0x00CE]
    return Mario(
        x=x,
        y=y,
        vx=_signed(ram[0x0057]),
        vy=_signed(ram[0x009F]),
        motion=Motion(ram[0x001D] & 3),
        power_up=PowerUp(min(ram[0x0756], 2)),
        facing_right=ram[0x0033] != 2,
        crouching=ram[0x0714] != 0,
        swimming=ram[0x0704] != 0,
        invincible=ram[0x079E] != 0 or ram[0x079F] != 0,
        star=ram[0x079F] != 0,
        box=_box(ram[0x0499], x, y),
    )


def _object_kind(ram: Ram, number: int, state: int) -> tuple[str, bool] | None:
    """Name and danger of an enemy object, or None for one that shows nothing or is already beaten."""
    if number in PLATFORMS:
        return "platform", False
    if number in OTHER_OBJECTS:
        return OTHER_OBJECTS[number], False
    if number == 0x2E:
        return POWER_UPS[ram[0x0039] & 3], False
    name = ENEMIES.get(number)
    if name is None:
        return None
    if state & 0x20 or (number == 0x06 and state & 0x0F >= 4):
        return None  # knocked off the screen, or a goomba stamped flat
    if number in SHELLED:
        if state & 0x80:
            return f"moving {name} shell", True
        if state & 0x0F >= 2:
            return f"{name} shell", False
    return name, True


def objects(ram: Ram) -> list[Thing]:
    """Enemies, platforms, power-ups and other objects that are loaded, on the screen or just beyond its edges."""
    found: list[Thing] = []
    for slot in range(6):
        if not 0 < ram[0x000F + slot] < 0x80:
            continue  # bit 7 marks a part of another object: Bowser's back, the far end of a fire bar
        number, state = ram[0x0016 + slot], ram[0x001E + slot]
        known = _object_kind(ram, number, state)
        if known is None:
            continue
        kind, dangerous = known
        x = ram[0x006E + slot] << 8 | ram[0x0087 + slot]
        y = (ram[0x00B6 + slot] - 1) * 256 + ram[0x00CF + slot]
        # Platforms, plants, fire bars and the like keep other things than speeds in these bytes.
        has_speed = number <= 0x06 or number in (0x08, 0x0E, 0x12, 0x14, 0x2E, 0x33)
        vx, vy = (_signed(ram[0x0058 + slot]), _signed(ram[0x00A0 + slot])) if has_speed else (0, 0)
        # A fire bar's box is that of the ball it turns about.
        box = Box(x, y, x + 8, y + 8) if number in FIRE_BARS else _box(ram[0x049A + slot], x, y)
        found.append(Thing(kind, x, y, vx, vy, box, dangerous, slot, state))
    return found


def fire_bar(ram: Ram, bar: Thing) -> list[tuple[int, int]]:
    """Middles of a fire bar's 6 or 12 balls, as level x and y, from the one it turns about to its tip.

    The balls are 8 pixels apart; the game counts 32 steps of a turn, clockwise from straight up.
    """
    turn = 2 * pi * ram[0x00A0 + bar.slot] / 32
    middle_x, middle_y = bar.x + 4, bar.y + 4
    count = 12 if bar.kind == "long fire bar" else 6
    return [(round(middle_x + 8 * k * sin(turn)), round(middle_y - 8 * k * cos(turn))) for k in range(count)]


def bowser(ram: Ram, thing: Thing) -> list[tuple[int, int]]:
    """Middles of the four 16 pixel squares of Bowser's picture, as level x and y, row by row.

    The object's position is that of his front; his rear is on the other side of it when he faces right
    (`BowserGfxHandler`).
    """
    left = thing.x - 16 * (ram[0x0046 + thing.slot] & 1)
    return [(left + x, thing.y + y) for y in (8, 24) for x in (8, 24)]


def warp_worlds(ram: Ram) -> tuple[int, ...]:
    """Worlds written above the pipes of the warp zone on the screen, from left to right; empty without one.

    The game's WarpZoneControl is 4, 5 or 6 once its words are on the screen, which scrolls no more then. It is 1 just
    before, when Mario has run over the top and only a bug would make the pipes lead anywhere.
    """
    return {4: (4, 3, 2), 5: (5,), 6: (8, 7, 6)}.get(ram[0x06D6], ()) if in_scene(ram) else ()


def shots(ram: Ram) -> list[Thing]:
    """Mario's fireballs, and the hammers thrown at him."""
    found: list[Thing] = []
    for slot in range(2):
        state = ram[0x0024 + slot]
        if 0 < state < 0x80:  # bit 7: it bursts
            x, y = ram[0x0074 + slot] << 8 | ram[0x008D + slot], ram[0x00D5 + slot]
            vx, vy = _signed(ram[0x005E + slot]), _signed(ram[0x00A6 + slot])
            found.append(Thing("fireball", x, y, vx, vy, _box(ram[0x04A0 + slot], x, y), False, slot, state))
    for slot in range(9):
        state = ram[0x002A + slot]
        if state & 0x80:  # else a coin jumping out of a block
            x, y = ram[0x007A + slot] << 8 | ram[0x0093 + slot], ram[0x00DB + slot]
            vx, vy = _signed(ram[0x0064 + slot]), _signed(ram[0x00AC + slot])
            found.append(Thing("hammer", x, y, vx, vy, _box(ram[0x04A2 + slot], x, y), True, slot, state))
    return found


def on_screen(ram: Ram, thing: Thing) -> bool:
    """Whether any of a 16 pixel wide thing shows in the picture."""
    left = scroll(ram)
    return left - 15 <= thing.x < left + 256 and thing.box.bottom > 0 and thing.y < 240


def tile(ram: Ram, column: int, row: int) -> Tile:
    """The tile at a level column (x // 16) and row (0 to 12; row r has its top at y = 32 + 16 r).

    The game keeps 32 columns, from about a screen behind to a few columns ahead of the picture. A row above or below
    the window is empty.
    """
    if not 0 <= row < ROWS:
        return Tile.EMPTY
    column %= COLUMNS_IN_BUFFER
    return tile_of(ram[0x0500 + (column >> 4) * 0xD0 + row * 16 + (column & 15)])


def visible_columns(ram: Ram) -> range:
    """Level columns of which at least 8 of 16 pixels show in the picture: always 16 of them."""
    first = (scroll(ram) + 8) // 16
    return range(first, first + 16)


def visible_tiles(ram: Ram) -> list[list[Tile]]:
    """13 rows of the 16 visible columns, as tile kinds."""
    columns = visible_columns(ram)
    return [[tile(ram, column, row) for column in columns] for row in range(ROWS)]
