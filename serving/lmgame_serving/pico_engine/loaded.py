"""All parts of a model's folder, loaded."""

from dataclasses import dataclass
from pathlib import Path

from lmgame_common import EndpointError, LmgameError
from lmgame_serving.pico_engine.model import Pico
from lmgame_serving.pico_engine.picture import Sight
from lmgame_serving.pico_engine.text import Text


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
