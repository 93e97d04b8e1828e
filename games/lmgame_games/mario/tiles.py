"""Kinds of tiles: what the game's metatile numbers look like to a player.

Source: the metatile tables and `ChkForNonSolids` of the commented disassembly ("SMBDIS.ASM", doppelganger). Scenery,
water and lava are not in the game's tile window, so they come out empty; hidden blocks do too, because the picture
doesn't show them.
"""

from enum import Enum

ROWS = 13
"""Rows of the tile window; row 0 has its top at y = 32, row 12 is the last of the picture."""
COLUMNS_IN_BUFFER = 32
"""Columns the game keeps in RAM: two pages of 16."""


class Tile(Enum):
    """What a tile is; the value is the character of the text view."""

    EMPTY = "."
    GROUND = "#"
    """Ground, stairs, ledges, bridges, clouds to walk on: solid, can't be broken."""
    BRICK = "B"
    QUESTION = "?"
    USED = "U"
    """A block that has given what it had."""
    PIPE = "P"
    CANNON = "C"
    SPRING = "S"
    COIN = "o"
    FLAGPOLE = "F"
    VINE = "V"
    AXE = "A"

    @property
    def solid(self) -> bool:
        """Whether Mario can stand on it and is stopped by it."""
        return self not in _PASSABLE


_PASSABLE = frozenset({Tile.EMPTY, Tile.COIN, Tile.FLAGPOLE, Tile.VINE, Tile.AXE})


def _kinds() -> tuple[Tile, ...]:
    """The kind of each of the 256 metatile numbers."""
    kinds = [Tile.EMPTY] * 256
    runs: tuple[tuple[int, int, Tile], ...] = (
        (0x10, 0x15, Tile.PIPE),
        (0x16, 0x1B, Tile.GROUND),  # ledges of trees and mushrooms
        (0x1C, 0x21, Tile.PIPE),  # sideways
        (0x22, 0x22, Tile.GROUND),  # sea plant
        (0x24, 0x25, Tile.FLAGPOLE),
        (0x26, 0x26, Tile.VINE),
        (0x51, 0x53, Tile.BRICK),
        (0x54, 0x54, Tile.GROUND),
        (0x55, 0x5E, Tile.BRICK),  # 0x5F and 0x60 are the hidden blocks
        (0x61, 0x63, Tile.GROUND),  # stair block, white wall, bridge
        (0x64, 0x66, Tile.CANNON),
        (0x67, 0x68, Tile.SPRING),
        (0x69, 0x69, Tile.GROUND),  # rock under water
        (0x6B, 0x6C, Tile.PIPE),
        (0x88, 0x89, Tile.GROUND),  # cloud, Bowser's bridge
        (0xC0, 0xC1, Tile.QUESTION),
        (0xC2, 0xC3, Tile.COIN),
        (0xC4, 0xC4, Tile.USED),
        (0xC5, 0xC5, Tile.AXE),
    )
    for first, last, kind in runs:
        kinds[first : last + 1] = [kind] * (last - first + 1)
    # 0x23 stands for a block while it is being bumped: it is there, though its tile isn't drawn.
    kinds[0x23] = Tile.USED
    return tuple(kinds)


_KINDS = _kinds()


def tile_of(metatile: int) -> Tile:
    """The kind of a metatile number, 0 to 255."""
    return _KINDS[metatile]
