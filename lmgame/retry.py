"""Asking again when the server, not the model, is at fault."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

from lmgame_agents import InfrastructureError

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 60.0
LONGEST_RETRY_AFTER = 600.0


class GaveUpError(InfrastructureError):
    """Raised when a decision met infrastructure faults more often than `--max-retries` allows."""


def pause_before(attempt: int, retry_after: float | None) -> float:
    """Seconds to wait before asking the `attempt`-th time again (from 1).

    What the server asked for in Retry-After, else exponential backoff with jitter ("equal jitter", so that many
    episodes cut off by one fault don't come back at once).
    """
    if retry_after is not None:
        return min(retry_after, LONGEST_RETRY_AFTER) + random.uniform(0, 0.25)
    ceiling = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1))
    return random.uniform(ceiling / 2, ceiling)


Stop = asyncio.Event
"""Set when a run is to end: nobody waits for a server any more then."""


async def retrying[T](
    call: Callable[[], Awaitable[T]],
    *,
    max_retries: int,
    on_fault: Callable[[InfrastructureError, float | None], None],
    stop: Stop | None = None,
) -> T:
    """What `call` returns, called again after infrastructure faults.

    Args:
        call: Asks once.
        max_retries: Times to ask again.
        on_fault: Told of every fault and the pause in seconds that follows it, None where it isn't asked again.
        stop: Ends a pause early, and with it the asking.

    Raises:
        InfrastructureError: At once for a fatal fault.
        GaveUpError: When the retries are used up, or the run is stopped in a pause.
    """
    attempt = 0
    while True:
        try:
            return await call()
        except InfrastructureError as fault:
            attempt += 1
            again = not fault.fatal and attempt <= max_retries
            pause = pause_before(attempt, fault.retry_after) if again else None
            on_fault(fault, pause)
            if fault.fatal:
                raise
            if pause is None or await _stopped_within(pause, stop):
                raise GaveUpError(fault.kind, f"{fault} (asked {attempt} times)") from fault


async def _stopped_within(seconds: float, stop: Stop | None) -> bool:
    """Let time pass; True if `stop` was set meanwhile."""
    if stop is None:
        await asyncio.sleep(seconds)
        return False
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()
