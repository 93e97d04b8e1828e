"""The teacher of Super Mario Bros: from standstill to standstill, one answer at a time.

A single frame shows where everything is, but not how fast Mario moves. So an answer takes him from rest to rest: a
run-up, a jump, some steering, and a wait until he stands still. What the next answer depends on is then all in the
picture. The teacher tries every such answer in the scripted player's model of the game and says how good each one is.
"""

from dataclasses import dataclass

import numpy as np

from lmgame_games.mario.buttons import COMBINATIONS
from lmgame_games.mario.player_physics import DEAD, GOAL, ON_GROUND, Body, advance, game_order, read_body
from lmgame_games.mario.player_world import World
from lmgame_games.mario.ram import Ram

Answer = tuple[tuple[str, int], ...]
"""Moves as (button combination, frames)."""

RUNS = (0, 4, 8, 12, 16, 20, 25, 30, 36, 44)
"""Frames of run-up."""
JUMPS = (0, 4, 8, 12, 16, 20, 24, 28)
"""Frames for which a jump's button is held; 0 is no jump."""
TAILS = (
    ("noop", 0),
    ("left+b", 6),
    ("left+b", 12),
    ("left+b", 18),
    ("left+b", 24),
    ("right+b", 8),
    ("right+b", 16),
    ("right+b", 24),
)
"""What is held after the jump, or to brake after the run."""
NEIGHBOURS = ((0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (0, 5), (5, 6), (6, 7))
"""Pairs of tails that differ little."""
REST, LONGEST_REST = 12, 60
"""The wait at an answer's end is a multiple of the first many frames, up to the second."""
OTHERS: tuple[Answer, ...] = (
    (("noop", 12),),
    (("noop", 24),),
    (("noop", 48),),
    (("left+b", 8), ("noop", 24)),
    (("left+b", 16), ("noop", 36)),
    (("left+b", 24), ("noop", 48)),
    (("a", 12), ("noop", 36)),
    (("a", 28), ("noop", 36)),
    (("left+a+b", 12), ("noop", 48)),
    (("left+a+b", 24), ("noop", 60)),
    (("left+b", 12), ("left+a+b", 12), ("noop", 48)),
)
"""Answers that give way instead of going on."""

DEATH, ARRIVAL = -150.0, 150.0
"""What losing a life and what completing the stage is worth, in pixels."""
PRICE = 0.25
"""Pixels that a frame is worth."""
UNREST = 40.0
"""What it costs to end an answer moving or in the air."""
WATCH = 30
"""Frames for which Mario must be able to stand where an answer ends."""
STUCK, PATIENCE = 25.0, 0.9
"""Where no answer gains as much, two in a row are tried; what the second one's gain counts."""
MARGIN = 20
"""Pixels left of the picture's right edge beyond which no answer may end, because nobody sees what is there."""

_PADS = {name: game_order(byte) for name, byte in COMBINATIONS.items()}


@dataclass(frozen=True, slots=True)
class Judgement:
    """All answers that were tried."""

    answers: list[Answer]
    ends: list[Body]
    values: np.ndarray
    """(answers,) float32, in pixels."""


def resting(body: Body) -> bool:
    """Whether Mario stands still."""
    return body.state == ON_GROUND and abs(body.vx) < 0x200


def judge(ram: Ram) -> Judgement:
    """Try every answer from here, and two in a row where none gets on.

    Takes 60 ms of one core, up to a second in the second case.
    """
    ram = bytes(ram)
    world, start = World(ram), read_body(ram)
    found = _judge(world, start)
    if found.values.max() < STUCK:
        values = found.values
        for number in _worth_following(found):
            later = _judge(world, found.ends[number]).values.max()
            values[number] = max(values[number], values[number] + PATIENCE * later - 1.0)
    return found


def _judge(world: World, start: Body) -> Judgement:
    answers: list[Answer] = []
    ends: list[Body] = []
    shape = len(RUNS), len(JUMPS), len(TAILS)
    own = np.full(shape, DEATH, np.float32)
    index = np.full(shape, -1)
    run, run_frames = start, 0
    for r, frames in enumerate(RUNS):
        run, run_frames = advance(world, run, _PADS["right+b"], frames - run_frames), frames
        jump, jump_frames = run, 0
        for j, held in enumerate(JUMPS):
            if held:
                jump, jump_frames = advance(world, jump, _PADS["right+a+b"], held - jump_frames), held
            if not frames and not held:
                continue
            for k, (name, steer) in enumerate(TAILS):
                if not held and name == "right+b":
                    continue
                end, rest = _settle(world, advance(world, jump, _PADS[name], steer))
                own[r, j, k] = value(world, start, end)
                index[r, j, k] = len(answers)
                moves = ("right+b", frames), ("right+a+b", held), (name, steer), ("noop", rest)
                answers.append(_tidy(moves))
                ends.append(end)
    tried = index >= 0
    values = np.zeros(len(answers), np.float32)
    values[index[tried]] = _blurred(own, tried)[tried]
    extra = []
    for moves in OTHERS:
        body = start
        for name, frames in moves:
            body = advance(world, body, _PADS[name], frames)
        answers.append(moves)
        ends.append(body)
        extra.append(value(world, start, body))
    return Judgement(answers, ends, np.concatenate([values, np.array(extra, np.float32)]))


def _worth_following(found: Judgement) -> list[int]:
    """The answers that give way, and the best ones that end in different places."""
    chosen = [n for n in range(len(found.answers) - len(OTHERS), len(found.answers)) if found.values[n] > DEATH / 2]
    places: set[tuple[int, int]] = set()
    for number in np.argsort(-found.values):
        end = found.ends[number]
        place = end.px >> 4, end.py >> 4
        if found.values[number] > DEATH / 2 and place not in places:
            places.add(place)
            chosen.append(int(number))
        if len(places) == 8:
            break
    return chosen


def value(world: World, start: Body, end: Body) -> float:
    """How good it is to get from the one to the other, in pixels."""
    if end.status == DEAD:
        return DEATH
    gain = min(end.px, world.edge + 256 - MARGIN) - start.px - PRICE * (end.t - start.t)
    if end.status == GOAL:
        return gain + ARRIVAL
    if end.px > world.edge + 256 - MARGIN:
        gain -= UNREST
    if not resting(end):
        gain -= UNREST
    later = advance(world, end, 0, WATCH)
    if later.status == DEAD or later.state != ON_GROUND:
        return DEATH
    return gain


def _settle(world: World, body: Body) -> tuple[Body, int]:
    """Hold nothing until Mario stands still; returns where he does, and the frames."""
    waited = 0
    while waited < LONGEST_REST and not body.status and (not waited or not resting(body)):
        body = advance(world, body, 0, REST)
        waited += REST
    return body, waited


def _tidy(moves: Answer) -> Answer:
    """Without moves of no frames, and with equal neighbours joined."""
    kept: list[tuple[str, int]] = []
    for name, frames in moves:
        if kept and kept[-1][0] == name:
            frames += kept.pop()[1]
        if frames:
            kept.append((name, min(frames, 60)))
    return tuple(kept)


def _blurred(own: np.ndarray, tried: np.ndarray) -> np.ndarray:
    """Each answer's value, averaged with those of answers that differ from it a little.

    What works only to the frame fails as soon as the model is off by a pixel or the pupil by a step.
    """
    total, count = own * 2.0, np.full(own.shape, 2.0)
    for axis in (0, 1):
        for ahead in (False, True):
            to, of = (slice(1, None), slice(None, -1)) if ahead else (slice(None, -1), slice(1, None))
            put = tuple(to if a == axis else slice(None) for a in range(3))
            take = tuple(of if a == axis else slice(None) for a in range(3))
            total[put] += np.where(tried[take], own[take], 0.0)
            count[put] += tried[take]
    for one, other in NEIGHBOURS:
        for put, take in ((one, other), (other, one)):
            total[:, :, put] += np.where(tried[:, :, take], own[:, :, take], 0.0)
            count[:, :, put] += tried[:, :, take]
    return np.minimum(own, total / count)
