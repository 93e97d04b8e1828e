"""What went wrong on the way to a model, as InfrastructureError: its kind, whether asking again helps, what to do.

Which words servers use was looked up in the documentation or sources of OpenAI, OpenRouter, DeepSeek, vLLM and
llama.cpp; an unknown wording falls back to the HTTP status.
"""

import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import openai

from lmgame_agents.core import InfrastructureError
from lmgame_common import quoted

_IMAGE = re.compile(r"image|vision|multi-?modal|mmproj|content type|valid string|must be a string", re.IGNORECASE)
_NO_IMAGE = re.compile(
    r"(image|vision|multi-?modal).{0,60}(not supported|unsupported)"
    r"|(not|n't) support.{0,60}(image|vision|multi-?modal)|missing.{0,60}(image|vision|multi-?modal)|mmproj",
    re.IGNORECASE,
)
_CONTEXT = re.compile(r"context.{0,20}(length|window|size)|too many tokens|prompt is too long", re.IGNORECASE)
_OVER_CONTEXT = re.compile(r"(exceed|greater|longer|larger).{0,60}context.{0,20}(length|window|size)", re.IGNORECASE)
_QUOTA = re.compile(r"insufficient[_ ](quota|balance|credits|funds)|exceeded your current quota|billing", re.IGNORECASE)
_MODEL = re.compile(
    r"model_not_found|unknown model|model .{0,120}(not found|does not exist|not exist)"
    r"|not a valid model|invalid model|no such model|model_not_exist",
    re.IGNORECASE,
)
_FILTER = re.compile(r"content_filter|responsibleaipolicy|input was flagged", re.IGNORECASE)


def error_text(body: Any) -> str:
    """The words of an error body: `{"error": {"message", "code"}}`, `{"message"}`, `{"detail"}` or plain text."""
    if isinstance(body, Mapping):
        error = body.get("error", body)
        if isinstance(error, Mapping):
            parts = [error.get(key) for key in ("message", "detail", "code", "type")]
            # OpenRouter wraps the words of the provider behind it.
            metadata = error.get("metadata")
            if isinstance(metadata, Mapping):
                parts.append(metadata.get("raw"))
            return " / ".join(str(part) for part in parts if part)
        return str(error)
    return str(body or "")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a `Retry-After` header asks to wait (RFC 9110, 10.2.3: seconds or an HTTP date), or None."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def refused_by_filter(status: int, text: str) -> bool:
    """Whether a provider's content filter turned the prompt down: a refusal, no fault of the infrastructure."""
    return status in (400, 403) and _FILTER.search(text) is not None


def from_status(
    status: int, text: str, *, where: str, model: str, images: bool, wait: float | None = None
) -> InfrastructureError:
    """The fault that an HTTP status with these words stands for.

    Args:
        status: HTTP status of 400 or above.
        text: The server's words, any secrets already taken out: what is shown is cut, and half a key still is one.
        where: The endpoint, as shown to people.
        model: The model that was asked for.
        images: Whether the request carried an image.
        wait: Seconds of the `Retry-After` header.
    """
    said = f" The server said: {quoted(text)}" if text else ""
    model = quoted(model)
    client_error = 400 <= status < 500
    if (client_error and _QUOTA.search(text)) or status == 402:
        message = f"The account behind the key for {where} has no credit left. Add credit or use another key.{said}"
        return InfrastructureError("quota", message, fatal=True)
    if images and _no_vision(status, text):
        message = f"{model} at {where} takes no images. Use `--observation text` or a model with vision.{said}"
        return InfrastructureError("no_vision", message, fatal=True)
    if status in (401, 403):
        message = f"{where} did not accept the API key (HTTP {status}). Check the key and what it may use.{said}"
        return InfrastructureError("unauthorized", message, fatal=True)
    if status == 404 or (status in (400, 422) and _MODEL.search(text)):
        check = "Check the model's name and the URL, which usually ends in `/v1`."
        message = f"{where} knows no model {model!r} (HTTP {status}). {check}{said}"
        return InfrastructureError("unknown_model", message, fatal=True)
    if status == 429:
        return InfrastructureError("rate_limited", f"{where} limits the rate of requests.{said}", retry_after=wait)
    # LM Studio reports it amid a stream, without a status.
    too_long = _CONTEXT.search(text) if status < 500 else _OVER_CONTEXT.search(text)
    if too_long and status not in (408, 409, 425):
        message = (
            f"The prompt and the longest answer don't fit together into the context of {model}. Use a smaller "
            f"`--history` or `--max-tokens`, give the server more context, or use a model with more.{said}"
        )
        return InfrastructureError("context_length", message, fatal=True)
    if status in (408, 409, 425) or status >= 500:
        return InfrastructureError(f"http_{status}", f"{where} failed with HTTP {status}.{said}", retry_after=wait)
    return InfrastructureError("bad_request", f"{where} refused the request (HTTP {status}).{said}", fatal=True)


def from_exception(error: Exception, *, where: str, began: bool, redact: Callable[[str], str]) -> InfrastructureError:
    """The fault that a failed exchange stands for.

    Args:
        error: What `openai` or `httpx2` raised, other than for an HTTP status.
        where: The endpoint, as shown to people.
        began: Whether part of the answer had arrived.
        redact: Takes secrets out of a text.
    """
    chain = list(_causes(error))

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in chain)

    if has(httpx2.ConnectTimeout):
        return InfrastructureError("connect_timeout", f"{where} did not answer the connection in time.")
    if has(httpx2.TimeoutException, openai.APITimeoutError, TimeoutError):
        if began:
            return InfrastructureError("stalled", f"{where} fell silent in the middle of an answer.")
        return InfrastructureError("stalled", f"{where} took the request and then said nothing.")
    if has(socket.gaierror):
        return InfrastructureError("dns", f"The host name of {where} cannot be resolved. Check the URL.")
    if has(ssl.SSLCertVerificationError):
        return InfrastructureError("tls", f"The certificate of {where} cannot be verified.", fatal=True)
    if has(ConnectionRefusedError):
        return InfrastructureError("refused", f"{where} refused the connection. Is the server running?")
    if has(httpx2.UnsupportedProtocol, httpx2.InvalidURL, httpx2.LocalProtocolError):
        return InfrastructureError("bad_request", f"{where} is no usable URL: {quoted(redact(str(error)))}", fatal=True)
    if began and not has(ConnectionResetError, BrokenPipeError):
        return InfrastructureError("cut", f"{where} ended an answer in its middle.")
    if has(httpx2.ConnectError):
        return InfrastructureError("unreachable", f"{where} cannot be reached: {quoted(redact(str(chain[-1])))}")
    return InfrastructureError("reset", f"{where} broke off the connection.")


def _no_vision(status: int, text: str) -> bool:
    """Whether a request with an image failed because of it. Above 500 only clear words count: those may pass."""
    if status >= 500:
        return _NO_IMAGE.search(text) is not None
    return status in (400, 404, 415, 422) and bool(_IMAGE.search(text)) and not _CONTEXT.search(text)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception, its causes and contexts, and the members of exception groups among them, at most 50."""
    waiting, seen = [error], set()
    while waiting and len(seen) < 50:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [cause for cause in (current.__cause__, current.__context__) if cause is not None]
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions
