"""What a model is told about Connect Four."""

from lmgame_common import UnknownNameError
from lmgame_games.baselines import load
from lmgame_games.core import Card, Control, Move

COLUMNS = ("1", "2", "3", "4", "5", "6", "7")
OPENING = 4
"""Stones that a seed puts."""

_RULES = """\
Connect Four on a grid of 7 columns, 1 to 7 from the left, and 6 rows. R and Y take turns to drop a stone into a \
column; it falls on the lowest free cell. Four own stones in a line, across, up or slanting, win. A full grid without \
such a line is a draw. Two stones of each player lie already; R is to move.
An answer is one column, such as column_4 for the middle. A full column can't be chosen.
Text view: R and Y are stones, . free cells; the lowest row stands last."""


def _standard() -> Card:
    return Card(
        game="connect4",
        preset="standard",
        env_id="lmgame/ConnectFour-v1",
        version=1,
        title="Connect Four",
        rules=_RULES,
        controls=tuple(
            Control(f"column_{column}", f"drop a stone into column {column}", (column, f"col_{column}", f"c{column}"))
            for column in COLUMNS
        ),
        max_moves=1,
        answers=('{"moves": ["column_4"]}', '{"moves": ["column_1"]}'),
        idle=Move("column_4"),
        fps=1,
        move_frames="none: no time passes but in replays, where a move takes a second",
        score="1 for a win, 0.5 for a draw, 0 for a loss",
        illegal="a column that is full, or anything that is not one column",
        seed=(
            "the opening: two stones of each player, by chance, after which nobody can win at once; both seats are "
            "played on each seed"
        ),
        notes=(
            "Without an opening two players without chance of their own would play one and the same game again and "
            "again, and the first player wins the empty board by force (Allen 1988, Allis 1988). Openings by chance "
            "with seats swapped are how chess engines are tested against each other. "
            "The decisions suffice for a full grid with two unusable answers before every move, so that faults bring "
            "nobody a draw."
        ),
        max_decisions=60,
        baselines=load("connect4").get("standard", {}),
        seats=2,
        timed=False,
        forfeit_after=3,
    )


_CARDS = {"standard": _standard}


def card(preset: str) -> Card:
    """The card of a preset. Raises UnknownNameError."""
    if preset not in _CARDS:
        raise UnknownNameError("preset of connect4", preset, _CARDS)
    return _CARDS[preset]()
