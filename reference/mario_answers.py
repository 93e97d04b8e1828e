"""Answers of Super Mario Bros between the channel's form and pico's tokens."""

from collections.abc import Sequence

import numpy as np

from lmgame_games.mario.buttons import NAMES
from reference.mario_channel import MOST_MOVES
from reference.vocabulary import CLOSING, EOS, LONGEST_HOLD, OPENING, PAD, SEPARATOR, token_id

LENGTH = 2 + 2 * MOST_MOVES
"""Tokens of the longest answer, its end included."""

_OPENING, _PAD, _EOS = token_id(OPENING), token_id(PAD), token_id(EOS)
_BUTTON = [token_id(f"{name}:") for name in NAMES]
_FRAMES = [[0, 0], *([token_id(f"{n}{end}") for end in (SEPARATOR, CLOSING)] for n in range(1, LONGEST_HOLD + 1))]
_BUTTON_OF = {token: number for number, token in enumerate(_BUTTON)}
_FRAMES_OF = {token: (n, end) for n, pair in enumerate(_FRAMES) if n for end, token in enumerate(pair)}


def tokens(code: np.ndarray) -> np.ndarray:
    """(..., LENGTH) token ids of answers (..., MOST_MOVES, 2) as a channel has them."""
    button, frames = np.array(_BUTTON)[code[..., 0]], code[..., 1]
    count = (frames > 0).sum(-1, keepdims=True)
    last = np.arange(MOST_MOVES) == count - 1
    held = np.array(_FRAMES)[frames, last.astype(int)]
    out = np.full((*code.shape[:-2], LENGTH), _PAD, np.int64)
    out[..., 0] = _OPENING
    within = np.arange(MOST_MOVES) < count
    out[..., 1:-1:2], out[..., 2:-1:2] = np.where(within, button, _PAD), np.where(within, held, _PAD)
    np.put_along_axis(out, 1 + 2 * count, _EOS, -1)
    return out


def code(written: Sequence[int]) -> np.ndarray:
    """The answer that tokens behind an opening spell, as a channel has it; all zeros if they spell none."""
    out = np.zeros((MOST_MOVES, 2), np.uint8)
    for row in range(MOST_MOVES):
        button, frames = [*written[2 * row : 2 * row + 2], -1, -1][:2]
        if button not in _BUTTON_OF or frames not in _FRAMES_OF:
            return np.zeros_like(out)
        number, closing = _FRAMES_OF[frames]
        out[row] = _BUTTON_OF[button], number
        if closing:
            return out
    return np.zeros_like(out)
