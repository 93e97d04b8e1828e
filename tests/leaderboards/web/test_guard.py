"""Who may ask, from where, and what browsers are told with each answer."""

import re
import socket
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from lmgame_leaderboards.web import guard as guard_module
from lmgame_leaderboards.web.guard import COOKIE, HEADERS, LARGEST_FORM, Guard

from .builders import Answer, ask

TOKEN = "correct horse battery"


class Site:
    """Says that it was reached."""

    def __init__(self) -> None:
        self.reached: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-frame-options", b"any")]})
        await send({"type": "http.response.body", "body": b"the site"})


def login(path: str, wrong: bool) -> bytes:
    return f"{path} {'wrong' if wrong else 'token?'}".encode()


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "WRONG_TOKEN_DELAY", 0.0)


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def free(site: Site) -> Guard:
    return Guard(site, token=None, hosts=["Named.example"], login=login)


@pytest.fixture
def closed(site: Site) -> Guard:
    return Guard(site, token=TOKEN, hosts=["named.example"], login=login)


def guarded(answer: Answer) -> Answer:
    """It carries all headers, whatever it is."""
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert answer.headers["cache-control"]
    return answer


GOOD = ["localhost", "localhost:7860", "LocalHost:1", "127.0.0.1", "127.0.0.1:7860", "[::1]", "[::1]:7860", "::1"]
GOOD += ["named.example", "NAMED.example:443"]
ADDRESSES = ["192.168.1.7:7860", "10.0.0.1", "[fe80::1]:7860", "[2001:db8::5]"]
BAD = [None, "", ":7860", "evil.example", "evil.example:7860", "localhost.evil.example", "127.0.0.1.evil.example:7860"]
BAD += ["localhost@evil.example", "evil.example#localhost", "[evil]:80", "named.example.", "0x7f.1", "2130706433"]


@pytest.mark.parametrize("host", GOOD)
async def test_known_names(host: str, free: Guard):
    answer = guarded(await ask(free, "/index.html", host=host))
    assert answer.status == 200 and answer.body == b"the site"


@pytest.mark.parametrize("host", [*BAD, *ADDRESSES])
async def test_names_that_others_may_have_pointed_here(host: str | None, free: Guard, site: Site):
    answer = guarded(await ask(free, "/index.html", host=host))
    assert answer.status == 421 and not site.reached


@pytest.mark.parametrize("host", [*GOOD, *ADDRESSES])
async def test_with_a_token_any_address_is_fine(host: str, closed: Guard, site: Site):
    answer = await ask(closed, "/", host=host, authorization=f"Bearer {TOKEN}")
    assert answer.status == 200
    assert (await ask(closed, "/", host=socket.gethostname(), authorization=f"Bearer {TOKEN}")).status == 200


@pytest.mark.parametrize("host", BAD)
async def test_with_a_token_names_are_still_checked(host: str | None, closed: Guard, site: Site):
    answer = guarded(await ask(closed, "/", host=host, authorization=f"Bearer {TOKEN}"))
    assert answer.status == 421 and not site.reached


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "X"])
async def test_nothing_can_be_changed(method: str, free: Guard, closed: Guard, site: Site):
    for app in (free, closed):
        answer = guarded(await ask(app, "/index.html", method=method, authorization=f"Bearer {TOKEN}"))
        if app is closed and method == "POST":
            assert answer.status == 401, "this is how a token is given, and nothing else"
            continue
        assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD"
    assert (await logged_in(free)).status == 405, "there is no token to give"
    assert not site.reached


async def test_head_is_as_good_as_get(free: Guard):
    assert (await ask(free, "/index.html", method="HEAD")).status == 200


