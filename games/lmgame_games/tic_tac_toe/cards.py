"""What a model is told about Tic-tac-toe."""

from lmgame_common import UnknownNameError
from lmgame_games.baselines import load
from lmgame_games.core import Card, Control, Move

COLUMNS, ROWS = ("a", "b", "c"), ("1", "2", "3")
OPENING = 2
"""Stones that a seed puts."""

_RULES = """\
Tic-tac-toe on a grid of 3 columns, a to c from the left, and 3 rows, 1 to 3 from the top. X and O take turns to take \
a free cell. Three own signs in a line, across, down or slanting, win. A full grid without a line is a draw. One sign \
of each player stands already; X is to move.
An answer is one cell, such as b2 for the middle.
Text view: X and O are taken cells, . free ones."""

_PLACES = {"a1": "top left", "b1": "top", "c1": "top right", "a2": "left", "b2": "middle", "c2": "right"}
_PLACES |= {"a3": "bottom left", "b3": "bottom", "c3": "bottom right"}
_MORE = {
    "b1": ("top middle", "top center", "top centre"),
    "a2": ("middle left", "center left", "centre left"),
    "b2": ("center", "centre", "middle middle"),
    "c2": ("middle right", "center right", "centre right"),
    "b3": ("bottom middle", "bottom center", "bottom centre"),
}


def _standard() -> Card:
    cells = [f"{column}{row}" for row in ROWS for column in COLUMNS]
    return Card(
        game="tic-tac-toe",
        preset="standard",
        env_id="lmgame/TicTacToe-v1",
        version=1,
        title="Tic-tac-toe",
        rules=_RULES,
        controls=tuple(
            Control(cell, f"take the cell {_PLACES[cell]}", (_PLACES[cell], cell[::-1], *_MORE.get(cell, ())))
            for cell in cells
        ),
        max_moves=1,
        answers=('{"moves": ["b2"]}', '{"moves": ["a3"]}'),
        idle=Move("b2"),
        fps=1,
        move_frames="none: no time passes but in replays, where a move takes a second",
        score="1 for a win, 0.5 for a draw, 0 for a loss",
        illegal="a cell that is taken, or anything that is not one cell",
        seed="the opening: one sign of each player, in one of 72 ways; both seats are played on each seed",
        notes=(
            "Without an opening two players without chance of their own would play one and the same game again and "
            "again. From some of the openings perfect play wins, for one seat or the other; each pair plays both "
            "seats. The decisions suffice for a full grid with two unusable answers before every move, so that faults "
            "bring nobody a draw."
        ),
        max_decisions=15,
        baselines=load("tic-tac-toe").get("standard", {}),
        seats=2,
        timed=False,
        forfeit_after=3,
    )


_CARDS = {"standard": _standard}


def card(preset: str) -> Card:
    """The card of a preset. Raises UnknownNameError."""
    if preset not in _CARDS:
        raise UnknownNameError("preset of tic-tac-toe", preset, _CARDS)
    return _CARDS[preset]()
