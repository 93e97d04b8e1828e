"""What every room shares: the exception tree, untrusted words, the way to a server. Imports nothing of lmgame."""

from lmgame_common.errors import (
    EndpointError,
    GameError,
    InterruptedRunError,
    LmgameError,
    MissingDependencyError,
    RecordError,
    StoreError,
    UnknownNameError,
    UsageError,
)
from lmgame_common.network import explained_proxies, is_loopback
from lmgame_common.untrusted import printable, quoted

__all__ = [
    "EndpointError",
    "GameError",
    "InterruptedRunError",
    "LmgameError",
    "MissingDependencyError",
    "RecordError",
    "StoreError",
    "UnknownNameError",
    "UsageError",
    "explained_proxies",
    "is_loopback",
    "printable",
    "quoted",
]
