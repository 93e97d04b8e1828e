"""Whether Super Mario Bros can run on this machine."""

import sys
from importlib.util import find_spec

from lmgame_common import GameError, MissingDependencyError


def check() -> None:
    """Raise the error that says what to do if the game can't run here.

    Raises:
        GameError: On a Python older than 3.13.
        MissingDependencyError: If the emulator or the cartridge's package is not installed.
    """
    if sys.version_info < (3, 13):
        running = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise GameError(
            "Super Mario Bros needs Python 3.13, because its emulator package nes-py does; "
            f"you run {running}. Use: uv run --python 3.13 lmgame play --game mario"
        )
    if find_spec("nes_py") is None or find_spec("gym_super_mario_bros") is None:
        raise MissingDependencyError("Super Mario Bros", "mario")
