"""What a model is told about Tetris, by preset."""

from lmgame_common import UnknownNameError
from lmgame_games.baselines import load
from lmgame_games.core import Card, Control, Move
from lmgame_games.tetris.guideline import MOVE_FRAMES
from lmgame_games.tetris.lmgame_bench import MAX_MOVES

_VIEW = """\
Text view: @ your piece, # locked cells, {ghost}. empty; columns 0-9 from the left, rows 0-19 from the top, negative \
above it."""

_STANDARD = f"""\
Tetris on a board of 10 columns and 20 rows. A full row is cleared and everything above comes down. The game ends when \
a new piece has no room, or a piece locks wholly above the board.
An answer is a list of 1 to 32 moves for the piece in play, played in order. hard_drop places the piece, so end the \
list with it. If the piece locks earlier, the rest of the list is dropped; if it hasn't locked, you are asked again \
for the same piece. A move that is blocked does nothing.
A move takes 4 frames of 1/60 s, and the piece falls a row every 60 frames at level 1, sooner at each level, every 4 \
frames at level 10. The level rises every 10 rows cleared. A piece at rest locks after 30 frames; moving or turning it \
restarts them; the 15th move or turn at rest locks it at once.
A piece appears unturned in columns 3-5 (I 3-6, O 4-5). Turned once clockwise there, it takes columns 4-5 (I 5), once \
counter-clockwise 3-4 (I 4), twice 3-5 (I 3-6). Turning follows SRS, with wall kicks.
Points, times the level: 1, 2, 3, 4 rows at once 100, 300, 500, 800; T-spin 400, with 1, 2, 3 rows 800, 1200, 1600; \
mini T-spin 100, with 1, 2 rows 200, 400; half more for four rows or a T-spin clear if the last clear was such a one \
too; for any clear also 50 times the number of pieces in a row that cleared just before. Whatever the level, 1 a row \
of soft_drop, 2 a row of hard_drop.
{_VIEW.format(ghost="+ where hard_drop would put the piece, ")}"""

_BENCH = f"""\
Tetris on a board of 10 columns and 20 rows. A full row is cleared and everything above comes down. The game ends when \
a new piece has no room, and after {MAX_MOVES} moves.
An answer is a list of 1 to 10 moves, played in order. After each move but hard_drop the piece falls one row; if it \
can't, it locks and the next piece appears at the top. hard_drop drops and locks it at once. Moves left over when a \
piece locks are played on the next piece. A move that is blocked does nothing, except that a blocked soft_drop locks \
the piece.
A piece appears unturned in columns 4-6 (I 3-6, O 4-5). Turned once clockwise there, it takes columns 5-6 (I 5), once \
counter-clockwise 4-5 (I 4), twice 4-6 (I 3-6). There are no wall kicks.
Points: 1 for each piece placed and 10 for each row cleared.
{_VIEW.format(ghost="")}"""

_LEFT = Control("left", "one column to the left", ("move_left", "l"))
_RIGHT = Control("right", "one column to the right", ("move_right", "r"))
_SOFT = ("down", "move_down", "softdrop", "soft drop")
_HARD = Control("hard_drop", "drop the piece as far as it goes and lock it", ("drop", "harddrop", "hard drop", "space"))
_NO_OP = Control("no_op", "nothing; time passes", ("noop", "no_operation", "none", "wait", "nothing"))
_CW = ("rotate", "rotate_clockwise", "clockwise", "cw", "rotate_cw", "rotate_right")
_CCW = ("rotate_counterclockwise", "rotate_counter_clockwise", "counterclockwise", "ccw", "rotate_ccw", "rotate_left")


def _control(name: str, does: str, synonyms: tuple[str, ...]) -> Control:
    return Control(name, does, tuple(synonym for synonym in synonyms if synonym != name))


