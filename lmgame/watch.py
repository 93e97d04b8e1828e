"""What a run tells whoever watches it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from lmgame.episode import EpisodeState


class Watcher(Protocol):
    """Told of a run's progress. Calls come from the run's own event loop and must return at once; only `fetched` comes
    from another thread."""

    def note(self, text: str) -> None:
        """Something a person may want to know, such as that a model is being fetched."""

    def warn(self, text: str) -> None:
        """Something that a person should still see when all is over, such as that results could not be stored."""

    def fetched(self, what: str, done: int, total: int | None) -> None:
        """`done` of `total` bytes of a download are here."""

    def started(self, folder: Path, states: Sequence[EpisodeState]) -> None:
        """The run begins; `states` are all its episodes, and change as it goes on."""

    def changed(self, state: EpisodeState) -> None:
        """An episode has moved on."""


class Silent:
    """Watches and says nothing."""

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    def fetched(self, what: str, done: int, total: int | None) -> None: ...

    def started(self, folder: Path, states: Sequence[EpisodeState]) -> None: ...

    def changed(self, state: EpisodeState) -> None: ...
