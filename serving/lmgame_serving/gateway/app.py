"""The gateway as a server: its routes, who may use them, and its end."""

import asyncio
import hmac
import ipaddress
import logging
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Self
from urllib.parse import urlsplit

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from lmgame_common import EndpointError, UsageError, is_loopback
from lmgame_serving.gateway.checks import checked, request_id_of, session_of
from lmgame_serving.gateway.dispatch import COME_BACK, Dispatcher
from lmgame_serving.gateway.errors import RefusedError
from lmgame_serving.gateway.metrics import Metrics
from lmgame_serving.gateway.pool import Pool
from lmgame_serving.gateway.settings import GatewaySettings

KEEP_ALIVE = 75.0
"""Seconds an idle connection is kept, longer than clients do, so that none sends on one that is being closed."""
BODY_SECONDS = 30.0
"""How long a client may take to send a request's body."""
LINGER_SECONDS = 2.0
"""How long the rest of a refused body is read, so that the refusal reaches a client which is still sending."""
CLOSE_SECONDS = 0.1
"""How long what is in flight may still take when the gateway is left; `drain` is what waits."""
_NAMES = frozenset(("localhost", "127.0.0.1", "::1"))
_LOG = logging.getLogger(__name__)


class Gateway:
    """What clients of the backend speak to. An async context manager: it serves until it is left.

    Only `POST /v1/chat/completions`, `GET /v1/models`, `GET /health` and `GET /metrics` are answered, all but
    `/health` only to who has the key. Where it listens on loopback alone, requests must name a loopback host, and
    never are requests of web pages served, so that no page in a browser on this machine can use it.

    Args:
        pool: The engines, whose states somebody else keeps.
        settings: Limits, and where to listen.
        model: The name of the only model.
        api_key: The key that clients must have; None asks for none.
        kv_params: False for a connector whose prefill engines don't say where the KV cache is (ExampleConnector).

    Raises:
        UsageError: If other machines could use it without a key.
    """

    def __init__(
        self, pool: Pool, settings: GatewaySettings, *, model: str, api_key: str | None, kv_params: bool = True
    ) -> None:
        self._loopback = is_loopback(settings.host)
        if not self._loopback and not api_key:
            raise UsageError(
                f"A backend that listens on {settings.host} can be reached from other machines and needs a key. "
                "Give it one, or have it listen on 127.0.0.1."
            )
        self._pool, self._settings, self._model = pool, settings, model
        self._authorization = f"Bearer {api_key}".encode() if api_key else None
        self._metrics = Metrics(pool.engines.values())
        self.registry = self._metrics.registry
        """What `/metrics` shows; more may be registered."""
        self._dispatcher = Dispatcher(pool, settings, self._metrics, kv_params=kv_params, given_up=lambda: self._failed)
        self._in_flight = 0
        self._draining = False
        self._failed: str | None = None
        self._left: AsyncExitStack
        self.url = ""
        """Such as `http://127.0.0.1:8000`, once entered."""

    async def __aenter__(self) -> Self:
        """Listen. Raises EndpointError if that isn't possible."""
        server = web.Server(
            self._handle,
            handler_cancellation=True,  # or engines would go on for clients that are gone
            access_log=None,
            keepalive_timeout=KEEP_ALIVE,
            lingering_time=LINGER_SECONDS,
            auto_decompress=False,
        )
        runner = web.ServerRunner(server, shutdown_timeout=CLOSE_SECONDS)
        host = "127.0.0.1" if self._settings.host == "localhost" else self._settings.host  # one address, one port
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._dispatcher)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            try:
                await web.TCPSite(runner, host, self._settings.port, backlog=2048).start()
            except OSError as error:
                where = f"{self._settings.host}:{self._settings.port}"
                message = (
                    f"The backend can't listen on {where} ({error.strerror or error}). Choose another port or host."
                )
                raise EndpointError(message) from None
            self._left = stack.pop_all()
        self.url = _url(host, runner.addresses[0][1])
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._left.aclose()

    async def drain(self, seconds: float) -> bool:
        """Take nothing new and wait for what is in flight; False if something still is after the time."""
        self._draining = True
        return await self._pool.until(lambda: not self._in_flight, seconds)

    def fail(self, why: str) -> None:
        """Answer every request, those that wait for an engine included, that there will be none, and why."""
        self._failed = why
        self._pool.wake()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._route(request)
        except RefusedError as error:
            return error.response()
        except ConnectionError:
            return web.Response()  # which nobody reads
        except Exception:
            _LOG.exception("The gateway failed.")
            return RefusedError(500, "The gateway failed; its log says how.").response()

    async def _route(self, request: web.BaseRequest) -> web.StreamResponse:
        self._guard(request)
        route = request.method, request.rel_url.raw_path
        if route == ("GET", "/health"):
            return self._health()
        self._check_key(request)
        if route == ("POST", "/v1/chat/completions"):
            with self._admitted() as ended:
                answer, ended.how = await self._chat(request)
                return answer
        if route == ("GET", "/v1/models"):
            listed = {"id": self._model, "object": "model", "owned_by": "lmgame"}
            return web.json_response({"object": "list", "data": [listed]})
        if route == ("GET", "/metrics"):
            return web.Response(body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
        raise RefusedError(404, "There are only POST /v1/chat/completions, GET /v1/models, /health and /metrics.")

    def _guard(self, request: web.BaseRequest) -> None:
        """Refuse what a web page had a browser on this machine send, by a name of its own for it or from afar."""
        if "Origin" in request.headers:
            raise RefusedError(403, "Web pages may not use this backend.")
        if self._loopback and _host_of(request.headers.get("Host", "")) not in _NAMES:
            raise RefusedError(421, "This backend is only known as localhost, 127.0.0.1 or [::1].")

    def _check_key(self, request: web.BaseRequest) -> None:
        given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if self._authorization is not None and not hmac.compare_digest(given, self._authorization):
            message = "The API key is missing or wrong. Send it as `Authorization: Bearer KEY`."
            raise RefusedError(401, message, "invalid_api_key", headers={"WWW-Authenticate": "Bearer"})

    def _health(self) -> web.Response:
        if self._failed is not None:
            status = "failed"
        elif self._draining:
            status = "draining"
        else:
            status = "ok" if self._pool.usable else "starting"
        engines = {name: str(engine.state) for name, engine in self._pool.engines.items()}
        return web.json_response({"status": status, "engines": engines}, status=200 if status == "ok" else 503)

    @contextmanager
    def _admitted(self) -> Iterator["_End"]:
        """Count a request while it lasts, and how it ended."""
        end = _End()
        try:
            if self._failed is not None:
                raise RefusedError(503, self._failed, "backend_failed")
            if self._draining:
                raise RefusedError(503, "The backend is being stopped.", "draining", retry_after=COME_BACK)
            if self._in_flight >= self._settings.max_in_flight:
                raise RefusedError(429, f"The backend has {self._in_flight} requests at once.", "full", retry_after=1)
            self._in_flight += 1
            self._metrics.in_flight.set(self._in_flight)
            try:
                yield end
            finally:
                self._in_flight -= 1
                self._metrics.in_flight.set(self._in_flight)
                if not self._in_flight:
                    self._pool.wake()
        except RefusedError as error:
            end.how = str(error.status)
            raise
        except ConnectionError:
            raise
        except Exception:
            end.how = "500"
            raise
        finally:
            self._metrics.requests.labels(end.how).inc()

    async def _chat(self, request: web.BaseRequest) -> tuple[web.StreamResponse, str]:
        if request.content_type != "application/json" or "Content-Encoding" in request.headers:
            raise RefusedError(415, "The body must be plain JSON: `Content-Type: application/json`, not compressed.")
        session = session_of(request.headers.get("X-Session-ID"))
        request_id = request_id_of(request.headers.get("X-Request-Id"))
        data = await self._body(request)
        began = time.perf_counter()
        asked = checked(data, model=self._model, settings=self._settings, session=session, request_id=request_id)
        del data
        answer, how = await self._dispatcher.answer(asked, request)
        if how == "200":
            self._metrics.request_seconds.observe(time.perf_counter() - began)
        return answer, how

    async def _body(self, request: web.BaseRequest) -> bytes:
        most = self._settings.max_body_bytes
        too_long = RefusedError(413, f"The request is longer than {most:,} bytes.")
        if (request.content_length or 0) > most:
            raise too_long
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for data in request.content.iter_any():
                    body += data
                    if len(body) > most:
                        raise too_long
        except TimeoutError:
            raise RefusedError(408, f"The request's body didn't come within {BODY_SECONDS:g} s.") from None
        return bytes(body)


class _End:
    """How a request ended, for who counts it."""

    how = "gone"


def _host_of(header: str) -> str:
    """The host of a Host header, without its port; empty if there is none."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _url(host: str, port: int) -> str:
    """How a server is reached from this machine."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://[{host}]:{port}" if address.version == 6 else f"http://{host}:{port}"
