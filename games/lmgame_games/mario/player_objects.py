"""Where enemies, lifts and projectiles of Super Mario Bros will be in the next frames, as the scripted player guesses.

Speeds and counters are the game's own, read from RAM; the rules by which they change are from the published
disassembly (`MoveNormalEnemy`, `MovePiranhaPlant`, `MoveWithXMCntrs` and their kin). What the game rolls dice for
(hammers, Bowser, Lakitu) is taken to go on as it does now.
"""

from collections.abc import Iterator
from itertools import chain, repeat
from math import cos, pi, sin
from typing import NamedTuple

from lmgame_games.mario.ram import PLATFORMS, Ram, objects, on_screen, shots


class Mover(NamedTuple):
    """One moving object as RAM has it. Positions in pixels with a fraction, speeds in pixels a frame."""

    kind: int
    """The game's own number, or `HAMMER` for things thrown at Mario."""
    state: int
    x: float
    y: float
    vx: float
    vy: float
    box: tuple[int, int, int, int]
    """Left, top, right and bottom of its hit box, from its position."""
    bit: int
    """Its own bit in a mask of those already stomped; 0 for what can't be stomped."""
    raw: tuple[int, ...] = ()
    """Bytes that objects of some kinds move by."""


class Box(NamedTuple):
    """What hurts Mario: left, top, right and bottom, in pixels, all inclusive."""

    left: int
    top: int
    right: int
    bottom: int
    bit: int
    """The object's own bit in a mask of those already stomped; 0 for what can't be stomped."""


class Lift(NamedTuple):
    """A platform Mario can stand on: left, top, right and bottom, in pixels."""

    left: int
    top: int
    right: int
    bottom: int
    dx: int
    """How far it moved sideways in this frame."""


def ticked(ram: Ram) -> bool:
    """Whether the game's timers and its frame counter have moved on already for the frame to come.

    The emulator's frame ends in the midst of the game's work, at times before it moves them on, at times after. The
    timer for climbing sideways tells: the game sets it to 0x18 in every frame in which Mario doesn't climb.
    """
    return ram[0x0789] == 0x17


class Scene(NamedTuple):
    """What objects need to know about the rest of the world to move."""

    tiles: list[int]
    frame: int
    """The game's frame counter in the last frame."""
    mario_x: int


type Path = Iterator[Box | Lift | None]
"""One item a frame from the first predicted frame on, without end; None while the object does nomover."""

RED_KOOPA, GOOMBA, PODOBOO, PIRANHA, HOPPER, RED_FLYER, GREEN_FLYER = 0x03, 0x06, 0x0C, 0x0D, 0x0E, 0x0F, 0x10
SPINY, FLYING_CHEEP, FLAME, LONG_FIREBAR, BOWSER, HAMMER = 0x12, 0x14, 0x15, 0x1F, 0x2D, -1
FIREBARS, LIFTS = range(0x1B, 0x20), PLATFORMS
WALKERS = frozenset((0x00, 0x01, 0x02, RED_KOOPA, 0x04, GOOMBA, SPINY))
STOMPABLE = frozenset((*range(0x07), 0x08, 0x09, HOPPER, RED_FLYER, GREEN_FLYER, 0x11, FLYING_CHEEP, 0x33))
_CARE = 2
"""Pixels by which things that can't be stomped are taken to be larger than they are."""
_FALLS = {PODOBOO: (0x1C / 256, 3.0), FLYING_CHEEP: (0x0D / 256, 5.0), HAMMER: (0x10 / 256, 4.0)}


