"""The scripted player of Super Mario Bros: reads the screen from RAM, predicts, and searches over its own next moves.

At each decision it runs a best-first search over sequences of moves in its own model of the game (`player_physics`,
`player_objects`): the plan that gets to the right edge of the screen, or to the stage's exit, in the fewest frames and
without being hurt. It plays the beginning of that plan and then looks again. The emulator's own states are never used
to look ahead.
"""

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from lmgame_games.core import Move
from lmgame_games.mario.buttons import COMBINATIONS
from lmgame_games.mario.player_physics import DEAD, GOAL, LEFT, ON_GROUND, B, Body, advance, game_order, read_body
from lmgame_games.mario.player_world import World
from lmgame_games.mario.ram import Phase, phase

if TYPE_CHECKING:
    from lmgame_games.mario.env import SuperMarioBrosEnv

TEST_STAGES = ("1-2", "1-3", "1-4", "2-1", "3-1", "3-2", "4-1", "5-1")
"""Stages besides 1-1 that the player is held to, named before it was first run on any of them."""

_SCREEN, _MARGIN = 256, 24
"""Width of the screen, and how close to its edge a plan may end, in pixels."""
_ROOF = 16
"""Who stands higher than this, in pixels from the top of the screen, stands on the ceiling."""
_BRAKES, _WATCH = 3, 30
"""What braking takes off the speed, in 1/16 pixel a frame; frames for which a place to go to must stay safe."""
_TOP_SPEED = 3.0
"""Pixels a frame of a running Mario."""
_COMMIT = 8
"""A decision plays the plan's first moves until they last this many frames."""


class _Effort(NamedTuple):
    """How a search goes about it."""

    budget: int
    """Most moves tried."""
    greed: float
    """Weight of the distance left; above 1 the search ends sooner and its plans may be a little slower."""
    rounding: tuple[int, int, int, int]
    """By how many bits positions, speeds across, speeds down and time are rounded to tell whether two plans have led to
    the same place."""


_FINE = _Effort(1200, 1.3, (3, 11, 9, 4))
_COARSE = _Effort(5000, 0.8, (4, 12, 10, 12))
"""For when the fine one finds no way: looks further, and sees no use in waiting."""
_GROUND_MOVES = (
    ("right+b", 8), ("right+a+b", 3), ("right+a+b", 9), ("right+a+b", 18), ("right+a+b", 30), ("right", 8),
    ("noop", 8), ("left+b", 8), ("a", 24), ("left+a+b", 20),
)  # fmt: skip
_AIR_MOVES = (("right+b", 8), ("right+a+b", 8), ("right+a+b", 16), ("noop", 8), ("left+b", 8))
_WAIT = [Move("noop", 8)]


_PADS = {name: game_order(byte) for name, byte in COMBINATIONS.items()}


class MarioPlayer:
    """Plays well by its own reading of the state."""

    def __init__(self, env: "SuperMarioBrosEnv") -> None:
        """Play this environment, an unwrapped `SuperMarioBrosEnv`."""
        self._env = env

    def act(self) -> list[Move]:
        """The next moves. Waits while the game doesn't listen."""
        ram = bytes(self._env.memory)
        if phase(ram) is not Phase.PLAY:
            return list(_WAIT)
        world, body = World(ram), read_body(ram)
        idle = self._env.card.options["frames_before_move"]
        end, plan = _search(world, body, idle, _FINE)
        if not _arrived(end, world.edge):
            other_end, other = _search(world, body, idle, _COARSE)
            if _value(world, other_end) > _value(world, end):
                plan = other
        # Where a move is parted from the next one, a jump cut in two would be two hops.
        return (plan[:1] if idle else _beginning(plan, _COMMIT)) or list(_WAIT)


def _search(world: World, start: Body, idle: int, effort: _Effort) -> tuple[Body, list[Move]]:
    """The best plan: the quickest to the screen's edge, else the one that gets closest, else the longest life.

    `idle` frames without input come before each move. Returns where the plan ends, and the plan.
    """
    place, across, down, time = effort.rounding
    target = world.edge + _SCREEN - _MARGIN
    # A node: the body, its parent's number, and the move that led here.
    nodes: list[tuple[Body, int, Move | None]] = [(start, -1, None)]
    queue = [(0.0, 0)]
    seen: set[tuple[int, ...]] = set()
    best, best_value = 0, (-1, 0.0)
    while queue and len(nodes) < effort.budget:
        _, number = heappop(queue)
        body = nodes[number][0]
        if _arrived(body, world.edge):
            return body, _path(nodes, number)
        for name, frames in _moves(body):
            after = advance(world, body, 0, idle) if idle else body
            after = advance(world, after, _PADS[name], frames, till_landing=after.state != ON_GROUND)
            nodes.append((after, number, Move(name, max(1, after.t - body.t - idle))))
            child = len(nodes) - 1
            on_the_roof = world.roofed and after.state == ON_GROUND and after.py < _ROOF
            if not on_the_roof and (value := _value(world, after)) > best_value:
                best, best_value = child, value
            if on_the_roof or after.status == DEAD:
                continue
            key = (
                after.px >> place, after.py >> place, after.vx >> across, after.vy >> down, after.state,
                after.t >> time, after.spring,
            )  # fmt: skip
            if key not in seen:
                seen.add(key)
                heappush(queue, (_estimate(after, target, effort.greed), child))
    return nodes[best][0], _path(nodes, best)


def _beginning(plan: list[Move], frames: int) -> list[Move]:
    """The plan's first frames."""
    beginning = []
    for name, held in ((move.name, move.frames or 0) for move in plan):
        # A few frames more are played rather than left over: the next decision may not find the same jump again.
        beginning.append(Move(name, held if held <= frames + 4 else frames))
        frames -= held
        if frames <= 0:
            break
    return beginning


def _arrived(body: Body, edge: int) -> bool:
    """Whether a plan may end here: the exit, or firm ground near the screen's right edge or past it."""
    return body.status == GOAL or (body.state == ON_GROUND and body.px >= edge + _SCREEN - _MARGIN)


def _moves(body: Body) -> tuple[tuple[str, int], ...]:
    return _GROUND_MOVES if body.state == ON_GROUND else _AIR_MOVES


def _estimate(body: Body, target: int, greed: float) -> float:
    """Frames till the target if nothing were in the way."""
    if body.status == GOAL:
        return body.t
    return body.t + greed * max(0, target - body.px) / _TOP_SPEED


def _value(world: World, body: Body) -> tuple[int, float]:
    """How good an end of a plan is: arrived, a safe place to stand, alive, or dead."""
    if body.status == DEAD:
        return 0, body.t
    if _arrived(body, world.edge):
        return 3, -body.t
    if body.state == ON_GROUND and _can_stay(world, body):
        return 2, body.px - body.t / 4
    return 1, body.t


def _can_stay(world: World, body: Body) -> bool:
    """Whether Mario can brake here and then stand for a while."""
    braking = max(0, body.vx >> 8) // _BRAKES
    after = advance(world, advance(world, body, LEFT | B, braking), 0, _WATCH - braking)
    return after.state == ON_GROUND and after.status != DEAD


def _path(nodes: list[tuple[Body, int, Move | None]], number: int) -> list[Move]:
    def backwards() -> Iterator[Move]:
        here = number
        while (move := nodes[here][2]) is not None:
            yield move
            here = nodes[here][1]

    return list(backwards())[::-1]
