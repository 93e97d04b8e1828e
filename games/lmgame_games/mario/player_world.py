"""What the scripted player of Super Mario Bros sees at one decision: tiles on the screen and things that move.

Only what is on the screen is read: tiles right of its edge count as unknown although RAM has some of them.
"""

from lmgame_games.mario.player_objects import Box, Lift, Scene, movers, predict, ticked
from lmgame_games.mario.ram import Ram, mario, scroll

_FLOOR_ROW, _ROWS = 11, 13
_SCREEN = 256


class World:
    """The surroundings of Mario at one decision, and where the moving ones will be.

    Attributes:
        tiles: 512 metatiles; the one in column c (16 pixels wide, counted from the start of the area) and row r (from
            the top, the status bar's two rows left out) is `tiles[(c & 31) << 4 | r]`. 0 is empty. Columns right of
            the screen are taken to have floor where the last one on it has.
        edge: Left edge of the screen, in pixels from the start of the area.
        small: Whether Mario is small or crouching.
        parity: The lowest bit of the last frame's number; enemies and Mario touch in even frames only.
        roofed: Whether a ceiling closes the stage, with nothing worth running to above it.
        safe_for: Frames for which nothing hurts Mario.
    """

    def __init__(self, ram: Ram) -> None:
        """Read 2,048 bytes of RAM."""
        self.edge = scroll(ram)
        self.small = bool(ram[0x0754]) or bool(ram[0x0714])
        frame = ram[0x09] - ticked(ram)
        self.parity = frame & 1
        # These timers count down once in 21 frames.
        self.safe_for = 21 * (max(ram[0x079E], ram[0x079F]) - 1)
        self.roofed = ram[0x074E] == 2
        self.tiles = _tiles(ram, self.edge)
        scene = Scene(self.tiles, frame, mario(ram).x)
        self._paths = [predict(mover, scene) for mover in movers(ram)]
        self._frames: list[tuple[list[Lift], list[Box]]] = []

    def at(self, t: int) -> tuple[list[Lift], list[Box]]:
        """The lifts and the dangers as predicted `t` ≥ 1 frames after the decision."""
        while len(self._frames) < t:
            lifts: list[Lift] = []
            boxes: list[Box] = []
            for path in self._paths:
                item = next(path)
                if isinstance(item, Lift):
                    lifts.append(item)
                elif item is not None:
                    boxes.append(item)
            self._frames.append((lifts, boxes))
        return self._frames[t - 1]


def _tiles(ram: Ram, edge: int) -> list[int]:
    tiles = [0] * 512
    first, last = edge >> 4, edge + _SCREEN - 1 >> 4
    for column in range(first - 4, last + 1):
        here, start = (column & 31) << 4, (0x05D0 if column & 16 else 0x0500) + (column & 15)
        tiles[here : here + _ROWS] = [int(ram[start + (row << 4)]) for row in range(_ROWS)]
    floor = tiles[(last & 31) << 4 | _FLOOR_ROW : ((last & 31) << 4) + _ROWS]
    for column in range(last + 1, first + 28):
        here = (column & 31) << 4
        tiles[here + _FLOOR_ROW : here + _ROWS] = floor
    return tiles