def _standard() -> Card:
    return Card(
        game="tetris",
        preset="standard",
        env_id="lmgame/Tetris-v1",
        version=1,
        title="Tetris",
        rules=_STANDARD,
        controls=(
            _LEFT,
            _RIGHT,
            _control("rotate_cw", "a quarter turn clockwise", _CW),
            _control("rotate_ccw", "a quarter turn counter-clockwise", _CCW),
            Control("soft_drop", "one row down", _SOFT),
            _HARD,
            Control("hold", "swap the piece with the held one (or the next), once a piece", ("swap",)),
            _NO_OP,
        ),
        max_moves=32,
        answers=(
            '{"moves": ["left", "left", "rotate_cw", "hard_drop"]}',
            '{"moves": ["hold", "right", "right", "hard_drop"]}',
            '{"moves": ["hard_drop"]}',
        ),
        idle=Move("no_op"),
        fps=60,
        move_frames=f"{MOVE_FRAMES} frames a move; a piece that locks in the middle of one ends it",
        tap_frames=MOVE_FRAMES,
        score="points by the Tetris guideline (perfect clears bring nothing extra)",
        illegal="a move that is not in the list of moves, or more than 32 moves",
        seed="the order of the pieces",
        notes=(
            "Four frames a move is 15 presses a second, a quick human's pace. The longest walk, from the middle to a "
            "wall with a half turn, takes 7 moves: half a row of fall at level 1, 7 rows at level 10 (3.8 frames a "
            "row), which a player who keeps the stack low always has. Above level 10 a piece would be on the floor "
            "before it could be walked there at this pace, so levels stop at 10 and skill, not speed, decides. 32 "
            "moves are enough for every reachable place, soft drops all the way down included. 2,000 decisions are "
            "2,000 pieces for a player that ends each answer with hard_drop; one that never does is asked again and "
            "again for the same piece and gets as far as gravity takes it in that many decisions. Five next pieces "
            "and the ghost are what most guideline games show. Hidden rows: 20."
        ),
        max_decisions=2000,
        baselines=load("tetris").get("standard", {}),
    )


def _bench() -> Card:
    return Card(
        game="tetris",
        preset="lmgame-bench-2025",
        env_id="lmgame/Tetris-v1",
        version=1,
        title="Tetris (Lmgame-Bench 2025)",
        rules=_BENCH,
        controls=(
            _NO_OP,
            _LEFT,
            _RIGHT,
            _control("rotate_left", "a quarter turn counter-clockwise", _CCW),
            _control("rotate_right", "a quarter turn clockwise", _CW),
            Control("soft_drop", "one row down, before gravity moves it another", _SOFT),
            _HARD,
        ),
        max_moves=10,
        answers=(
            '{"moves": ["left", "left", "rotate_right", "hard_drop"]}',
            '{"moves": ["right", "right", "hard_drop"]}',
            '{"moves": ["hard_drop"]}',
        ),
        idle=Move("no_op"),
        fps=4,
        move_frames="1 frame, in which the piece falls one row",
        score="pieces placed + 10 x rows cleared",
        illegal="a move that is not in the list of moves, or more than 10 moves",
        seed="the order of the pieces",
        notes=(
            "The rules of Lmgame-Bench as its code has them (September 2025), for comparison with its published "
            "scores: leftover moves are played on the next piece, and an answer has at most 10 moves because its "
            "prompt allows an action to last 1 to 10 frames. That game has no clock; a row a frame at 4 frames a "
            "second is ours, for the real-time clock and for replays, and rows that fall while the model thinks count "
            f"toward the {MAX_MOVES} moves."
        ),
        max_decisions=MAX_MOVES,
        baselines=load("tetris").get("lmgame-bench-2025", {}),
    )


_CARDS = {"standard": _standard, "lmgame-bench-2025": _bench}


def card(preset: str) -> Card:
    """The card of a preset. Raises UnknownNameError."""
    if preset not in _CARDS:
        raise UnknownNameError("preset of tetris", preset, _CARDS)
    return _CARDS[preset]()
