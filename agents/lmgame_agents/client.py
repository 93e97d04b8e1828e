"""A streaming client for one model behind an OpenAI-compatible API: one attempt a call, every fault by its name."""

import asyncio
import json
import re
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass
from zlib import crc32

import httpx2
import openai

from lmgame_agents.core import InfrastructureError
from lmgame_agents.faults import error_text, from_exception, from_status, refused_by_filter, retry_after
from lmgame_agents.sampling import Dialect, Sampling, request_body
from lmgame_agents.stream import MalformedError, Reply, ReplyReader, StreamedError
from lmgame_common import UsageError, explained_proxies, is_loopback, quoted

CONNECT_TIMEOUT = 10.0
IDLE_TIMEOUT = 120.0
REQUEST_TIMEOUT = 600.0
_GRACE = 2.0
"""Seconds that a finished answer is waited on for its token counts and the end of its stream."""
_POOLS = 32
_SECRET = re.compile(r"auth|key|token|secret|cookie|password", re.IGNORECASE)
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=30)


class ChatClient:
    """Asks one model, for all episodes of a run at once.

    Args:
        base_url: URL of the API, usually ending in `/v1`. A user and password in it are sent as basic authentication.
        api_key: Key sent as a bearer token; None sends none (and never one from the environment).
        model: Name of the model as the server knows it.
        extra_headers: Sent with every request.
        connect_timeout: Seconds to open a connection.
        idle_timeout: Seconds without a byte from the server after which a request counts as stalled. It must exceed
            the longest time that the server queues a request or the model thinks out of sight.
        request_timeout: Seconds for a whole answer. A model still generating then has run out of time itself.
        redact: Further secrets to keep out of messages; the key and secret values of `extra_headers` always are.
        http_client: Another HTTP client than the default one.

    Raises:
        UsageError: If the URL has a key in its query, or a proxy of the environment can't be used.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None,
        model: str,
        *,
        extra_headers: Mapping[str, str] | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        idle_timeout: float = IDLE_TIMEOUT,
        request_timeout: float = REQUEST_TIMEOUT,
        redact: Sequence[str] = (),
        http_client: httpx2.AsyncClient | None = None,
    ) -> None:
        self.model = model
        self.dialect = Dialect(token_limit="max_completion_tokens" if _is_openai(base_url) else "max_tokens")
        self.where, self._query, basic = _parts(base_url)
        """The endpoint as shown to people: no user info, no query."""
        self._request_timeout = request_timeout
        self._secrets = _secrets(base_url, api_key, extra_headers or {}, redact)
        headers: dict[str, Any] = dict(extra_headers or {})
        if basic is not None and api_key is None:
            headers.setdefault("Authorization", basic)
        # Left out at each request: the package takes its absence among the defaults for a mistake.
        keyed = api_key is not None or any(name.lower() == "authorization" for name in headers)
        self._headers: dict[str, Any] = {} if keyed else {"Authorization": openai.Omit()}
        if not _is_openai(base_url):  # the package would send what OPENAI_ORG_ID and OPENAI_PROJECT_ID say to anybody
            headers |= {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
        timeout = httpx2.Timeout(idle_timeout, connect=connect_timeout, pool=None)
        self._http = http_client or _http_client(base_url, timeout)
        self._openai = openai.AsyncOpenAI(
            base_url=self.where,
            default_query=self._query,
            api_key=api_key or "none",
            max_retries=0,
            timeout=timeout,
            default_headers=headers,
            http_client=self._http,
        )

    def __repr__(self) -> str:
        return f"ChatClient({self.where!r}, model={self.model!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._openai.close()

    def body(
        self, messages: list[dict[str, Any]], sampling: Sampling, *, schema: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The JSON body that `ask` sends."""
        return request_body(self.model, messages, sampling, dialect=self.dialect, schema=schema)

    async def ask(
        self,
        messages: list[dict[str, Any]],
        sampling: Sampling = Sampling(),
        *,
        session_id: str | None = None,
        schema: Mapping[str, Any] | None = None,
    ) -> Reply:
        """Ask once. A server that ignores `stream` and one that leaves out `[DONE]` are understood.

        Args:
            messages: The conversation, as the API has it.
            sampling: Settings of this request.
            session_id: Sent as `X-Session-ID`, so that a router can keep an episode on one worker.
            schema: JSON schema of the answer, for `sampling.structured`.

        Raises:
            InfrastructureError: If no answer came, through no fault of the model; see `lmgame_agents.faults`.
        """
        body = json.dumps(self.body(messages, sampling, schema=schema), ensure_ascii=False, separators=(",", ":"))
        images = any(isinstance(message["content"], list) for message in messages)
        reader = ReplyReader(time.perf_counter())
        try:
            await self._exchange(body.encode(), session_id, reader)
        except MalformedError as error:
            raise self._fault("malformed", f"{self.where} sent no proper answer: {error}.") from None
        except StreamedError as error:
            return await self._refusal(_status_in(error.body), error_text(error.body), images, reader)
        except httpx2.HTTPStatusError as error:
            response = error.response
            text, wait = _words(response), retry_after(response.headers)
            return await self._refusal(response.status_code, text, images, reader, wait)
        except TimeoutError:
            if not reader.began:
                message = f"{self.where} sent nothing within {self._request_timeout:g} s."
                raise self._fault("stalled", message) from None
            if not reader.complete:
                return reader.reply(timed_out=True, now=time.perf_counter())
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            fault = from_exception(error, where=self.where, began=reader.began, redact=self._hide)
            raise self._redacted(fault) from None
        if not reader.complete:
            kind = "cut" if reader.began else "empty"
            raise self._fault(kind, f"{self.where} sent an answer without an end.")
        reply = reader.reply()
        if reply.finish_reason == "abort":  # vLLM, when it is stopped
            raise self._fault("cut", f"{self.where} gave up an answer before its end.")
        if not reader.began or not (reply.finish_reason or reply.text or reply.thought or reply.refusal):
            raise self._fault("empty", f"{self.where} sent an empty answer.")
        return reply

    async def models(self) -> list[str]:
        """Names of the models that the server lists; empty if it doesn't list any."""
        try:
            async with asyncio.timeout(10):
                listing = await self._openai.get("/models", cast_to=object, options={"headers": self._headers})
        except (openai.APIError, httpx2.HTTPError, TimeoutError, ValueError):
            return []
        rows = listing.get("data") if isinstance(listing, dict) else None
        return [str(row["id"]) for row in rows or () if isinstance(row, dict) and "id" in row]

    @cached_property
    def _constant(self) -> tuple[httpx2.URL, httpx2.Headers]:
        """URL and headers of every request for an answer, as the package has them.

        Put together once: the package does it anew for each request, at a quarter of the CPU that one costs.
        """
        headers = httpx2.Headers({**self._http.headers, **self._openai.auth_headers})
        for name, value in {**self._openai.default_headers, **self._headers, "Accept": "text/event-stream"}.items():
            if isinstance(value, str):
                headers[name] = value
            else:  # openai.Omit
                headers.pop(name, None)
        return self._openai.base_url.join("chat/completions").copy_merge_params(self._query), headers

    async def _exchange(self, body: bytes, session_id: str | None, reader: ReplyReader) -> None:
        """Send a request and feed the reader with the response until it ends or the answer is complete."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._request_timeout) as limit:
            url, headers = self._constant
            request = httpx2.Request("POST", url, headers=headers, cookies=self._http.cookies, content=body)
            if session_id is not None:
                request.headers["X-Session-ID"] = session_id
            response = await self._http.send(request, stream=True)
            graced = False
            try:
                if not response.is_success:
                    await response.aread()
                    response.raise_for_status()
                async for data in response.aiter_bytes():
                    reader.feed(data, time.perf_counter())
                    if reader.complete and not graced:
                        graced = True
                        limit.reschedule(min(limit.when() or loop.time(), loop.time() + _GRACE))
                reader.finish(time.perf_counter())
            except httpx2.HTTPError:
                if not reader.complete:
                    raise
            finally:
                await response.aclose()

    async def _refusal(
        self, status: int, text: str, images: bool, reader: ReplyReader, wait: float | None = None
    ) -> Reply:
        """The reply that an error of the server stands for, if it is a refusal. Raises InfrastructureError if not."""
        if refused_by_filter(status, text):
            return replace(reader.reply(now=time.perf_counter()), finish_reason="content_filter")
        text = self._hide(text)  # before anything is cut: half a key still is one
        fault = from_status(status, text, where=self.where, model=self.model, images=images, wait=wait)
        names = await self.models() if fault.kind == "unknown_model" else []
        if names and self.model not in names:
            names = [quoted(self._hide(name)) for name in names]
            close = get_close_matches(self.model, names, n=1, cutoff=0.4)
            listing = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
            hint = f"Did you mean {close[0]!r}? " if close else ""
            message = f"{self.where} knows no model {self.model!r}. {hint}It lists: {listing}."
            fault = InfrastructureError(fault.kind, message, fatal=True)
        raise self._redacted(fault) from None

    def _fault(self, kind: str, message: str) -> InfrastructureError:
        return self._redacted(InfrastructureError(kind, message))

    def _redacted(self, fault: InfrastructureError) -> InfrastructureError:
        return InfrastructureError(fault.kind, self._hide(str(fault)), retry_after=fault.retry_after, fatal=fault.fatal)

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class _Pools(httpx2.AsyncBaseTransport):
    """Many connection pools, one picked by session: a pool's work grows with its connections at every request.

    Measured with 256 requests in flight: 1.0 ms of CPU a request with one pool, 0.7 ms so.
    """

    def __init__(self) -> None:
        context = httpx2.create_ssl_context()
        self._pools = [httpx2.AsyncHTTPTransport(verify=context, limits=_LIMITS) for _ in range(_POOLS)]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        session = request.headers.get("X-Session-ID", "")
        return await self._pools[crc32(session.encode()) % _POOLS].handle_async_request(request)

    async def aclose(self) -> None:
        for pool in self._pools:
            await pool.aclose()


def _http_client(base_url: str, timeout: httpx2.Timeout) -> httpx2.AsyncClient:
    """The default HTTP client: proxies of the environment are honoured, in one pool then, but not to this machine.

    Raises:
        UsageError: If such a proxy can't be used.
    """
    target, proxies = urlsplit(base_url), getproxies()
    host = target.hostname or ""
    proxied = (target.scheme in proxies or "all" in proxies) and not is_loopback(host) and not proxy_bypass(host)
    transport = None if proxied else _Pools()
    with explained_proxies():
        return httpx2.AsyncClient(transport=transport, timeout=timeout, limits=_LIMITS, follow_redirects=True)


def _secrets(base_url: str, api_key: str | None, headers: Mapping[str, str], more: Sequence[str]) -> list[str]:
    """Everything that must not be shown, the longest first: the key, secret headers, a URL's password."""
    parts = urlsplit(base_url)
    found = [api_key, *more, parts.password]
    for name, value in headers.items():
        if _SECRET.search(name):
            found += [value, value.rpartition(" ")[2]]
    whole = {secret.strip() for secret in found if secret}
    # Libraries show a header that can't be sent as `repr` does, which writes control characters out.
    return sorted((s for s in whole | {repr(s)[1:-1] for s in whole} if len(s) >= 4), key=len, reverse=True)


