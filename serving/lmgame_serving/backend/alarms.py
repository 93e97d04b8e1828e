"""What is wrong though engines run: told of once when it begins and once when it is over."""

from collections.abc import Callable
from datetime import UTC, datetime

from lmgame_serving.backend.state import Alarm

UNPROVEN = "unproven"
"""That KV caches arrive couldn't be shown."""
GIVEN_UP = "given_up"
"""An engine isn't started any more; others do its work."""


class Alarms:
    """The alarms of a backend.

    Args:
        tell: Told of them in words.
        changed: Called when one begins or ends.
    """

    def __init__(self, tell: Callable[[str], None], changed: Callable[[], None]) -> None:
        self._tell, self._changed = tell, changed
        self._on: dict[tuple[str, str], Alarm] = {}

    def list(self) -> list[Alarm]:
        """Those that are on, in the order in which they began."""
        return [*self._on.values()]

    def set(self, engine: str, kind: str, text: str | None) -> None:
        """Begin an alarm, or end it (None); nothing happens if it is on, or off, already."""
        key = engine, kind
        if text is not None and key not in self._on:
            self._on[key] = Alarm(engine=engine, kind=kind, text=text, since=datetime.now(UTC))
            self._tell(f"ALARM: {engine}: {text}")
        elif text is None and self._on.pop(key, None):
            self._tell(f"{engine}: the alarm ({kind.replace('_', ' ')}) is over")
        else:
            return
        self._changed()

    def clear(self, engine: str) -> None:
        """End all alarms of an engine."""
        for name, kind in [*self._on]:
            if name == engine:
                self.set(name, kind, None)
