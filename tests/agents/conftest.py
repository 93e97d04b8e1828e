"""Cards that the tests of this room play with: a game of plain moves, and one whose controls are held."""

from collections.abc import Mapping

import pytest

from lmgame_games import Card, Control, Move

PLAIN = Card(
    game="blocks",
    preset="standard",
    env_id="test/Blocks-v1",
    version=1,
    title="Blocks",
    rules="Stack the blocks.",
    controls=(
        Control("left", "one column to the left", ("move_left", "l")),
        Control("right", "one column to the right", ("move_right", "r")),
        Control("rotate_cw", "a quarter turn clockwise", ("rotate", "rotate_right", "cw", "clockwise", "up")),
        Control("rotate_ccw", "a quarter turn counter-clockwise", ("rotate_left", "ccw")),
        Control("soft_drop", "one row down", ("down",)),
        Control("hard_drop", "drop and lock", ("drop", "space")),
        Control("no_op", "nothing", ("noop", "wait", "nothing")),
    ),
    max_moves=10,
    answers=('{"moves": ["left", "left", "rotate_cw", "hard_drop"]}', '{"moves": ["hard_drop"]}'),
    idle=Move("no_op"),
    fps=60,
    move_frames="4 frames",
    score="points",
    illegal="a move that is not on the list, an empty list, or more than 10 moves",
    seed="the order of the pieces",
    max_decisions=100,
)

HELD = Card(
    game="runner",
    preset="standard",
    env_id="test/Runner-v1",
    version=1,
    title="Runner",
    rules="Run to the right.",
    controls=(
        Control("noop", "nothing is held", ("wait", "none", "no_op")),
        Control("right", "walk right", ("walk_right",)),
        Control("right+a", "jump right", ("jump_right",)),
        Control("right+b", "run right", ("run",)),
        Control("right+a+b", "jump right at a run", ("run_jump_right",)),
        Control("left", "walk left", ("walk_left",)),
        Control("left+a", "jump left", ("jump_left",)),
        Control("a", "jump", ("jump",)),
        Control("down", "crouch", ("crouch", "duck")),
    ),
    hold=(1, 60),
    default_hold=12,
    max_moves=6,
    answers=('{"moves": ["right+b:30", "right+a+b:24"]}', '{"moves": ["noop:20", "right+a:28"]}'),
    idle=Move("noop", 30),
    fps=60,
    move_frames="as many as it says",
    score="distance",
    illegal="a combination that is not on the list, or a duration outside 1 to 60",
    seed="the start",
    max_decisions=100,
)


@pytest.fixture(scope="session")
def plain() -> Card:
    """A card of moves without a duration, at most 10 an answer."""
    return PLAIN


@pytest.fixture(scope="session")
def held() -> Card:
    """A card of button combinations held for 1 to 60 frames, 12 by default, at most 6 an answer."""
    return HELD


@pytest.fixture(scope="session")
def cards() -> Mapping[str, Card]:
    """Both cards, as the corpus of answers names them."""
    return {"plain": PLAIN, "held": HELD}