VISIT = {"sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # an older browser, or none
        ({"sec_fetch_site": "none", **VISIT}, 200),
        ({"sec_fetch_site": "same-origin", "sec_fetch_mode": "cors"}, 200),
        ({"sec_fetch_site": "cross-site", **VISIT}, 200),  # somebody follows a link
        ({"sec_fetch_site": "same-site", **VISIT}, 200),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "script"}, 403),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"}, 403),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "cors", "sec_fetch_dest": "empty"}, 403),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"}, 403),
        ({"sec_fetch_site": "same-site", "sec_fetch_mode": "cors", "sec_fetch_dest": "empty"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "something new", "sec_fetch_mode": "cors"}, 403),
    ],
)
async def test_other_sites_may_link_and_no_more(headers: dict[str, Any], status: int, free: Guard, closed: Guard):
    assert guarded(await ask(free, "/runs.html", **headers)).status == status
    assert guarded(await ask(closed, "/runs.html", **headers, authorization=f"Bearer {TOKEN}")).status == status


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer \xfc\xff",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
    ],
)
async def test_a_wrong_token_is_none(given: str, closed: Guard, site: Site):
    for path in ("/", "/index.html", "/events/runs/x", "/staticx", "/static", "/runs/static/x.html", "//static/x"):
        answer = guarded(await ask(closed, path, authorization=given))
        assert answer.status == 401 and answer.body == f"{path} token?".encode()
    assert not site.reached


@pytest.mark.parametrize("given", [f"Bearer {TOKEN}", f"bearer  {TOKEN} "])
async def test_the_token_as_programs_give_it(given: str, closed: Guard):
    assert (await ask(closed, "/index.html", authorization=given)).status == 200
    assert (await ask(closed, "/index.html")).status == 401, "a token holds for one request"


async def logged_in(
    app: Guard, token: str = TOKEN, *, path: str = "/runs.html", query: str = "", **headers: str
) -> Answer:
    body = [f"token={token.replace(' ', '+')}".encode()]
    return guarded(await ask(app, path, method="POST", body=body, query=query, **headers))


async def test_the_token_as_people_give_it(closed: Guard, site: Site):
    answer = await logged_in(closed)
    assert answer.status == 303 and answer.headers["location"] == "/runs.html"
    name = f"{COOKIE}7860"  # two servers of one machine share all cookies that have the same name
    found = re.fullmatch(rf"{name}=(\w+); (.*)", answer.headers["set-cookie"])
    assert found and {part.strip().lower() for part in found[2].split(";")} >= {"httponly", "samesite=lax", "path=/"}
    assert TOKEN not in answer.headers["set-cookie"]
    cookie = f"{name}={found[1]}"
    assert (await ask(closed, "/index.html", cookie=cookie)).status == 200
    assert (await ask(closed, "/index.html", cookie=f"other=1; {cookie}; more=2")).status == 200
    for wrong in (f"{name}={TOKEN}", f"{name}=", f"{cookie}0", f"x{cookie}", "\xff", "=;;=", f"{name}=\xe9"):
        assert (await ask(closed, "/index.html", cookie=wrong)).status == 401, wrong
    again = Guard(site, token=TOKEN, login=login)
    assert (await ask(again, "/index.html", cookie=cookie)).status == 401, "a cookie ends with the server"


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("/", "/"),
        ("/runs/run-1/tetris-standard-1.html", "/runs/run-1/tetris-standard-1.html"),
        ("/runs/ü/模 %2f?#.html", "/runs/%C3%BC/%E6%A8%A1%20%252f%3F%23.html"),
        ("//evil.example/x", "/evil.example/x"),
        ("///evil.example", "/evil.example"),
        ("/\\evil.example", "/%5Cevil.example"),
        ("/\t/evil.example", "/%09/evil.example"),
        ("/x\r\nset-cookie: a=b", "/x%0D%0Aset-cookie%3A%20a%3Db"),
        ("http://evil.example/", "/http%3A//evil.example/"),  # as proxies are asked
    ],
)
async def test_those_who_give_the_token_stay_where_they_are(path: str, to: str, closed: Guard, site: Site):
    elsewhere = {"referer": "http://localhost:7860/x", "x_forwarded_host": "evil.example"}
    answer = await logged_in(closed, path=path, query="next=//evil.example", **elsewhere)
    assert answer.status == 303 and answer.headers["location"] == to and not site.reached


