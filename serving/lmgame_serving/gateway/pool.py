"""The engines that a gateway can send requests to, as its supervisor sees them and as the gateway uses them."""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

REMEMBERED_SESSIONS = 100_000
"""Sessions whose engine is remembered; the longest unused is forgotten first."""
SESSION_SECONDS = 600.0
"""After which an unused session is forgotten: a game that is over counts for no engine any more."""
LEEWAY = 4
"""Requests that a session's engine may always have more than the least busy one."""


class Role(StrEnum):
    """What an engine does of a request."""

    COLOCATED = "colocated"
    """All of it."""
    PREFILL = "prefill"
    """The prompt."""
    DECODE = "decode"
    """The answer."""


class EngineState(StrEnum):
    """What can be expected of an engine."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    """It finishes what it has and gets nothing new."""
    DOWN = "down"


@dataclass(eq=False)
class Engine:
    """One engine. Its supervisor has `state` changed by the pool; the pool counts `in_flight`."""

    name: str
    """Such as `prefill-0`; stays the same when the engine is started anew."""
    role: Role
    url: str
    """Such as `http://127.0.0.1:8001`, without a path."""
    api_key: str | None = field(default=None, repr=False)
    state: EngineState = EngineState.STARTING
    in_flight: int = 0
    """Requests that the gateway has open at it."""


@dataclass(slots=True)
class _Home:
    """Where a session's requests go, and when the last one went."""

    engine: str
    used: float


class Pool:
    """Chooses engines, keeps sessions where they were, and tells who waits.

    All methods are for one event loop's thread.

    Args:
        engines: All of them, in any state.
        suspect: Told of each engine that failed a request; it must return at once.
    """

    def __init__(self, engines: Iterable[Engine], suspect: Callable[[Engine], None] | None = None) -> None:
        self.engines = {engine.name: engine for engine in engines}
        self._suspect = suspect or (lambda engine: None)
        self._changed = asyncio.Event()
        self._homes: OrderedDict[tuple[Role, str], _Home] = OrderedDict()  # the longest unused comes first
        self._sessions: Counter[str] = Counter()
        self._roles = {role: [engine for engine in self.engines.values() if engine.role is role] for role in Role}

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that a request needs one engine of each, in the order of their turns."""
        return tuple(role for role, engines in self._roles.items() if engines)

    @property
    def usable(self) -> bool:
        """Whether a request could be served now: an engine of each role is ready."""
        return bool(self.roles) and all(self.ready(role) for role in self.roles)

    def ready(self, role: Role) -> list[Engine]:
        """The engines of a role that take requests."""
        return [engine for engine in self._roles[role] if engine.state is EngineState.READY]

    def choose(self, role: Role, session: str | None, *, besides: Collection[Engine] = ()) -> Engine | None:
        """A ready engine: the session's own, else the least busy one, which becomes the session's own.

        Where engines are equally busy, the one with the fewest sessions is taken. A session leaves an engine that has
        more than half as many requests again as the least busy one (and `LEEWAY` more), so that an engine that comes
        back gets its share while the games still go on.

        Args:
            role: What it is for.
            session: Who asks; requests of one session stay on one engine while it is ready.
            besides: Engines that were tried already; one of them is taken only where no other is ready.

        Returns:
            None if no engine of that role is ready.
        """
        ready = self.ready(role)
        ready = [engine for engine in ready if engine not in besides] or ready
        if not ready:
            return None
        least = min(ready, key=lambda engine: (engine.in_flight, self._sessions[engine.name]))
        if session is None:
            return least
        home = self._homes.get((role, session))
        chosen = next((engine for engine in ready if home and engine.name == home.engine), least)
        if chosen.in_flight > LEEWAY + 1.5 * least.in_flight:
            chosen = least
        self._remember(role, session, chosen)
        return chosen

    def _remember(self, role: Role, session: str, engine: Engine) -> None:
        now = time.monotonic()
        if old := self._homes.pop((role, session), None):
            self._sessions[old.engine] -= 1
        self._homes[role, session] = _Home(engine.name, now)
        self._sessions[engine.name] += 1
        while len(self._homes) > REMEMBERED_SESSIONS or next(iter(self._homes.values())).used < now - SESSION_SECONDS:
            _, forgotten = self._homes.popitem(last=False)
            self._sessions[forgotten.engine] -= 1

    @contextmanager
    def using(self, engine: Engine) -> Iterator[Engine]:
        """Count a request at an engine while the context lasts."""
        engine.in_flight += 1
        try:
            yield engine
        finally:
            engine.in_flight -= 1
            if not engine.in_flight:
                self.wake()

    def suspect(self, engine: Engine) -> None:
        """Tell the supervisor that an engine failed a request, so that it looks now and not at its next round."""
        self._suspect(engine)

    def set_state(self, engine: Engine, state: EngineState) -> None:
        """Change what can be expected of an engine, and wake up who waits for it."""
        engine.state = state
        self.wake()

    async def idle(self, engines: Collection[Engine], seconds: float) -> bool:
        """Wait until engines have no request of the gateway's; False if some still have one after the time."""
        return await self.until(lambda: not any(engine.in_flight for engine in engines), seconds)

    async def until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds that is looked at whenever an engine's state changes, one gets idle, or at `wake`.

        Returns:
            Whether it held within the time.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not done():
                    await self._changed.wait()
        return done()

    def wake(self) -> None:
        """Have all who wait look again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
