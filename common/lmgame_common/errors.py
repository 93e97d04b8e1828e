"""The one exception tree of lmgame.

Every message says what was wrong, what was expected and what to do. The command line prints the message alone and
leaves with the class's `exit_code`.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class LmgameError(Exception):
    """Base of everything lmgame raises on purpose."""

    exit_code = 2


class UsageError(LmgameError):
    """Raised when a request makes no sense: a bad option, a bad value, two options that exclude each other."""


class UnknownNameError(UsageError):
    """Raised when a game, preset, model, stage or other name is not known."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        close = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        listing = f" Known: {', '.join(known)}." if known else ""
        super().__init__(f"Unknown {kind} {name!r}.{hint}{listing}")
        self.kind, self.name, self.known = kind, name, known


class MissingDependencyError(LmgameError):
    """Raised when an optional package is needed and not installed; the message has the exact install command."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the extra `lmgame[{extra}]`, which is not installed. Run: uv pip install 'lmgame[{extra}]'"
        )


class GameError(LmgameError):
    """Raised when a game can't be made or is used out of order."""


class RecordError(LmgameError):
    """Raised when a run folder or an episode record can't be read or written."""


class StoreError(LmgameError):
    """Raised when the results store can't be opened, read or written."""


class EndpointError(LmgameError):
    """Raised when a model's endpoint can't be reached or used as asked."""

    exit_code = 3


class InterruptedRunError(LmgameError):
    """Raised when a person stops a run; everything so far is on disk."""

    exit_code = 130
