"""What a training process and its players of Super Mario Bros tell each other, through memory that they share.

There is one channel for each player, a file mapped into both. Every field has one writer. Counters rise after what they
count is complete, so that a reader never sees half of anything.
"""

from pathlib import Path
from typing import Any

import numpy as np

from lmgame_games.mario.buttons import NAMES
from reference.mario_teacher import Answer

FRAME = (240, 256, 3)
MOST_MOVES = 4
"""Moves in an answer."""
CHOICES = 16
"""Answers kept of a state."""
SLOTS = 16
"""States that wait to be read at most; a player waits when its channel is full."""
RESULTS = 512
"""Finished games that wait to be read at most."""

ANSWER = np.dtype((np.uint8, (MOST_MOVES, 2)))
"""Moves as (number of the button combination, frames), padded with zeros."""
STATE = np.dtype([("frame", np.uint8, FRAME), ("answers", ANSWER, CHOICES), ("chances", np.float32, CHOICES)])
RESULT = np.dtype(
    [("stage", "S3"), ("idle", np.int32), ("x", np.int32), ("decisions", np.int32), ("finished", np.bool_)]
)
"""A game that the model played: `x` is how far it got before its first death, in pixels from the start."""
_LAYOUT = np.dtype(
    [
        # Written by the trainer.
        ("stop", np.int64),
        ("share", np.float64),  # of the games that the model plays
        ("read", np.int64),  # states taken
        ("answered", np.int64),  # questions answered
        ("answer", ANSWER),
        ("jobs", np.int64),  # examinations given so far
        ("job_stage", "S3"),
        ("job_idle", np.int32),
        # Written by the player.
        ("written", np.int64),  # states offered
        ("asked", np.int64),  # questions put
        ("question", np.uint8, FRAME),
        ("jobs_done", np.int64),
        ("results", np.int64),  # games finished
        ("result", RESULT, RESULTS),
        ("states", STATE, SLOTS),
    ]
)


class Channel:
    """One player's channel. Fields are read and written as in a NumPy record: `channel["asked"]`."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        """Map the file; `create` makes it anew, all zeros."""
        self._record: Any = np.memmap(path, _LAYOUT, "w+" if create else "r+", shape=(1,))

    def __getitem__(self, name: str) -> Any:
        value = self._record[name][0]
        return value.item() if isinstance(value, np.generic) else value

    def __setitem__(self, name: str, value: Any) -> None:
        self._record[name][0] = value


def encode(answer: Answer) -> np.ndarray:
    """An answer as a channel has it."""
    code = np.zeros((MOST_MOVES, 2), np.uint8)
    for row, (name, frames) in enumerate(answer[:MOST_MOVES]):
        code[row] = NAMES.index(name), frames
    return code


def decode(code: np.ndarray) -> Answer:
    """The reverse; no moves at all become a short wait."""
    return tuple((NAMES[number], frames) for number, frames in code.tolist() if frames) or (("noop", 30),)
