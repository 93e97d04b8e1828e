"""Which hosts are this machine, and proxies that can't be used."""

import pytest

from lmgame_common import UsageError, explained_proxies, is_loopback


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1.example.org", False),
        ("localhost.example.org", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("", False),
    ],
)
def test_loopback_hosts(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


@pytest.mark.parametrize(
    ("error", "says"), [(ImportError("socksio"), "install socksio"), (ValueError("x://u:pw@h"), "HOST:PORT")]
)
def test_proxies_that_cannot_be_used(error: Exception, says: str) -> None:
    with pytest.raises(UsageError, match=says) as raised, explained_proxies():
        raise error
    assert "pw" not in str(raised.value)
