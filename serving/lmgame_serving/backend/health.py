"""How engines are looked at from outside."""

from contextlib import suppress
from enum import Enum

import aiohttp

from lmgame_serving.backend.metrics import COUNTLESS, fetch_counters
from lmgame_serving.backend.probe import ProbeError, RefusedProbeError, ask_little
from lmgame_serving.gateway.pool import Engine


class Health(Enum):
    """What came of a health check."""

    GOOD = "passes its health checks"
    BAD = "doesn't pass its health checks"
    MUTE = "listens no more"
    """Nothing is behind its port: it isn't up yet, or it is dead."""


async def look(session: aiohttp.ClientSession, engine: Engine, seconds: float) -> Health:
    """Check an engine's health, which must not take longer than some seconds."""
    try:
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with session.get(f"{engine.url}/health", timeout=timeout) as response:
            return Health.GOOD if response.status == 200 else Health.BAD
    except aiohttp.ClientConnectorError as error:
        # Other errors are this process's own, such as one file too many.
        return Health.MUTE if isinstance(error.os_error, ConnectionRefusedError) else Health.BAD
    except (OSError, TimeoutError, aiohttp.ClientError):
        return Health.BAD


async def works(
    session: aiohttp.ClientSession, engine: Engine, *, model: str, look_seconds: float, ask_seconds: float
) -> bool:
    """Whether an engine answers a small request or, when it has too much to do for that, gets anywhere with the rest.

    Args:
        session: What to ask with.
        engine: Which.
        model: What it calls its model.
        look_seconds: How long it may take to say what it counts.
        ask_seconds: How long it may take for the request.
    """
    try:
        before = await fetch_counters(session, engine.url, look_seconds)
        with suppress(ProbeError):
            with suppress(RefusedProbeError):  # a prompt that isn't to its taste; it answers
                await ask_little(session, engine, model=model, seconds=ask_seconds)
            return True
        return (await fetch_counters(session, engine.url, look_seconds)).progress > before.progress
    except COUNTLESS:
        return False
