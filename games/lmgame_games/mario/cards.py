"""The cards of Super Mario Bros' presets."""

from functools import cache

from lmgame_common import UnknownNameError
from lmgame_games.baselines import load
from lmgame_games.core import Card, Control, Move

ALL_STAGES = tuple(f"{world}-{stage}" for world in range(1, 9) for stage in range(1, 5))
"""Every stage of the game."""

STAGES = ("1-1", "1-2", "1-3", "1-4", "2-1", "3-1", "3-2", "4-1", "5-1")
"""Where `standard` starts: overworld by day and night, underground, tree tops and a castle, rising in difficulty. Left
out: water (2-2, 7-2), where the controls mean something else, and mazes (4-4, 7-4, 8-4), where the distance run says
little about the way found.
"""

IDLE_FRAMES = 120
"""Seeds let 0 to this many frames, less one, pass before the first decision."""

CONTROLS = (
    Control("noop", "nothing is held", ("wait", "none", "idle", "nothing", "no_op")),
    Control("right", "walk right", ("walk_right", "move_right")),
    Control("right+a", "jump right", ("right_a", "a+right", "right+jump", "jump_right")),
    Control("right+b", "run right", ("right_b", "b+right", "right+run", "run_right", "run")),
    Control("right+a+b", "jump right at a run", ("right_a_b", "right+b+a", "right_b_a", "a+b+right", "run_jump_right")),
    Control("left", "walk left", ("walk_left", "move_left")),
    Control("left+a", "jump left", ("left_a", "a+left", "left+jump", "jump_left")),
    Control("left+b", "run left", ("left_b", "b+left", "left+run", "run_left")),
    Control("left+a+b", "jump left at a run", ("left_a_b", "left+b+a", "left_b_a", "a+b+left", "run_jump_left")),
    Control("a", "jump straight up, swim up", ("jump",)),
    Control("b", "throw a fireball if Mario is fiery", ("fire", "fireball")),
    Control("down", "crouch, enter a pipe Mario stands on, climb down", ("crouch", "duck")),
    Control("up", "climb up", ("climb",)),
)

_GOAL = """\
Super Mario Bros. Take Mario as far to the right as you can. A flagpole, or the axe at a castle's end, completes the \
stage and the next one begins. Falling out of the picture, lava, running into an enemy or running out of time costs a \
life; a big Mario only shrinks when hit. Landing on an enemy from above beats it, but not a spiny, piranha plant, \
podoboo, fire bar or bowser."""

_TIME = """\
The game has 60 frames a second. A move holds buttons for a number of frames: \
right+b:30 holds right and b for 30 frames. {chain}Mario jumps when a is pressed anew while he stands: after a move \
with a, play one without a before the next jump. The longer a is held (up to 28 frames) the higher he jumps: up to 4 \
tiles, 5 at a run. A full jump lasts about 43 frames; at a run 60, and then spans 11 tiles. A tile is 16 pixels."""

_VIEW = """\
The text view shows the picture as 16 columns of 13 rows of tiles, column 0 at its left edge (the heading has last \
digits) and row 0 at its top: M Mario, E enemy or other danger, # ground or stone, B brick, ? question block, U used \
block, P pipe, C cannon, S spring, = moving platform, o coin, * power-up or helper, F flagpole, V vine, A axe, \
. nothing, which at the bottom is a pit or lava. Below are the things that move, with their distance to the right of \
Mario in pixels; columns and rows beyond the grid lie outside of the picture. Speeds are in pixels a frame, to the \
right and down. x is Mario's in the picture, in pixels."""

_CHAIN = "The moves of one answer follow each other without a gap; a button that two of them share stays held. "

_SCORE = (
    "The pixels that Mario gets to the right of where a stage began, added up over the stages. Ground covered counts "
    "once, also after a death; bonus rooms count nothing, but where they lead to does."
)
_ILLEGAL = "A combination that is not on the list, a duration outside 1 to 60{many}."


