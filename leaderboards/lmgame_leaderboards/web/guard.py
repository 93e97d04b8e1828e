"""Who may ask for pages, and what browsers may do with them.

The site listens on this machine alone unless told otherwise, and then asks for a token. Pages of other sites that run
in the same browser can't read it: names in `Host` are checked, which stops DNS rebinding, and so is where a request
comes from.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable, Collection
from urllib.parse import parse_qs, quote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "lmgame_view_"
"""What names of cookies begin with; the port follows, since browsers send a host's cookies to all of its ports."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
LARGEST_FORM = 4096
"""Bytes that the form with the token may have."""
WRONG_TOKEN_DELAY = 0.5
"""Seconds that a wrong token costs."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content security policy: our own files alone, nothing inline, nothing from elsewhere."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """Stands before the site, as ASGI middleware.

    Args:
        app: The site.
        token: What others must know; None: nobody is asked, which is for this machine alone.
        hosts: Names by which it may be reached, beside those of this machine; with a token any address is fine as well,
            since rebinding needs a name.
        login: Makes the page with the form for the token, which stands at any address and sends it there; it is told
            the path that was asked for, and whether a wrong token was given.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str | None,
        hosts: Collection[str] = (),
        login: Callable[[str, bool], bytes],
    ) -> None:
        self._app, self._token, self._login = app, token, login
        self._hosts = {host.lower() for host in (*LOOPBACK, *hosts)}
        if token is not None:
            self._hosts |= {socket.gethostname().lower(), socket.getfqdn().lower()}
        # The cookie isn't the token, and what it is ends with this process.
        key = secrets.token_bytes(32)
        self._cookie = hmac.new(key, (token or "").encode(), hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        answer = await self._refused(request)
        await (answer or self._app)(scope, receive, _with_headers(send))

    async def _refused(self, request: Request) -> Callable[[Scope, Receive, Send], Awaitable[None]] | None:
        """The answer to a request that isn't let through."""
        headers = request.headers
        if not self._known_host(headers.get("host", "")):
            return PlainTextResponse(
                "This server isn't known by that name. Open it by the address that `lmgame view` printed, or name the "
                "host with --allow-host.\n",
                421,
            )
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not _is_visit(request):
            return PlainTextResponse("Pages of other sites may link here, and no more.\n", 403)
        path = request.scope["path"]  # `url` is put together from what the request says of its host
        free = path.startswith("/static/")  # our own files, the same for everybody
        if request.method == "POST" and not free and self._token is not None:
            return await self._logged_in(request)
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("Nothing here can be changed.\n", 405, {"allow": "GET, HEAD"})
        if self._token is not None and not free and not self._may(request):
            return Response(self._login(path, False), 401, media_type="text/html")
        return None

    def _known_host(self, host: str) -> bool:
        name = _name_and_port(host)[0]
        if name in self._hosts:
            return True
        return self._token is not None and _is_address(name)

    def _may(self, request: Request) -> bool:
        assert self._token is not None
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and _same(given.strip(), self._token):
            return True
        # As browsers write them: other servers of this machine may have set cookies that no standard knows.
        cookie = request.cookies.get(_cookie_name(request))
        return cookie is not None and _same(cookie, self._cookie)

    async def _logged_in(self, request: Request) -> Response:
        """Take the token from the form, give a cookie for it, and show the page that was asked for."""
        origin, host = request.headers.get("origin"), _name_and_port(request.headers.get("host", ""))[0]
        if origin not in (None, "null") and _name_and_port(origin.partition("://")[2])[0] != host:
            return PlainTextResponse("The form must come from this site.\n", 403)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_FORM:
                return PlainTextResponse("That is more than a token.\n", 413)
        given = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]
        assert self._token is not None
        if not _same(given.strip(), self._token):
            await asyncio.sleep(WRONG_TOKEN_DELAY)
            return Response(self._login(request.scope["path"], True), 401, media_type="text/html")
        # Browsers keep what is behind a `#` when they are sent on.
        response = RedirectResponse(_here(request.scope["path"]), 303)
        # Lax, since links to pages are sent around, and no request changes anything.
        response.set_cookie(_cookie_name(request), self._cookie, httponly=True, samesite="lax", path="/")
        return response


def _here(path: str) -> str:
    """A path of ours as an address. It begins with one slash alone: behind `//` or `/\\` browsers see a host."""
    return "/" + quote(path.lstrip("/"), errors="replace")


def _cookie_name(request: Request) -> str:
    """By the port as the browser knows it, which may be that of a tunnel."""
    return COOKIE + _name_and_port(request.headers.get("host", ""))[1]


def _is_visit(request: Request) -> bool:
    """Whether somebody follows a link to a page."""
    headers = request.headers
    return (
        request.method == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest", "document") == "document"
    )


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _name_and_port(host: str) -> tuple[str, str]:
    """The name in a `Host`, in lower case and without brackets, and its port, if any; both empty where there is
    something else behind."""
    host = host.strip().lower()
    if host.startswith("["):
        name, _, port = host[1:].partition("]")
        port = port.removeprefix(":")
    else:
        name, _, port = host.partition(":") if host.count(":") == 1 else (host, "", "")
    return (name, port) if not port or (port.isascii() and port.isdigit()) else ("", "")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return sent