def _words(response: httpx2.Response) -> str:
    """What a response that is no success says."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return response.text
    return error_text(body.get("error", body) if isinstance(body, dict) else body) or response.text


def _status_in(body: Any) -> int:
    """The HTTP status that an error amid a stream carries, 500 where it has none."""
    error = body.get("error") if isinstance(body, dict) else None
    for source in (error, body):
        code = source.get("code", source.get("status")) if isinstance(source, dict) else None
        if isinstance(code, int | str) and str(code).isdecimal() and 400 <= int(code) < 600:
            return int(code)
    return 500


def _is_openai(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    return host == "api.openai.com" or host.endswith(".openai.azure.com")


def _parts(base_url: str) -> tuple[str, dict[str, str], str | None]:
    """A URL without user info and query; the query; the header that the user info stands for.

    Raises:
        UsageError: If the query has a key in it, which would show in logs.
    """
    parts = urlsplit(base_url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if secret := next((name for name in query if _SECRET.search(name)), None):
        raise UsageError(f"The URL carries {secret!r}. Give keys as the API key or in a header, not in the URL.")
    user, at, host = parts.netloc.rpartition("@")
    basic = "Basic " + b64encode(unquote(user).encode()).decode() if at else None
    return parts._replace(netloc=host, query="", fragment="").geturl(), query, basic
