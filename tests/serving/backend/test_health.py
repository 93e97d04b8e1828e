"""Health checks tell an engine that is gone from one that can't be reached for another reason."""

import resource
import socket

import aiohttp

from lmgame_serving.backend.health import Health, look
from lmgame_serving.gateway.pool import Engine, Role


async def test_only_a_port_that_refuses_is_that_of_an_engine_that_is_gone():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        engine = Engine("colocated-0", Role.COLOCATED, f"http://127.0.0.1:{listening.getsockname()[1]}")
        async with aiohttp.ClientSession() as session:
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))  # no further file can be opened
            try:
                assert await look(session, engine, 5) is Health.BAD
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            listening.close()
            assert await look(session, engine, 5) is Health.MUTE