def movers(ram: Ram) -> list[Mover]:
    """The objects on the screen that carry or hurt Mario."""
    found = []
    for thing in objects(ram):
        slot, kind = thing.slot, ram[0x16 + thing.slot]
        if not on_screen(ram, thing) or not (thing.dangerous or kind in LIFTS or kind in WALKERS):
            continue
        x = thing.x + ram[0x0401 + slot] / 256
        y = thing.y + ram[0x0417 + slot] / 256
        vx, vy = _signed(ram[0x58 + slot]) / 16, _signed(ram[0xA0 + slot]) + ram[0x0434 + slot] / 256
        box = (thing.box.left - thing.x, thing.box.top - thing.y, thing.box.right - thing.x, thing.box.bottom - thing.y)
        if kind == BOWSER:
            vx = _signed(ram[0x0365]) / 4  # his step, which he takes every fourth frame
        bit = 1 << slot if kind in STOMPABLE else 0
        raw = tuple(ram[base + slot] for base in (0x58, 0xA0, 0x0434, 0x0417, 0x0388, 0x34, 0x078A))
        raw = (*raw[:-1], raw[-1] + ticked(ram) if raw[-1] else 0)
        mover = Mover(kind, thing.state, x, y, vx, vy, box, bit, raw)
        if kind == BOWSER:  # his rear half stands lower
            found += [mover._replace(box=half) for half in ((0, 2, 16, 21), (16, 10, 32, 29))]
        elif kind in FIREBARS:
            found += [mover._replace(box=(n, 0, 8, 8)) for n in range(12 if kind == LONG_FIREBAR else 6)]
        else:
            found.append(mover)
    for shot in shots(ram):
        if shot.dangerous:
            found.append(Mover(HAMMER, 0, shot.x, shot.y, shot.vx / 16, shot.vy, (0, 0, 8, 8), 0))
    return found


def predict(mover: Mover, scene: Scene) -> Path:
    """Where the object will be when the game compares it with Mario, frame by frame."""
    kind = mover.kind
    if kind in LIFTS:
        return _lift(mover, scene)
    if kind in FIREBARS:
        return _flame(mover)
    if kind in WALKERS and not mover.state & 0x80 and mover.state & 7 in (2, 3, 4):
        return repeat(None)  # a shell at rest: who touches it kicks it away
    if kind == HAMMER:
        return _boxed(mover, _falling(mover))
    # Enemies are compared with Mario before they move.
    return chain(_boxed(mover, iter([(mover.x, mover.y)])), _boxed(mover, _route(mover, scene)))


def _route(mover: Mover, scene: Scene) -> Iterator[tuple[float, float]]:
    kind = mover.kind
    if kind in WALKERS or kind in (HOPPER, BOWSER):
        return _walker(mover, scene)
    if kind == PIRANHA:
        return _piranha(mover, scene)
    if kind in (RED_FLYER, GREEN_FLYER):
        return _floating(mover, scene)
    if kind == FLAME:
        return _falling(mover._replace(vx=-1.44, vy=0.0))
    return _falling(mover)


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def _boxed(mover: Mover, path: Iterator[tuple[float, float]]) -> Path:
    left, top, right, bottom = mover.box
    if not mover.bit:
        left, top, right, bottom = left - _CARE, top - _CARE, right + _CARE, bottom + _CARE
    for x, y in path:
        yield Box(int(x) + left, int(y) + top, int(x) + right, int(y) + bottom, mover.bit)


def _falling(mover: Mover) -> Iterator[tuple[float, float]]:
    """Goes on as it does, and falls if its kind does."""
    x, y, vy = mover.x, mover.y, mover.vy
    gravity, most = _FALLS.get(mover.kind, (0.0, 8.0))
    while True:
        x, y, vy = x + mover.vx, y + vy, min(vy + gravity, most)
        yield x, y


def _solid(tiles: list[int], x: float, y: float) -> bool:
    row = (int(y) >> 4) - 2
    if not 0 <= row < 13:
        return False
    tile = tiles[(int(x) >> 4 & 31) << 4 | row]
    return tile not in (0, 0x26, 0xC2, 0xC3, 0x5F, 0x60)


