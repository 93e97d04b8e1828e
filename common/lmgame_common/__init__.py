"""What every room shares: the exception tree. Imports nothing of lmgame."""

from lmgame_common.errors import (
    EndpointError,
    GameError,
    InterruptedRunError,
    LmgameError,
    MissingDependencyError,
    RecordError,
    UnknownNameError,
    UsageError,
)

__all__ = [
    "EndpointError",
    "GameError",
    "InterruptedRunError",
    "LmgameError",
    "MissingDependencyError",
    "RecordError",
    "UnknownNameError",
    "UsageError",
]
