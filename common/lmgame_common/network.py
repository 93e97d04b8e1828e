"""The way to a server: whether it leaves this machine, and the proxies of the environment."""

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager

from lmgame_common.errors import UsageError


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine: `localhost`, or an address of 127.0.0.0/8 or ::1. Resolves no names."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@contextmanager
def explained_proxies() -> Iterator[None]:
    """Around the making of an HTTP client (of httpx's family), which reads the proxies of the environment.

    Raises:
        UsageError: If the client can't use a proxy. Its URL isn't repeated, for it may carry a password.
    """
    named = "The environment (ALL_PROXY, HTTP_PROXY or HTTPS_PROXY) names a"
    try:
        yield
    except ImportError:
        raise UsageError(
            f"{named} SOCKS proxy, which needs the package `socksio`. Install it (uv pip install socksio), "
            f"name an HTTP proxy, or except the server's host in NO_PROXY."
        ) from None
    except ValueError:
        raise UsageError(f"{named} proxy by a URL that can't be used; expected such as http://HOST:PORT.") from None
