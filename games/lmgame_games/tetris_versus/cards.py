"""What a model is told about Tetris Versus."""

from dataclasses import replace

from lmgame_common import UnknownNameError
from lmgame_games.baselines import load
from lmgame_games.core import Card
from lmgame_games.tetris.cards import card as single
from lmgame_games.tetris.scoring import Spin
from lmgame_games.tetris_versus.engine import PIECES_A_LEVEL
from lmgame_games.tetris_versus.garbage import BACK_TO_BACK, COMBO, LINES, MOST_A_LOCK, PERFECT_CLEAR

PIECE_LIMIT = 250
"""Pieces placed by either seat at which the game ends."""

_PLAIN, _MINI, _FULL = LINES[Spin.NONE], LINES[Spin.MINI], LINES[Spin.FULL]

_RULES = f"""\
Tetris against another player. Each has a board of 10 columns and 20 rows, and both get the same pieces in the same \
order. A full row is cleared and everything above comes down. Who tops out first loses: a new piece has no room, a \
piece locks wholly above the board, or garbage pushes cells more than 20 rows above it; both in one moment is a draw. \
If it doesn't come to that, the game ends when either has placed {PIECE_LIMIT} pieces, or answers are used up; who has \
made more lines of attack by then wins. But where the game waits for answers, a player who has none left while the \
other has some loses.
Attack, in lines of garbage: 1, 2, 3, 4 rows at once {", ".join(map(str, _PLAIN[1:]))}; T-spin with 1, 2, 3 rows \
{", ".join(map(str, _FULL[1:]))}; mini T-spin with 1, 2 rows {", ".join(map(str, _MINI[1:]))}; {BACK_TO_BACK} more for \
four rows or a T-spin clear if the last clear was such a one too; {PERFECT_CLEAR} more for leaving the board empty; \
{", ".join(map(str, COMBO[1:]))} more for a clear if the 1, 2, 3, ... {len(COMBO) - 1} or more pieces just before it \
cleared rows, too. An attack first cancels garbage that is pending on your own side; the rest is sent.
Garbage sent to you is pending until you lock a piece that clears nothing. Then up to {MOST_A_LOCK} lines come in from \
below and push your board up. The lines of one attack have their hole in the same column.
An answer is a list of 1 to 32 moves for the piece in play, played in order while the other player's are played on the \
other board. hard_drop places the piece, so end the list with it. If the piece locks earlier, the rest of the list is \
dropped; if it hasn't locked, you are asked again for the same piece. Where the game waits for answers, both place one \
piece before anybody is asked for the next. A move that is blocked does nothing.
A move takes 4 frames of 1/60 s, and the piece falls a row every 60 frames at level 1, sooner at each level, every 4 \
frames at level 10. The level rises every {PIECES_A_LEVEL} pieces. A piece at rest locks after 30 frames; moving or \
turning it restarts them; the 15th move or turn at rest locks it at once.
A piece appears unturned in columns 3-5 (I 3-6, O 4-5). Turned once clockwise there, it takes columns 4-5 (I 5), once \
counter-clockwise 3-4 (I 4), twice 3-5 (I 3-6). Turning follows SRS, with wall kicks.
Text view: @ your piece, # locked cells, x garbage, + where hard_drop would put the piece, . empty; columns 0-9 from \
the left, rows 0-19 from the top, negative above it. The other player's board is shown without the piece in play, and \
without the empty rows above its locked cells."""


def _standard() -> Card:
    return replace(
        single("standard"),
        game="tetris-versus",
        env_id="lmgame/TetrisVersus-v1",
        version=1,
        title="Tetris Versus",
        rules=_RULES,
        score="1 for a win, 0.5 for a draw, 0 for a loss",
        seed="the order of the pieces and the columns of the holes in garbage, the same for both seats",
        notes=(
            "Moves, time and pieces are those of tetris/standard. Attacks are exchanged after the moves that are "
            "played at once, so that no seat is first. The level rises by pieces and not by lines, because clearing "
            f"lines, which wins, must not speed the own game up; it reaches 10 shortly before the {PIECE_LIMIT}th "
            "piece, so that games end. The other player's next pieces aren't shown: they would tell a player who is "
            "behind more than the own ones do. Under the paused clock both place one piece a round: were boards to run "
            "by answers alone, a player that never drops a piece would outlive everybody who plays. Under the "
            "real-time clock the quicker one places more."
        ),
        max_decisions=600,
        baselines=load("tetris-versus").get("standard", {}),
        seats=2,
        simultaneous=True,
        rounds=True,
        timed=True,
        forfeit_after=10,
    )


_CARDS = {"standard": _standard}


def card(preset: str) -> Card:
    """The card of a preset. Raises UnknownNameError."""
    if preset not in _CARDS:
        raise UnknownNameError("preset of tetris-versus", preset, _CARDS)
    return _CARDS[preset]()
