"""Reads one chat completion off the wire: server-sent events, or one JSON document in their place.

The `openai` package builds checked objects from every event, at about 100 µs each; this reads the few fields that
matter straight from the JSON, at a tenth of it. Format: https://platform.openai.com/docs/api-reference/chat-streaming
and https://html.spec.whatwg.org/multipage/server-sent-events.html (one `data:` line an event, as all servers send).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lmgame_agents.core import Latency, Usage

MAX_BYTES = 64 * 1024 * 1024
"""Longest response that is read, far above what any model writes."""

_MOST = 10**9
"""Highest token count or cost of one answer that is believed."""


class MalformedError(Exception):
    """Raised inside the agents' room for a response that is not what the API promises."""


class StreamedError(Exception):
    """Raised inside the agents' room for an error that a server sends in the middle of a stream."""

    def __init__(self, body: Any) -> None:
        super().__init__("error in the stream")
        self.body = body


@dataclass(frozen=True, slots=True)
class Reply:
    """One chat completion as it came."""

    text: str = ""
    thought: str | None = None
    """What came apart from the text as reasoning."""
    refusal: str | None = None
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    latency: Latency = field(default_factory=Latency)
    timed_out: bool = False
    """True if the model was still generating when its time was up."""


class ReplyReader:
    """Puts a reply together from the bytes of a response, fed as they arrive.

    Args:
        sent: When the request was sent, in seconds of the clock that `feed` is given.
    """

    def __init__(self, sent: float) -> None:
        self._sent = sent
        self._size = 0
        self._rest = b""
        self._document: bytes | None = None
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._refusals: list[str] = []
        self._usage: Mapping[str, Any] = {}
        self._first = self._last = 0.0
        self._end = sent
        self._generated = 0
        self.finish_reason: str | None = None
        self.done = False
        """Whether `[DONE]` was seen."""

    @property
    def began(self) -> bool:
        """Whether anything of an answer has come: a chunk, or part of a document."""
        return self._end > self._sent or self._document is not None

    @property
    def complete(self) -> bool:
        """Whether the answer has come to its end."""
        return self.done or self.finish_reason is not None

    def feed(self, data: bytes, now: float) -> None:
        """Take the next bytes, which arrived at `now`. Raises MalformedError and StreamedError."""
        self._size += len(data)
        if self._size > MAX_BYTES:
            raise MalformedError(f"the response is longer than {MAX_BYTES} bytes")
        if self._document is not None:
            self._document += data
            return
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if line.startswith(b"data:"):
                self._event(line[5:].strip(), now)
            elif line.startswith(b"error:"):  # how llama.cpp used to send errors amid a stream
                raise StreamedError(_load(line[6:]))
            elif line.startswith(b"{") and not self.began:
                self._document = b"\n".join([*lines[lines.index(line) :], self._rest])
                return
        if not self.began and self._rest.lstrip().startswith(b"{"):
            self._document, self._rest = self._rest, b""

    def finish(self, now: float) -> None:
        """Take the end of the response. Raises MalformedError and StreamedError."""
        if self._document is not None:
            self._whole(_load(self._document))
            self._end = now
        elif self._rest.startswith(b"data:"):  # the last line may lack its end
            self._event(self._rest[5:].strip(), now)
            self._rest = b""
        elif self._size and not self.began and not self.done and self._rest.strip():
            raise MalformedError("the response is neither a stream of events nor JSON")

    def reply(self, *, timed_out: bool = False, now: float | None = None) -> Reply:
        """The reply as far as it came; `now` stands for its end where it has none of its own."""
        between = (self._last - self._first) / (self._generated - 1) if self._generated > 1 else None
        latency = Latency(
            total=(self._end if now is None else now) - self._sent,
            first_token=self._first - self._sent if self._generated else None,
            between_tokens=between,
        )
        return Reply(
            text=_joined(self._texts),
            thought=_joined(self._thoughts) or None,
            refusal=_joined(self._refusals) or None,
            finish_reason=self.finish_reason,
            usage=_usage(self._usage),
            latency=latency,
            timed_out=timed_out,
        )

    def _event(self, data: bytes, now: float) -> None:
        if not data:
            return
        if data == b"[DONE]":
            self.done = True
            return
        event = _load(data)
        self._count(event)
        if event.get("error"):
            raise StreamedError(event)
        self._end = now
        if self._choice(event, "delta"):
            if not self._generated:
                self._first = now
            self._last = now
            self._generated += 1

    def _whole(self, document: Mapping[str, Any]) -> None:
        self._count(document)
        if document.get("error"):
            raise StreamedError(document)
        if not document.get("choices"):
            raise MalformedError("the response has no choices")
        self._choice(document, "message")
        self.done = True

    def _count(self, event: Mapping[str, Any]) -> None:
        """Take the token counts, which an error may carry as well."""
        usage = event.get("usage")
        if isinstance(usage, dict):
            self._usage = usage

    def _choice(self, event: Mapping[str, Any], key: str) -> bool:
        """Take what one event or document says; whether it had anything that the model generated."""
        choices = event.get("choices")
        if not choices:
            return False
        choice = choices[0] if isinstance(choices, list) else None
        if not isinstance(choice, dict):
            raise MalformedError("a choice is no object")
        if reason := choice.get("finish_reason"):
            if reason == "error":  # OpenRouter, where the provider behind it failed
                raise StreamedError(event)
            self.finish_reason = _joined([str(reason)])
        delta = choice.get(key)
        if not isinstance(delta, dict):
            return False
        text, thought = _text(delta.get("content"))
        thought += _string(delta.get("reasoning_content")) or _string(delta.get("reasoning"))
        refusal = _string(delta.get("refusal"))
        if text:
            self._texts.append(text)
        if thought:
            self._thoughts.append(thought)
        if refusal:
            self._refusals.append(refusal)
        return bool(text or thought or refusal)


def _joined(pieces: list[str]) -> str:
    """The pieces as one text. Some servers cut a surrogate pair in two; a half without its other becomes U+FFFD."""
    return "".join(pieces).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _load(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"broken JSON ({error})") from None
    if not isinstance(value, dict):
        raise MalformedError("an event is no JSON object")
    return value


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _text(content: Any) -> tuple[str, str]:
    """Text and thought of a `content` field: a string, or a list of parts as Mistral's reasoning models send it."""
    if isinstance(content, str):
        return content, ""
    if not isinstance(content, list):
        return "", ""
    text, thought = "", ""
    for part in content:
        if isinstance(part, dict):
            text += _string(part.get("text"))
            thought += _text(part.get("thinking"))[0]
    return text, thought


def _usage(usage: Mapping[str, Any]) -> Usage:
    def count(value: Any) -> int | None:
        return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST else None

    def price(value: Any) -> float | None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        return float(value) if 0 <= value <= _MOST else None  # NaN is neither

    def detail(group: str, name: str) -> int | None:
        details = usage.get(group)
        return count(details.get(name)) if isinstance(details, dict) else None

    cached = detail("prompt_tokens_details", "cached_tokens")
    return Usage(
        prompt_tokens=count(usage.get("prompt_tokens")),
        cached_tokens=count(usage.get("prompt_cache_hit_tokens")) if cached is None else cached,  # DeepSeek's name
        completion_tokens=count(usage.get("completion_tokens")),
        reasoning_tokens=detail("completion_tokens_details", "reasoning_tokens"),
        cost_usd=price(usage.get("cost")),
    )
