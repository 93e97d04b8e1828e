"""A forward model of Mario's own motion: walking, running, jumping and bumping into tiles.

Written from the published disassembly of the game (routines `PlayerPhysicsSub`, `ImposeFriction`, `JumpSwimSub`,
`ImposeGravity` and `PlayerBGCollision`) with the tables of the European cartridge, which is the one that
gym-super-mario-bros ships: made for 50 frames a second, its speeds are about a fifth higher than elsewhere. Positions
are in 1/256 pixel, horizontal speed in 1/4096 pixel a frame and vertical speed in 1/256 pixel a frame, as in the game.
Left out: swimming, climbing, coins (they let Mario through for one frame) and bricks that break.
"""

from typing import NamedTuple

from lmgame_games.mario.player_objects import ticked
from lmgame_games.mario.player_world import World
from lmgame_games.mario.ram import Ram, mario, scroll

RIGHT, LEFT, DOWN, UP, B, A = 0x01, 0x02, 0x04, 0x08, 0x40, 0x80
"""Buttons, in the order in which the game keeps them."""

ON_GROUND, JUMPING, FALLING = 0, 1, 2

ALIVE, DEAD, GOAL = 0, 1, 2
"""What became of a predicted Mario; GOAL: he holds the flagpole, has the axe or is in the exit pipe."""

_PIT = 0xCF  # below this the game looks for no more floor
_MAX_FALL = 0x500
_BOUNCE = -0x400
_FRICTION = (0x1C0, 0x100, 0x180)
_RUN, _WALK = 0x30, 0x1C
_FLAGPOLE = (0x24, 0x25)
_AXE = 0xC5
_EXIT_PIPES = (0x6C, 0x1F)
_SPRINGS, _LAUNCH, _PRESSED = (0x67, 0x68), 12, 32
# By speed at take-off (least speed in 1/16 pixel a frame): first speed, gravity while A is held, gravity otherwise.
_JUMPS = ((0x1D, -0x600, 0x38, 0xD0), (0x12, -0x4CC, 0x2D, 0x90), (0x00, -0x4CC, 0x30, 0xA8))


class Body(NamedTuple):
    """Mario at the end of a frame."""

    t: int
    """Frames since the decision."""
    x: int
    """Left edge of the sprite, in 1/256 pixel from the start of the area."""
    y: int
    """Top edge of a big Mario's sprite, in 1/256 pixel from the top of the screen."""
    vx: int
    vy: int
    state: int
    pad: int
    """The buttons that the game has read already and acts on in the next frame."""
    facing: int
    moving: int
    run_timer: int
    """Frames for which letting go of B doesn't yet end a run."""
    run_speed: bool
    """Whether the last stride on the ground was at running speed."""
    gravity: int
    fall_gravity: int
    jump_y: int
    """Where the last jump began, in pixels."""
    held_a: bool
    """Whether A was down in the last frame; a jump needs a fresh press."""
    free: int
    """The directions not blocked by a wall."""
    edge: int
    """Left edge of the screen, in pixels; Mario can't go back past it."""
    gone: int
    """Bit mask of the enemies he has stomped."""
    status: int
    spring: int
    """Frames since he landed on a spring that now holds him; -1 otherwise. 32 more once he has pressed A on it."""

    @property
    def px(self) -> int:
        """Horizontal position in pixels."""
        return self.x >> 8

    @property
    def py(self) -> int:
        """Vertical position in pixels."""
        return self.y >> 8


def game_order(byte: int) -> int:
    """A controller byte with its bits as the game keeps them; the emulator's order is the reverse."""
    return int(f"{byte:08b}"[::-1], 2)


def read_body(ram: Ram) -> Body:
    """Mario as he is now."""
    player = mario(ram)
    return Body(
        t=0,
        x=player.x << 8 | ram[0x0400],
        y=player.y << 8 | ram[0x0416],
        vx=player.vx << 8 | ram[0x0705],
        vy=player.vy << 8 | ram[0x0433],
        state=ram[0x1D],
        pad=ram[0x06FC],
        facing=ram[0x33],
        moving=ram[0x45],
        run_timer=ram[0x0783] + ticked(ram),
        run_speed=bool(ram[0x0703]),
        gravity=ram[0x0709],
        fall_gravity=ram[0x070A],
        jump_y=ram[0x0708],
        held_a=bool(ram[0x0D] & A),
        free=ram[0x0490] & 3,
        edge=scroll(ram),
        gone=0,
        status=ALIVE,
        spring=_spring(ram),
    )


