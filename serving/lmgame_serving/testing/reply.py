"""What the stub server answers: a reply, its faults, and their bytes on the wire (HTTP/1.1, server-sent events)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import pairwise
from typing import Any, Literal

Fault = Literal[
    "refuse",
    "reset",
    "reset_headers",
    "reset_stream",
    "stall",
    "cut",
    "cut_clean",
    "empty",
    "malformed",
    "not_streamed",
    "http_401",
    "http_404",
    "http_429",
    "http_500",
    "no_vision",
]
"""How a reply goes wrong.

- `refuse`: the connection is reset and new ones are refused, for `Reply.delay` seconds or, at 0, until
  `StubServer.listen` is called.
- `reset`, `reset_headers`, `reset_stream`: a TCP reset before the headers, after them, or amid the stream.
- `stall`: half of the stream, then silence on an open connection.
- `cut`: half of the stream, then the connection is closed.
- `cut_clean` (streams only): half of the stream, then its proper end in HTTP's terms, with neither a finish
  reason nor `[DONE]`.
- `empty`: status 200 with an empty body.
- `malformed`: broken JSON amid the stream.
- `not_streamed`: one JSON document in answer to a request for a stream.
- `http_401`, `http_404` (unknown model), `http_429` (with `Retry-After: 1` unless `headers` says otherwise),
  `http_500`, `no_vision` (400): the errors as providers word them.
"""

DEFAULT_USAGE = {"prompt_tokens": 100, "completion_tokens": 24, "total_tokens": 124}

ERRORS: dict[str, tuple[int, str, str]] = {
    "http_401": (401, "invalid_api_key", "Incorrect API key provided."),
    "http_404": (404, "model_not_found", "The model does not exist or you do not have access to it."),
    "http_429": (429, "rate_limit_exceeded", "Rate limit reached."),
    "http_500": (500, "server_error", "The server had an error while processing your request."),
    "no_vision": (400, "invalid_request_error", "This model does not support image input."),
}


@dataclass(frozen=True, eq=False)
class Reply:
    """One answer of the stub server."""

    text: str = '{"moves": ["hard_drop"]}'
    chunks: int = 24
    """Events the text is spread over when streamed; exactly so many, empty ones at the end if the text is short."""
    reasoning: str | None = None
    """Sent as `reasoning_content`, in as many events again, before the text."""
    delay: float = 0.0
    """Seconds before the first byte."""
    gap: float = 0.0
    """Seconds between events. At 0 the whole stream is written at once."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | str | None = None
    """Sent as the whole body instead of anything made from the other fields."""
    finish_reason: str = "stop"
    usage: Mapping[str, Any] | None = field(default_factory=lambda: dict(DEFAULT_USAGE))
    """Token counts; a streamed answer has them only if the request asks for them. None: never."""
    fault: Fault | None = None


@dataclass(frozen=True)
class Wire:
    """A reply as bytes: the head of the response, then the parts of its body."""

    head: bytes
    parts: list[bytes]

    @property
    def half(self) -> int:
        """How many parts are sent before a fault amid the body."""
        return len(self.parts) // 2


def encode(reply: Reply, *, model: str, stream: bool, include_usage: bool) -> Wire:
    """The bytes of a reply to a request that asks for `stream` and, in the stream, for `include_usage`."""
    if reply.fault in ERRORS:
        status, code, message = ERRORS[reply.fault]
        headers = {"Retry-After": "1", **reply.headers} if status == 429 else reply.headers
        return whole(status, _json({"error": {"message": message, "type": code, "code": code}}), headers)
    if reply.fault == "empty":
        return whole(reply.status, b"", reply.headers)
    if reply.body is not None:
        return whole(reply.status, reply.body.encode() if isinstance(reply.body, str) else reply.body, reply.headers)
    if reply.status != 200:
        error = {"message": reply.text, "type": "error", "code": str(reply.status)}
        return whole(reply.status, _json({"error": error}), reply.headers)
    if stream and reply.fault != "not_streamed":
        head = _head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked", **reply.headers})
        events = _events(reply, model, include_usage)
        if reply.fault == "malformed":
            events.insert(len(events) // 2, b'{"id": "chatcmpl-stub", "choices": [{"delta": {"cont')
        return Wire(head, [_chunk(b"data: " + event + b"\n\n") for event in events] + [b"0\r\n\r\n"])
    body = _json(_completion(reply, model))
    return whole(200, body[: len(body) // 2] if reply.fault == "malformed" else body, reply.headers)


def whole(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Wire:
    """A response in one piece with a known length, split in two parts so that faults can hit its middle."""
    head = _head(status, {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})})
    return Wire(head, [body[: len(body) // 2], body[len(body) // 2 :]])


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _pieces(text: str, n: int) -> list[str]:
    """Split a text into n pieces, as even as can be, the longer ones (and all non-empty ones) first."""
    cuts = [-(-i * len(text) // n) for i in range(n + 1)]
    return [text[a:b] for a, b in pairwise(cuts)]


def _events(reply: Reply, model: str, include_usage: bool) -> list[bytes]:
    common = {"id": "chatcmpl-stub", "object": "chat.completion.chunk", "created": 0, "model": model}

    def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return _json({**common, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    n = max(1, reply.chunks)
    events = [event({"role": "assistant", "content": ""})]
    if reply.reasoning is not None:
        events += [event({"reasoning_content": piece}) for piece in _pieces(reply.reasoning, n)]
    events += [event({"content": piece}) for piece in _pieces(reply.text, n)]
    events.append(event({}, reply.finish_reason))
    if include_usage and reply.usage is not None:
        events.append(_json({**common, "choices": [], "usage": reply.usage}))
    return [*events, b"[DONE]"]


def _completion(reply: Reply, model: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.reasoning is not None:
        message["reasoning_content"] = reply.reasoning
    return {
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish_reason}],
        **({"usage": reply.usage} if reply.usage is not None else {}),
    }
