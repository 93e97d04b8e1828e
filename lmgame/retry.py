"""Asking again when the server, not the model, is at fault."""

import asyncio
import random
from collections.abc import Awaitable, Callable

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


async def retrying[T](
    call: Callable[[], Awaitable[T]], *, max_retries: int, on_fault: Callable[[InfrastructureError], None]
) -> T:
    """What `call` returns, called again after infrastructure faults.

    Args:
        call: Asks once.
        max_retries: Times to ask again.
        on_fault: Told of every fault, before the pause that follows it.

    Raises:
        InfrastructureError: At once for a fatal fault.
        GaveUpError: When the retries are used up.
    """
    attempt = 0
    while True:
        try:
            return await call()
        except InfrastructureError as fault:
            on_fault(fault)
            if fault.fatal:
                raise
            attempt += 1
            if attempt > max_retries:
                raise GaveUpError(fault.kind, f"{fault} (asked {attempt} times)") from fault
            await asyncio.sleep(pause_before(attempt, fault.retry_after))