def card(preset: str) -> Card:
    """The card of a preset. Raises UnknownNameError."""
    presets = {"standard": _standard, "lmgame-bench-2025": _bench}
    if preset not in presets:
        raise UnknownNameError("preset of mario", preset, presets)
    return presets[preset]()


@cache
def _standard() -> Card:
    return Card(
        game="mario",
        preset="standard",
        env_id="lmgame/SuperMarioBros-v1",
        version=1,
        title="Super Mario Bros",
        rules="\n\n".join((_GOAL + " Score: " + _SCORE[0].lower() + _SCORE[1:], _TIME.format(chain=_CHAIN), _VIEW)),
        controls=CONTROLS,
        hold=(1, 60),
        default_hold=12,
        max_moves=8,
        answers=(
            '{"moves": ["right+b:30", "right+a+b:24"]}',
            '{"moves": ["left:10", "noop:20", "right+a:28"]}',
        ),
        idle=Move("noop", 30),
        fps=60.0,
        move_frames="as many as it says, 1 to 60; before and after them, those in which the game ignores the buttons",
        score=_SCORE,
        illegal=_ILLEGAL.format(many=", or more than 8 moves"),
        seed=(
            f"The start stage, in turn out of {', '.join(STAGES)}, and 0 to {IDLE_FRAMES - 1} idle frames before the "
            "first decision, which shift everything that moves. The game itself has no randomness."
        ),
        notes=(
            "One life, because the ground that a second one covers first counts nothing: three seeds with one life say "
            "more than one seed with three, for the same number of decisions. 8 moves of up to a second in one answer "
            "let a model look as far ahead as the picture shows. 300 decisions of a second each are twice the longest "
            "clock of a stage, or nine stages at a run. A missing duration means 12 frames, a fifth of a "
            "second. Stages: overworld, underground, tree tops and a castle; no water, where the controls mean "
            "something else, and no maze, where distance says little. The cartridge of gym-super-mario-bros is the "
            "European one, whose Mario is a fifth faster than elsewhere."
        ),
        max_decisions=300,
        options={"stage": None, "lives": 1, "varied": True, "score": "distance", "frames_before_move": 0},
        baselines=load("mario").get("standard", {}),
    )


@cache
def _bench() -> Card:
    goal = _GOAL + " You have three lives. Score: the furthest that the picture scrolled, in pixels."
    return Card(
        game="mario",
        preset="lmgame-bench-2025",
        env_id="lmgame/SuperMarioBros-v1",
        version=1,
        title="Super Mario Bros",
        rules="\n\n".join((goal, _TIME.format(chain="One answer is one move; 1 to 30 frames are usual. "))),
        controls=CONTROLS,
        hold=(1, 60),
        default_hold=1,
        max_moves=1,
        answers=('{"moves": ["right+b:30"]}', '{"moves": ["right+a:24"]}'),
        idle=Move("noop", 1),
        fps=60.0,
        move_frames=(
            "one idle, then as many as it says, 1 to 60; before and after them, those in which the game ignores the "
            "buttons"
        ),
        score=(
            "The furthest scroll position of the episode, in pixels, counted as Lmgame-Bench does (255 for each page "
            "of 256); what lies no further than that in a later stage adds nothing."
        ),
        illegal=_ILLEGAL.format(many=", or more than one move"),
        seed="Nothing: every game starts alike. Intervals cover the model's sampling only.",
        notes=(
            "The rules of Lmgame-Bench (2025): frames to look at, three lives from 1-1, one move an answer, one idle "
            "frame before each move, at most 3,000 decisions. Unlike there, no decision is asked while the game "
            "ignores the buttons, and the packaged cartridge is the European one, whose Mario is a fifth faster; for "
            "scores that stand beside published ones give the American or Japanese cartridge as `rom`."
        ),
        max_decisions=3000,
        observation="image",
        options={"stage": "1-1", "lives": 3, "varied": False, "score": "scroll", "frames_before_move": 1},
        baselines=load("mario").get("lmgame-bench-2025", {}),
    )