async def test_cookies_of_other_servers_on_this_machine_do_no_harm(closed: Guard):
    cookie = (await logged_in(closed)).headers["set-cookie"].partition(";")[0]
    for other in ('settings={"a": 1, "b": "c"}', "a b=c d", "flag", "[x]=1", "ünï=ö"):
        for header in (f"{other}; {cookie}", f"{cookie}; {other}"):
            assert (await ask(closed, "/index.html", cookie=header)).status == 200, header


@pytest.mark.parametrize(
    "body", [b"", b"token=", b"token=wrong", b"nottoken=x", b"\xff\xfe", b"token=%ff", b"a&b&token"]
)
async def test_a_form_with_a_wrong_token(body: bytes, closed: Guard, site: Site):
    answer = guarded(await ask(closed, "/runs/x.html", method="POST", body=[body]))
    assert answer.status == 401 and answer.body == b"/runs/x.html wrong" and "set-cookie" not in answer.headers
    assert not site.reached


async def test_a_wrong_token_takes_its_time(closed: Guard, monkeypatch: pytest.MonkeyPatch):
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(guard_module, "WRONG_TOKEN_DELAY", 0.5)
    monkeypatch.setattr(guard_module.asyncio, "sleep", sleep)
    await logged_in(closed, "wrong")
    assert slept == [0.5]
    await logged_in(closed)
    assert slept == [0.5]


async def test_a_form_that_is_too_large_is_not_read_to_its_end(closed: Guard):
    chunks = [b"token=" + b"x" * LARGEST_FORM] + [b"y" * 1000] * 50
    given = len(chunks)
    taken: list[int] = []

    class Chunks(list[bytes]):
        def pop(self, at: Any = -1) -> bytes:
            taken.append(1)
            return super().pop(at)

    answer = guarded(await ask(closed, "/", method="POST", body=Chunks(chunks)))
    assert answer.status == 413 and len(taken) < given
    exact = [b"token=" + TOKEN.replace(" ", "+").encode(), b"&" * (LARGEST_FORM - 6 - len(TOKEN))]
    assert (await ask(closed, "/", method="POST", body=exact)).status == 303


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://localhost:7860"}, 303),
        ({"origin": "null"}, 303),  # what browsers say under this referrer policy
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost.evil.example"}, 403),
        ({"origin": "http://localhost@evil.example"}, 403),
        ({"sec_fetch_site": "cross-site", **VISIT}, 403),
        ({"sec_fetch_site": "same-origin", **VISIT}, 303),
    ],
)
async def test_the_form_must_be_ours(headers: dict[str, Any], status: int, closed: Guard):
    assert (await logged_in(closed, **headers)).status == status


async def test_our_own_files_are_free(closed: Guard, site: Site):
    for path in ("/static/site.css", "/static/vendor/x.js"):
        assert guarded(await ask(closed, path)).status == 200
    assert (await ask(closed, "/static/site.css", host="evil.example")).status == 421
    assert (await ask(closed, "/static/site.css", method="POST")).status == 405


@pytest.mark.parametrize(
    "host", ["localhost:1/static/", "localhost:7860/static/x?", "[::1", "[::1]/static/", "localhost:x#"]
)
async def test_a_host_is_no_path(host: str, closed: Guard, site: Site):
    assert (await ask(closed, "/index.html", host=host)).status in (401, 421)
    assert not site.reached


async def test_what_is_no_page(free: Guard, site: Site):
    told: list[Message] = []

    async def send(message: Message) -> None:
        told.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    await free({"type": "websocket", "path": "/", "headers": []}, receive, send)
    assert not site.reached and not told


async def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere():
    policy = {
        name: what
        for name, _, what in (part.strip().partition(" ") for part in HEADERS["content-security-policy"].split(";"))
    }
    assert (
        policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'" and policy["base-uri"] == "'none'"
    )
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert not any(word in HEADERS["content-security-policy"] for word in ("unsafe", "http", "*", "blob"))
