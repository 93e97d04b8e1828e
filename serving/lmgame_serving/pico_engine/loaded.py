"""All parts of a model's folder, loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from lmgame_common import EndpointError, LmgameError
from lmgame_serving.pico_engine.model import Pico
from lmgame_serving.pico_engine.picture import Sight
from lmgame_serving.pico_engine.text import IMAGE, Text


class Written(NamedTuple):
    """An answer, by the likeliest token each time."""

    text: str
    tokens: int
    """How many it took, its end included."""
    lead: float
    """The least lead of one of them over the next best, in logits."""


@dataclass(frozen=True)
class Loaded:
    """What it takes to answer about a picture."""

    model: Pico
    sight: Sight
    text: Text

    @classmethod
    def of(cls, folder: Path, threads: int) -> "Loaded":
        """Load a folder; `threads` share the work of one matrix product.

        Raises:
            EndpointError: If a file is missing or isn't the one that was shipped, or the engine can't run it.
        """
        try:
            return cls(Pico(folder, threads), Sight(folder), Text(folder))
        except LmgameError:
            raise
        except Exception as error:  # a changed file can be wrong in any way, and ONNX Runtime has errors of its own
            what = f"{type(error).__name__}: {error}"
            raise EndpointError(f"pico can't be loaded from {folder} ({what}). Reinstall lmgame.") from error

    def answer(self, game: str, picture: Image.Image) -> Written:
        """The greedy answer to an RGB picture, without a server and a conversation in between.

        Args:
            game: `tetris` or `mario`, which is all that the chat template leaves of a conversation.
            picture: The frame.
        """
        answer = self.model.read(self.text.prompt(f"{IMAGE}{game}\n"), self.sight.pixels(picture))
        decoder, text, lead, count = self.text.decoder(), "", float("inf"), 0
        while count < self.model.usual_limit:
            count += 1
            second, first = np.partition(answer.logits, -2)[-2:]
            lead = min(lead, float(first - second))
            token = int(answer.logits.argmax())
            if token == self.model.end:
                break
            text += decoder.feed(token)
            answer.go_on(token)
        return Written(text + decoder.finish(), count, lead)
