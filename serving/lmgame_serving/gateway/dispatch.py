"""From a checked request to an answer: which engines, in which order, and what happens when one fails.

Where prefill and decode are apart, a prefill engine is asked first, for a single token that nobody reads; it answers
with `kv_transfer_params`, which say where the prompt's KV cache is. The request then goes with them to a decode engine,
which fetches the cache (vLLM's NixlConnector, `do_remote_decode` and `do_remote_prefill`).
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    TCPConnector,
    web,
)

from lmgame_common import quoted
from lmgame_serving.gateway.checks import Asked
from lmgame_serving.gateway.errors import FaultError, RefusedError
from lmgame_serving.gateway.metrics import Metrics
from lmgame_serving.gateway.pool import Engine, Pool, Role
from lmgame_serving.gateway.settings import GatewaySettings
from lmgame_serving.gateway.streaming import Events, check_finished, relay

COME_BACK = 20
"""Seconds that clients are told to wait where no engine is ready. The runner asks nine times: with `ready_seconds` each
time, it outlasts a restart of six minutes."""
CONNECT_SECONDS = 5.0
"""Engines are on this machine, and a busy one still takes connections."""
KEEP_ALIVE = 3.0
"""Seconds an idle connection is kept: fewer than the five that vLLM does, so that none is used while it is closed."""
RETRY_PAUSE = 0.5
"""Seconds, times the attempts so far, before an engine that has failed a request is asked again: time for its
supervisor to find out what has become of it."""
PASSED_ON = frozenset((400, 413, 422))
"""An engine's statuses that are the request's own fault. All other errors are an engine's: its key, its name for the
model and its path are the gateway's doing."""
LONGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer that isn't streamed."""
LONGEST_WORDS = 2000
"""Characters of an engine's error that are passed on."""
_PREFILL: dict[str, Any] = {"max_tokens": 1, "stream": False}
_REMOTE_DECODE: dict[str, Any] = {
    "kv_transfer_params": {
        "do_remote_decode": True,
        "do_remote_prefill": False,
        "remote_engine_id": None,
        "remote_block_ids": None,
        "remote_host": None,
        "remote_port": None,
    }
}


