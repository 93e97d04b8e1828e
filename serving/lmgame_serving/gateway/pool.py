"""The engines that a gateway can send requests to, as its supervisor sees them and as the gateway uses them."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

REMEMBERED_SESSIONS = 100_000
"""Sessions whose engine is remembered; the longest unused is forgotten first."""


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
    """One engine. Its supervisor writes `state`; the pool counts `in_flight`."""

    name: str
    """Such as `prefill-0`; stays the same when the engine is started anew."""
    role: Role
    url: str
    """Such as `http://127.0.0.1:8001`, without a path."""
    api_key: str | None = field(default=None, repr=False)
    state: EngineState = EngineState.STARTING
    in_flight: int = 0
    """Requests that the gateway has open at it."""


class Pool:
    """Chooses engines, keeps sessions where they were, and tells who waits.

    All methods are for one event loop's thread.
    """

    def __init__(self, engines: Iterable[Engine], suspect: Callable[[Engine], None] | None = None) -> None:
        self.engines = {engine.name: engine for engine in engines}
        self._suspect = suspect or (lambda engine: None)
        self._changed = asyncio.Condition()
        self._homes: OrderedDict[tuple[Role, str], str] = OrderedDict()

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that a request needs one engine of each, in the order of their turns."""
        present = {engine.role for engine in self.engines.values()}
        return tuple(role for role in Role if role in present)

    def of(self, role: Role) -> list[Engine]:
        """All engines of a role, in any state."""
        return [engine for engine in self.engines.values() if engine.role == role]

    def choose(self, role: Role, session: str | None, *, besides: Collection[Engine] = ()) -> Engine | None:
        """A ready engine: the session's own, else the least busy one, which becomes the session's own.

        Where the engines are equally busy, the one with the fewest sessions is taken.

        Args:
            role: What it is for.
            session: Who asks; requests of one session stay on one engine while it is ready.
            besides: Engines that were tried already; one of them is taken only where no other is ready.

        Returns:
            None if no engine of that role is ready.
        """
        ready = [engine for engine in self.of(role) if engine.state is EngineState.READY]
        ready = [engine for engine in ready if engine not in besides] or ready
        if not ready:
            return None
        home = self._homes.get((role, session)) if session is not None else None
        chosen = next((engine for engine in ready if engine.name == home), None)
        if chosen is None:
            names = list(self._homes.values())
            chosen = min(ready, key=lambda engine: (engine.in_flight, names.count(engine.name)))
        if session is not None:
            self._homes[role, session] = chosen.name
            self._homes.move_to_end((role, session))
            if len(self._homes) > REMEMBERED_SESSIONS:
                self._homes.popitem(last=False)
        return chosen

    @contextmanager
    def using(self, engine: Engine) -> Iterator[Engine]:
        """Count a request at an engine while the context lasts."""
        engine.in_flight += 1
        try:
            yield engine
        finally:
            engine.in_flight -= 1
            if not engine.in_flight:
                self._announce()

    def suspect(self, engine: Engine) -> None:
        """Tell the supervisor that an engine failed a request, so that it looks now and not at its next round."""
        self._suspect(engine)

    def set_state(self, engine: Engine, state: EngineState) -> None:
        """Change what can be expected of an engine, and wake up who waits for it."""
        engine.state = state
        self._announce()

    async def ready(self, role: Role, seconds: float) -> bool:
        """Wait until an engine of that role is ready; False if none is within the time."""
        return await self._until(lambda: any(engine.state is EngineState.READY for engine in self.of(role)), seconds)

    async def idle(self, engines: Collection[Engine], seconds: float) -> bool:
        """Wait until engines have no request of the gateway's; False if some still have one after the time."""
        return await self._until(lambda: not any(engine.in_flight for engine in engines), seconds)

    async def _until(self, done: Callable[[], bool], seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(done)
        return done()

    def _announce(self) -> None:
        async def notify() -> None:
            async with self._changed:
                self._changed.notify_all()

        with suppress(RuntimeError):  # no loop runs: nobody waits
            task = asyncio.get_running_loop().create_task(notify())
            _TASKS.add(task)
            task.add_done_callback(_TASKS.discard)


_TASKS: set[asyncio.Task[None]] = set()
"""Keeps announcements alive until they are made."""
