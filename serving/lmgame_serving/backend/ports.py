"""Ports that stay an engine's own as long as its backend runs."""

import contextlib
import socket

from lmgame_common import EndpointError

FIRST, STEP, LAST = 5600, 16, 8000
"""Below those that Linux hands out by itself (32768 and up). With steps, since vLLM adds to the ports that it is given;
in a fixed order, since vLLM takes the NIXL port for something that compiled code depends on, and what it compiled for
the same port before is used again."""


def reserve(offsets: tuple[int, ...]) -> tuple[int, tuple[socket.socket, ...]]:
    """Find a place among the ports that is free at each of some offsets, and keep others off it.

    The sockets are bound and never listen. As long as they are open, Linux gives their ports to no program that wants
    any free one, and another backend that looks for a place passes this one by; but an engine may bind them, since
    like all servers it sets SO_REUSEADDR.

    Returns:
        The first port of the place, and the sockets.

    Raises:
        EndpointError: If no place is free.
    """
    for first in range(FIRST, LAST, STEP):
        sockets: list[socket.socket] = []
        try:
            for offset in offsets:
                sockets.append(_bound(first + offset))
        except OSError:
            for each in sockets:
                each.close()
            continue
        return first, tuple(sockets)
    raise EndpointError(f"No ports are free for an engine: all from {FIRST} to {LAST} are in use. Stop what uses them.")


def _bound(port: int) -> socket.socket:
    with contextlib.ExitStack() as undo:
        made = undo.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        made.bind(("127.0.0.1", port))  # without SO_REUSEADDR: it fails where another backend has reserved
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        undo.pop_all()
        return made