class Dispatcher:
    """Sends requests to engines. An async context manager, for its connections.

    Args:
        pool: The engines.
        settings: Limits.
        metrics: What is counted.
        kv_params: Whether prefill engines say where the KV cache is; not all connectors need it.
        given_up: Why there will be no engine any more; None while there is hope.
    """

    def __init__(
        self,
        pool: Pool,
        settings: GatewaySettings,
        metrics: Metrics,
        *,
        kv_params: bool,
        given_up: Callable[[], str | None],
    ) -> None:
        self._pool, self._settings, self._metrics = pool, settings, metrics
        self._kv_params, self._given_up = kv_params, given_up
        self._http: ClientSession

    async def __aenter__(self) -> "Dispatcher":
        self._http = ClientSession(
            connector=TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
            skip_auto_headers=["User-Agent"],
            timeout=ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.close()

    async def answer(self, asked: Asked, client: web.BaseRequest) -> tuple[web.StreamResponse, str]:
        """Have a request answered, whole or streamed, by as many attempts as it may have.

        Returns:
            The answer, and how it ended: its status or `cut`. A stream has been sent to the client by then.

        Raises:
            RefusedError: If there is none.
            ConnectionError: If the client is gone.
        """
        began = time.perf_counter()
        tried: list[Engine] = []
        attempt = 0
        while True:
            attempt += 1
            await self._until_usable()
            try:
                return await self._attempt(asked, client, f"{asked.request_id}-{attempt}", tried, began)
            except FaultError as fault:
                self._note(fault)
                if attempt >= self._settings.attempts:
                    message = f"The backend failed {attempt} times, the last time so: {fault.message}"
                    raise RefusedError(502, message, "engine_failed") from None
            self._metrics.retries.inc()
            if not self._untried(tried):
                await asyncio.sleep(RETRY_PAUSE * attempt)

    async def _until_usable(self) -> None:
        pool = self._pool
        if not pool.usable:
            await pool.until(lambda: pool.usable or self._given_up() is not None, self._settings.ready_seconds)
        if why := self._given_up():
            raise RefusedError(503, why, "backend_failed")
        if not pool.usable:
            words = ", ".join(f"{engine.name} is {engine.state}" for engine in pool.engines.values())
            message = f"No engine was ready within {self._settings.ready_seconds:g} s: {words}. Ask again later."
            raise RefusedError(503, message, "not_ready", retry_after=COME_BACK)

    def _untried(self, tried: list[Engine]) -> bool:
        """Whether there is an engine for each role that hasn't failed the request yet."""
        return all(set(self._pool.ready(role)) - set(tried) for role in self._pool.roles)

    def _note(self, fault: FaultError) -> None:
        if fault.engine:
            self._metrics.faults.labels(fault.engine.name, fault.kind).inc()
            self._pool.suspect(fault.engine)

    def _choose(self, role: Role, asked: Asked, tried: list[Engine]) -> Engine:
        engine = self._pool.choose(role, asked.session, besides=tried)
        if engine is None:
            raise FaultError(None, "gone", f"no {role} engine is ready any more.")
        tried.append(engine)
        return engine

    async def _attempt(
        self, asked: Asked, client: web.BaseRequest, request_id: str, tried: list[Engine], began: float
    ) -> tuple[web.StreamResponse, str]:
        """One attempt. Raises FaultError if it failed and nothing was sent to the client."""
        more, last = {}, Role.COLOCATED
        if Role.DECODE in self._pool.roles:
            more, last = await self._prefill(asked, request_id, tried), Role.DECODE
        engine = self._choose(last, asked, tried)
        settings, body = self._settings, asked.body(asked.own | more)
        headers = {"X-Request-Id": asked.request_id, "Cache-Control": "no-cache"}
        wait = settings.silence_seconds if asked.stream else settings.answer_seconds
        async with self._post(engine, body, request_id, wait) as response:
            if not asked.stream:
                content = await _whole(response, engine, settings.silence_seconds)
                check_finished(content, engine)
                self._metrics.first_byte_seconds.observe(time.perf_counter() - began)
                answer = web.Response(body=content, content_type="application/json", headers=headers)
                return answer, str(answer.status)
            events = Events(response, engine)
            first = await events.first(settings.silence_seconds)
            if error := events.error_in(first):
                raise _failure(engine, None, error)
            self._metrics.first_byte_seconds.observe(time.perf_counter() - began)
            answer = web.StreamResponse(headers=headers | {"Content-Type": "text/event-stream; charset=utf-8"})
            fault = await relay(answer, client, first, events, settings.silence_seconds)
        if fault:
            self._note(fault)
            return answer, "cut"
        return answer, str(answer.status)

    async def _prefill(self, asked: Asked, request_id: str, tried: list[Engine]) -> dict[str, Any]:
        """Have a prefill engine read the prompt; what the decode engine is to be told."""
        engine = self._choose(Role.PREFILL, asked, tried)
        body = asked.body(_PREFILL | _REMOTE_DECODE if self._kv_params else _PREFILL)
        began = time.perf_counter()
        async with self._post(engine, body, request_id, self._settings.silence_seconds) as response:
            content = await _whole(response, engine, self._settings.silence_seconds)
        self._metrics.prefill_seconds.observe(time.perf_counter() - began)
        if not self._kv_params:
            return {}
        params = _object(content).get("kv_transfer_params")
        if not isinstance(params, dict) or not params:
            self._metrics.silent_local_prefills.inc()
            message = f"{engine.name} read a prompt and said nothing of where its KV cache is (kv_transfer_params)."
            raise FaultError(engine, "local_prefill", message)
        return {"kv_transfer_params": params}

    @asynccontextmanager
    async def _post(self, engine: Engine, body: bytes, request_id: str, wait: float) -> AsyncIterator[ClientResponse]:
        """An engine's answer, its head read and good; left before its end, the engine is told to stop.

        Raises:
            FaultError: If there is none within `wait` seconds, or none that is good.
            RefusedError: If the request is to blame.
        """
        headers = {"X-Request-Id": request_id}
        if engine.api_key is not None:
            headers["Authorization"] = f"Bearer {engine.api_key}"
        with self._pool.using(engine):
            try:
                async with asyncio.timeout(wait):
                    url = f"{engine.url}/v1/chat/completions"
                    response = await self._http.post(url, data=body, headers=headers, allow_redirects=False)
            except ConnectionTimeoutError:
                raise FaultError(engine, "unreachable", f"{engine.name} took no connection.") from None
            except TimeoutError:
                raise FaultError(engine, "silent", f"{engine.name} said nothing for {wait:g} s.") from None
            except ClientConnectorError:
                raise FaultError(engine, "unreachable", f"{engine.name} refused the connection.") from None
            except (ClientError, OSError):
                raise FaultError(engine, "reset", f"{engine.name} broke off the connection.") from None
            try:
                if response.status != 200:
                    content = await _whole(response, engine, self._settings.silence_seconds)
                    raise _failure(engine, response.status, content)
                yield response
            finally:
                response.close()


async def _whole(response: ClientResponse, engine: Engine, silence: float) -> bytes:
    """The body of a response. Raises FaultError if it doesn't come whole, or is empty or too long."""
    content = bytearray()
    try:
        async with asyncio.timeout(silence):
            async for data in response.content.iter_any():
                content += data
                if len(content) > LONGEST_ANSWER:
                    raise FaultError(engine, "too_long", f"{engine.name} sent more than {LONGEST_ANSWER:,} bytes.")
    except TimeoutError:
        raise FaultError(engine, "silent", f"{engine.name} fell silent in an answer.") from None
    except (ClientError, OSError):
        raise FaultError(engine, "cut", f"{engine.name} broke off in an answer.") from None
    if not content:
        raise FaultError(engine, "empty", f"{engine.name} sent an empty answer.")
    return bytes(content)


def _failure(engine: Engine, status: int | None, content: bytes) -> FaultError | RefusedError:
    """What an engine's error stands for. One amid a stream has its status within (vLLM's `code`): None here."""
    document = _object(content)
    details = document.get("error", document)
    if not isinstance(details, dict):
        details = {"message": details}
    if status is None:
        status = details.get("code")
    message = details.get("message")
    words = message if isinstance(message, str) else content[:LONGEST_WORDS].decode(errors="replace")
    if status in PASSED_ON:
        return RefusedError(status, words[:LONGEST_WORDS])
    return FaultError(engine, "error", f"{engine.name} failed with HTTP {quoted(str(status))}: {quoted(words)}")


def _object(content: bytes) -> dict[str, Any]:
    """A JSON object; an empty one for whatever else there is."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