def _spring(ram: Ram) -> int:
    phase, timer = ram[0x070E], ram[0x0786]
    if not phase:
        return -1
    return max(0, 4 * phase - 1 - timer) + _PRESSED * (ram[0x06DB] == 0xF2)


def advance(world: World, body: Body, buttons: int, frames: int, *, till_landing: bool = False) -> Body:
    """Predict `frames` frames with these buttons held.

    Stops early at the frame in which Mario dies or arrives, and, with `till_landing`, in which he gets to stand.
    """
    (t, x, y, vx, vy, state, pad, facing, moving, run_timer, run_speed, gravity, fall_gravity, jump_y, held_a, free,
     edge, gone, status, spring) = body  # fmt: skip
    tiles, small = world.tiles, world.small
    solid_from, climb_from = (0x10, 0x61, 0x88, 0xC4), (0x24, 0x6D, 0x8A, 0xC6)
    head, high_side, low_side = (0x12, 0x18, 0x18) if small else (0x02, 0x08, 0x18)
    box_left, box_top, box_right = (3, 20, 13) if small else (2, 8, 14)
    for _ in range(frames):
        if status or (till_landing and state == ON_GROUND):
            break
        t += 1
        if run_timer:
            run_timer -= 1
        if spring >= 0:
            spring += 1
            if spring & 31 > 3 and pad & A and not held_a:
                spring |= _PRESSED
            held_a, pad = bool(pad & A), buttons
            y += 0x200 if spring & 31 < 8 else -0x200
            if spring & 31 == _LAUNCH:
                vy, spring = -0xE00 if spring & _PRESSED else -0x800, -1
            continue
        py = y >> 8
        sides, a = pad & 3, bool(pad & A)
        if pad & DOWN and state == ON_GROUND:
            sides = 0
        speed = abs(vx >> 8)

        if a and not held_a and state == ON_GROUND:
            state, y, jump_y = JUMPING, y & ~0xFF, py
            for least, vy, gravity, fall_gravity in _JUMPS:  # noqa: B007 (the first that fits stays)
                if speed >= least:
                    break

        running = False
        friction = 0
        if state != ON_GROUND and speed >= 0x1D:
            running = True
        elif state == ON_GROUND and sides == moving and (pad & B or run_timer):
            running = True
            if pad & B:
                run_timer = 10
        else:
            friction = 2 if run_speed or speed >= 0x27 else 1
        top = _RUN if running else _WALK
        push = _FRICTION[friction] << (facing != moving)

        if state == ON_GROUND:
            if speed >= 0x20:
                run_speed = True
            elif pad & 0x7F:
                if sides == moving:
                    run_speed = False
                elif speed < 0x0D:
                    moving, vx = facing, 0
            if sides:
                facing = sides
        elif state == FALLING or vy >= 0 or (not (a and held_a) and jump_y - py >= 1):
            gravity = fall_gravity

        if state == ON_GROUND or sides:
            wish = sides & free
            if wish & RIGHT or (not wish and vx < 0):
                vx += push
                if vx >> 8 >= top:
                    vx = top << 8 | vx & 0xFF
            elif wish or vx >> 8 > 0:
                vx -= push
                if vx >> 8 < -top:
                    vx = -top * 256 | vx & 0xFF
        x += (vx >> 8) * 16
        if state != ON_GROUND:
            y += vy
            vy += gravity
            if vy >= _MAX_FALL and vy & 0x80:
                vy = _MAX_FALL
        held_a, pad = a, buttons
        if vx >> 8:
            moving = RIGHT if vx > 0 else LEFT

        px, py = x >> 8, y >> 8
        if px < edge:
            px, x = edge, edge << 8 | x & 0xFF
            vx = 0 if sides & LEFT or vx < 0 else vx
        elif px - edge > 0x70:
            edge = px - 0x70

        # The game compares Mario with lifts and enemies where he would be without tiles.
        box_x, box_y = px, py
        # Tiles: head, feet, then sides, in the game's order.
        if state == ON_GROUND:
            state = FALLING
        if 0 <= py < _PIT:
            free = 3
            left = ((px + 3) >> 4 & 31) << 4
            right = ((px + 12) >> 4 & 31) << 4
            if vy < 0 and py & 15 >= 4 and py >= (0x10 if small else 0x20):
                tile = tiles[((px + 8) >> 4 & 31) << 4 | (py + head - 0x20 >> 4 & 15)]
                if tile and tile not in (0xC2, 0xC3):
                    vy = 0x100 | vy & 0xFF if tile >= solid_from[tile >> 6] else vy & 0xFF
            row = py >> 4
            tile = tiles[left | row] or tiles[right | row]
            blocked = False
            if tile and vy >= 0 and tile not in (0x5F, 0x60, 0xC2, 0xC3) and tile < climb_from[tile >> 6]:
                if tile == _AXE:
                    status = GOAL
                elif py & 15 < 6:
                    y = (py & 0xF0) << 8 | y & 0xFF
                    py, vy, state = py & 0xF0, 0, ON_GROUND
                    if tile in _SPRINGS:
                        spring = 0
                        y += 0x200
                else:
                    blocked = True
                    x, vx, free = _impede(x, vx, free, moving)
            if not blocked:
                for side, reach in ((LEFT, 2), (RIGHT, 13)):
                    column = ((px + reach) >> 4 & 31) << 4
                    tile = tiles[column | (py + high_side - 0x20 >> 4 & 15)] if py >= 0x20 else 0
                    if not tile or tile in (0x1C, 0x6B) or (tile >= climb_from[tile >> 6] and tile not in _FLAGPOLE):
                        tile = tiles[column | (py + low_side - 0x20 >> 4 & 15)] if py >= 8 else 0
                    if not tile:
                        continue
                    if tile in _FLAGPOLE or (tile in _EXIT_PIPES and state == ON_GROUND and facing == RIGHT):
                        status = GOAL
                    elif tile not in (0x5F, 0x60, 0xC2, 0xC3) and tile < climb_from[tile >> 6]:
                        x, vx, free = _impede(x, vx, free, side)
                    break
        elif py >= _PIT:
            status = DEAD

        # Lifts and enemies.
        lifts, enemies = world.at(t)
        px, py, bottom = box_x, box_y, box_y + 32
        for lift_left, lift_top, lift_right, lift_bottom, dx in lifts:
            if px + box_left > lift_right or px + box_right < lift_left:
                continue
            if py + box_top > lift_bottom or bottom < lift_top:
                continue
            if vy < 0 and lift_bottom - py - box_top < 4:
                vy = 0x100 | vy & 0xFF
            if vy >= 0 and bottom - lift_top < 6:
                y = (lift_top - 32) << 8 | y & 0xFF
                x += dx << 8
                py, vy, state, bottom = lift_top - 32, 0, ON_GROUND, lift_top
            elif px + box_right - lift_left < 8:
                x, vx, free = _impede(x, vx, free, RIGHT)
            elif lift_right - px - box_left < 9:
                x, vx, free = _impede(x, vx, free, LEFT)
        if enemies and t > world.safe_for:
            for left, top, right, under, bit in enemies:
                if (
                    px + box_left <= right
                    and px + box_right >= left
                    and py + box_top <= under
                    and bottom >= top
                    and not gone & bit
                ):
                    if not bit:
                        status = DEAD
                    elif not (world.parity + t) & 1:
                        if vy < 0x100:
                            status = DEAD
                        else:
                            gone |= bit
                            vy = _BOUNCE | vy & 0xFF
    return Body(
        t, x, y, vx, vy, state, pad, facing, moving, run_timer, run_speed, gravity, fall_gravity, jump_y, held_a, free,
        edge, gone, status, spring,
    )  # fmt: skip


def _impede(x: int, vx: int, free: int, side: int) -> tuple[int, int, int]:
    """Stop Mario at a wall on that side and push him one pixel off it, unless he already moves away."""
    if side == RIGHT and vx >> 8 >= 0:
        x, vx = x - 256, vx & 0xFF
    elif side == LEFT and vx >> 8 < 1:
        x, vx = x + 256, vx & 0xFF
    return x, vx, free & ~side
