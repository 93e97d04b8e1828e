"""What `lmgame view` refuses, and whom it asks for a token."""

import re
import socket
from pathlib import Path
from typing import Any

import pytest

from lmgame.cli.view import view
from lmgame.web import check_host, folders_of
from lmgame_common import UsageError


def test_the_folders_to_look_in(tmp_path: Path):
    assert folders_of([]) == [Path("runs")]
    assert folders_of([tmp_path]) == [tmp_path]
    (tmp_path / "file").touch()
    for wrong in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(UsageError, match=re.escape(str(wrong))):
            folders_of([tmp_path, wrong])


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.9.1"])
def test_on_this_machine_nobody_is_asked(host: str):
    assert check_host(host, False, None) is None
    assert check_host(host, False, "short") is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.com", ""])
def test_other_machines_must_be_let_in(host: str):
    with pytest.raises(UsageError, match="--allow-remote"):
        check_host(host, False, "0123456789abcdef")


def test_who_lets_other_machines_in_has_a_token():
    made = {check_host("0.0.0.0", True, None) for _ in range(3)}
    assert len(made) == 3 and all(token and len(token) >= 32 for token in made)
    assert check_host("0.0.0.0", True, "0123456789abcdef") == "0123456789abcdef"
    assert check_host("127.0.0.1", True, None), "a tunnel may lead there"
    for weak in ("", "pass word", "0123456789abcde"):
        with pytest.raises(UsageError, match="16 characters") as error:
            check_host("0.0.0.0", True, weak)
        assert not weak or weak not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"folders": [Path("nowhere")]}, "nowhere is no folder"),
        ({"host": "0.0.0.0"}, "--allow-remote"),
        ({"port": 99_999_999}, "99999999"),
        ({"port": -1, "host": "::1"}, "-1"),
        ({"host": "192.0.2.1", "allow_remote": True}, "Can't listen on 192.0.2.1"),  # an address of nobody
    ],
)
def test_wrong_requests_are_told_before_anything_is_served(settings: Any, told: str):
    with pytest.raises(UsageError, match=re.escape(told)):
        view(**{"folders": [Path()], **settings})


class Unvisited:
    """A server that nobody comes to."""

    def run(self, sockets: list[socket.socket]) -> None:
        for listening in sockets:
            listening.close()


@pytest.mark.parametrize(
    ("host", "name"), [("0.0.0.0", None), ("0", None), ("::", None), ("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")]
)
def test_the_address_that_is_printed_can_be_visited(
    host: str, name: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    if ":" in host:
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("this machine has no IPv6")
    monkeypatch.setattr("lmgame.web.make_server", lambda *_, **__: Unvisited())
    view([tmp_path], host=host, port=0, allow_remote=True)
    printed = capsys.readouterr().err.split()[0]
    assert re.fullmatch(rf"http://{re.escape(name or socket.gethostname())}:[1-9]\d*/", printed), printed


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="Choose another --port"):
        view([Path()], port=taken.getsockname()[1])
