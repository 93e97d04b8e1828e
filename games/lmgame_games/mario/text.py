"""The text view: what the picture shows, for a player that sees no pictures."""

from lmgame_games.mario import ram
from lmgame_games.mario.ram import Mario, Motion, Phase, Ram, Thing
from lmgame_games.mario.tiles import ROWS

MARIO, FOE, HELP, LIFT = "M", "E", "*", "="
"""Characters of things that move; the others are the values of `Tile`."""

_STATES = {
    Phase.DYING: "dying",
    Phase.TRANSITION: "not under your control",
    Phase.GAME_OVER: "gone: game over",
    Phase.COMPLETED: "with the princess: game completed",
    Phase.TITLE: "not in the game",
}
_MOTIONS = {
    Motion.GROUND: "on the ground",
    Motion.JUMPING: "in the air",
    Motion.FALLING: "in the air",
    Motion.CLIMBING: "climbing",
}
_HELPFUL = frozenset({"mushroom", "fire flower", "star", "1-up mushroom", "spring", "vine", "toad"})
_SCENERY = frozenset({"flag", "castle flag"})


def view(memory: Ram, score: int, lives: int) -> str:
    """The whole text view; lines end without spaces, the text without a line break."""
    world, stage = ram.stage(memory)
    head = f"World {world}-{stage}, time {ram.time_left(memory)}, lives {lives}, score {score}"
    return "\n".join((head, *_mario_lines(memory), *_grid(memory), *_warp_lines(memory), *_thing_lines(memory)))


def visible_things(memory: Ram) -> list[Thing]:
    """What moves and shows in the picture, Mario aside, from left to right."""
    found = [thing for thing in (*ram.objects(memory), *ram.shots(memory)) if _shows(memory, thing)]
    return sorted(found, key=lambda thing: (thing.x, thing.y, thing.kind))


def _shows(memory: Ram, thing: Thing) -> bool:
    if thing.kind in _SCENERY or not ram.on_screen(memory, thing):
        return False
    # A plant at its lowest point is wholly inside its pipe (the byte is the game's PiranhaPlantDownYPos).
    return thing.kind != "piranha plant" or thing.y != memory[0x0434 + thing.slot]


def _speed(sixteenths: int) -> str:
    return f"{sixteenths / 16:.1f}"


def _cell(memory: Ram, x: int, y: int) -> tuple[int, int]:
    """Column and row, counted from the picture's first visible column and the window's first row, of a pixel."""
    return x // 16 - ram.visible_columns(memory).start, (y - 32) // 16


def _mario_cells(memory: Ram, mario: Mario) -> list[tuple[int, int]]:
    column, row = _cell(memory, mario.x + 8, mario.feet - 1)
    tall = mario.power_up is not ram.PowerUp.SMALL and not mario.crouching
    return [(column, row), (column, row - 1)] if tall else [(column, row)]


def _mario_lines(memory: Ram) -> list[str]:
    phase = ram.phase(memory)
    if phase is not Phase.PLAY:
        return [f"Mario is {_STATES[phase]}"]
    mario = ram.mario(memory)
    column, row = _mario_cells(memory, mario)[0]
    traits = [mario.power_up.name.lower(), "swimming" if mario.swimming else _MOTIONS[mario.motion]]
    traits += ["under a star" if mario.star else "unhurtable"] if mario.invincible else []
    x = mario.x - ram.scroll(memory)
    return [
        f"Mario: {', '.join(traits)}, column {column}, row {row}, x {x}, "
        f"speed right {_speed(mario.vx)}, down {mario.vy}"
    ]


def _grid(memory: Ram) -> list[str]:
    cells = [[tile.value for tile in row] for row in ram.visible_tiles(memory)]
    for thing in visible_things(memory):
        for column, row in _thing_cells(memory, thing):
            if 0 <= column < 16 and 0 <= row < ROWS:
                cells[row][column] = _sign(thing)
    for column, row in _mario_cells(memory, ram.mario(memory)):
        if 0 <= column < 16 and 0 <= row < ROWS:
            cells[row][column] = MARIO
    lines = ["   " + " ".join(str(column % 10) for column in range(16))]
    return lines + [f"{row:2} {' '.join(line)}" for row, line in enumerate(cells)]


def _sign(thing: Thing) -> str:
    if thing.kind == "platform":
        return LIFT
    return HELP if thing.kind in _HELPFUL else FOE


def _thing_cells(memory: Ram, thing: Thing) -> list[tuple[int, int]]:
    if "fire bar" in thing.kind:
        return [_cell(memory, x, y) for x, y in ram.fire_bar(memory, thing)]
    if thing.kind == "bowser":
        return [_cell(memory, x, y) for x, y in ram.bowser(memory, thing)]
    box = thing.box
    row = _cell(memory, 0, (box.top + box.bottom) // 2)[1]
    if thing.kind != "platform":
        return [(_cell(memory, (box.left + box.right) // 2, 0)[0], row)]
    first, last = (_cell(memory, x, 0)[0] for x in (box.left, box.right - 1))
    return [(column, row) for column in range(first, last + 1)]


def _warp_lines(memory: Ram) -> list[str]:
    worlds = ram.warp_worlds(memory)
    if not worlds:
        return []
    what = "Warp pipe leads to world" if len(worlds) == 1 else "Warp pipes lead to worlds"
    return [f"{what} {', '.join(map(str, worlds))}"]


def _thing_lines(memory: Ram) -> list[str]:
    mario = ram.mario(memory)
    lines: list[str] = []
    for thing in visible_things(memory):
        cells = _thing_cells(memory, thing)
        line = f"{thing.kind}: column {cells[0][0]}, row {cells[0][1]}, {thing.x - mario.x:+d} px"
        if len(cells) > 1:
            line += f", to column {cells[-1][0]}, row {cells[-1][1]}"
        if thing.vx or thing.vy:
            line += f", speed right {_speed(thing.vx)}, down {thing.vy}"
        lines.append(line)
    return lines