def _walker(mover: Mover, scene: Scene) -> Iterator[tuple[float, float]]:
    """Walks till a wall turns it, falls off edges (a red koopa turns there) and lands; some hop for ever."""
    hops = mover.kind == HOPPER
    x, y, vx, vy = mover.x, mover.y, mover.vx, mover.vy
    pull = 0x1F if hops else 0x12 if mover.kind == BOWSER else 0x20 if mover.state & 7 == 5 else 0x3D
    gravity, most = pull / 256, 2.0 if mover.kind == BOWSER else 4.0
    in_air = hops or mover.state & 7 in (1, 5) or not _solid(scene.tiles, x + 8, y + 24)
    turns = mover.kind == RED_KOOPA and not mover.state & 0x80
    while True:
        x += vx
        if in_air:
            y, vy = y + vy, min(vy + gravity, most)
            if vy > 0 and _solid(scene.tiles, x + 8, y + 24) and (hops or (int(y) - 8) & 15 < 5):
                y, vy, in_air = float(((int(y) - 8) & ~15) + 8), -3.0 if hops else 0.0, hops
        elif not _solid(scene.tiles, x + 8, y + 24):
            if turns:
                vx = -vx
            else:
                in_air = True
        if vx and _solid(scene.tiles, x + (16 if vx > 0 else 0), y + 20):
            vx = -vx
        yield x, y


def _piranha(mover: Mover, scene: Scene) -> Iterator[tuple[float, float]]:
    """Rises, waits, sinks, waits; stays down while Mario is close."""
    speed, moves, down, up, _, _, timer = mover.raw
    speed = _signed(speed)
    x, y = int(mover.x), int(mover.y)
    near = abs(x - scene.mario_x) < 0x21
    frame = scene.frame
    while True:
        frame += 1
        timer = max(0, timer - 1)
        if not timer and (moves or speed < 0 or not near):
            if not moves:
                speed, moves = -speed, 1
            if frame & 1:
                y += speed
                if y == (down if speed > 0 else up):
                    moves, timer = 0, 0x40
        yield x, y


def _swing(mover: Mover, scene: Scene, most: int) -> Iterator[float]:
    """Steps of an object that swings sideways: its speed rises and falls by 1/16 pixel every fourth frame."""
    speed, phase, *_ = mover.raw
    frame = scene.frame
    while True:
        frame += 1
        if frame & 3 == 0:
            if phase & 1:
                speed, phase = (speed, phase + 1) if speed == 0 else (speed - 1, phase)
            else:
                speed, phase = (speed, phase + 1) if speed == most else (speed + 1, phase)
        yield (speed if phase & 2 else -speed) / 16


def _bob(y: float, vy: float, centre: int, pull: float, most: float) -> Iterator[float]:
    """Heights of an object that swings up and down about a height."""
    while True:
        y += vy
        vy = max(-most, min(most, vy + (pull if y < centre else -pull)))
        yield y


def _floating(mover: Mover, scene: Scene) -> Iterator[tuple[float, float]]:
    x, y = mover.x, mover.y
    if mover.kind == RED_FLYER:
        for height in _bob(y, mover.vy, mover.raw[0], 3 / 256, 2):
            yield x, height
    for dx in _swing(mover, scene, 0x13):
        x += dx
        yield x, y


def _lift(mover: Mover, scene: Scene) -> Path:
    """A lift by its kind; those that hang in balance or drop under Mario's weight are taken to stay."""
    x, y = mover.x, mover.y
    _, _, width, height = mover.box
    kind = mover.kind
    if kind == 0x28:
        for dx in _swing(mover, scene, 0x0E):
            before, x = int(x), x + dx
            yield Lift(int(x), int(y), int(x) + width, int(y) + height, int(x) - before)
    elif kind == 0x25:
        for level in _bob(y, mover.vy, mover.raw[0], 5 / 256, 3):
            yield Lift(int(x), int(level), int(x) + width, int(level) + height, 0)
    vy = mover.vy if kind in (0x26, 0x27, 0x2B, 0x2C) else 0.0
    while True:
        y = (y + vy) % 256
        yield Lift(int(x), int(y), int(x) + width, int(y) + height, 0)


def _flame(mover: Mover) -> Path:
    """One flame of a turning bar, at the distance its box names; a turn has 32 steps, the first one upright."""
    low, high, _, _, speed, backwards, _ = mover.raw
    angle = high << 8 | low
    radius = 8 * mover.box[0]
    while True:
        angle += -speed if backwards else speed
        turn = (angle >> 8 & 31) * pi / 16
        x, y = int(mover.x + radius * sin(turn)), int(mover.y - radius * cos(turn))
        yield Box(x, y, x + 8, y + 8, 0)
