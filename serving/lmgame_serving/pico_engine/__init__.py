"""The engine in this process for `pico`, the small vision-language model that comes with lmgame.

Only `server` is for the rest of the room, which imports it late: ONNX Runtime and an HTTP server take a third of a
second to load.
"""

from importlib.resources import files
from pathlib import Path

FOLDER = Path(str(files("lmgame_serving") / "pico"))
"""Where the model is, in the installed package."""
