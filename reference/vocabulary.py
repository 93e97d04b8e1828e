"""The tokens that pico reads and writes.

Any text can be written in the 256 byte tokens. What pico is asked and what it answers is written in whole words: the
game's name, the opening of an answer, and a move together with what follows it, so that an answer takes a token or two
a move.
"""

from lmgame_games.mario.buttons import NAMES as BUTTONS
from lmgame_games.tetris.guideline import MOVES as TETRIS_MOVES

PAD, EOS, FAKE, GLOBAL, IMAGE = (
    "<pad>",
    "<end_of_utterance>",
    "<fake_token_around_image>",
    "<global-img>",
    "<image>",
)
SPECIAL = (PAD, EOS, FAKE, GLOBAL, IMAGE)
"""Special tokens, by the names that Idefics3's processor knows; their ids are 0 to 4."""

TETRIS, MARIO = "tetris\n", "mario\n"
"""What stands between the picture and the answer."""
OPENING, SEPARATOR, CLOSING = '{"moves": ["', '", "', '"]}'
LONGEST_HOLD = 60
"""Frames, by the card of Super Mario Bros."""

_HELD = [f"{frames}{end}" for frames in range(1, LONGEST_HOLD + 1) for end in (SEPARATOR, CLOSING)]
WORDS = (
    TETRIS,
    MARIO,
    OPENING,
    *(move + end for move in TETRIS_MOVES for end in (SEPARATOR, CLOSING)),
    *(f"{combination}:" for combination in BUTTONS),
    *_HELD,
)
"""Words that are one token each; their ids follow the bytes'."""

FIRST_WORD = len(SPECIAL) + 256
SIZE = FIRST_WORD + len(WORDS)

_IDS = {token: index for index, token in enumerate(SPECIAL)} | {
    word: index for index, word in enumerate(WORDS, FIRST_WORD)
}


def token_id(token: str) -> int:
    """The id of a special token or a word. Raises KeyError for anything else."""
    return _IDS[token]
