"""How a model is asked: sampling settings, and which request parameters its server understands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lmgame_common import UsageError

MAX_TOKENS = 1024
"""Default for `Sampling.max_tokens`: several times what the longest answer of any game takes."""
MAX_TOKENS_REASONING = 16_384
"""Default for models that think before they answer, whose thought counts against the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Sampling settings of a model. None leaves a setting to the server, whose default its maker chose.

    Temperature is left to the server by default: makers of reasoning models advise against greedy decoding or refuse
    the parameter, and an interval over many seeded games needs no greedy model to be reproducible.

    Raises:
        UsageError: If a value is out of range.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    """Most tokens of one answer, thought included. None: `MAX_TOKENS`; see `resolve`."""
    seed: int | None = None
    """The model's own seed, the same for all requests of an episode."""
    reasoning_effort: str | None = None
    structured: bool = False
    """Whether answers are asked for as structured output (a JSON schema made from the card)."""
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the request body; they override all others."""

    def __post_init__(self) -> None:
        if self.temperature is not None and not 0 <= self.temperature <= 2:
            raise UsageError(f"The temperature must lie between 0 and 2; it was {self.temperature}.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise UsageError(f"top-p must be above 0 and at most 1; it was {self.top_p}.")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise UsageError(f"max-tokens must be at least 1; it was {self.max_tokens}.")

    def resolve(self, *, reasoning: bool) -> int:
        """`max_tokens`, or its default for a model that thinks (`reasoning`) or doesn't."""
        return self.max_tokens or (MAX_TOKENS_REASONING if reasoning else MAX_TOKENS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Which request parameters a server understands; the preflight finds out by being refused."""

    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    unsupported: frozenset[str] = frozenset()
    """Parameters that must not be sent."""


def request_body(
    model: str,
    messages: list[dict[str, Any]],
    sampling: Sampling,
    *,
    dialect: Dialect = Dialect(),
    schema: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The body of a streaming chat-completions request.

    Args:
        model: Name of the model.
        messages: The conversation.
        sampling: Settings; those that are None or that the dialect lacks are left out.
        dialect: What the server understands.
        schema: JSON schema that the answer must follow, sent if `sampling.structured`.
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        dialect.token_limit: sampling.resolve(reasoning=False),
    }
    for name in ("temperature", "top_p", "seed", "reasoning_effort"):
        value = getattr(sampling, name)
        if value is not None:
            body[name] = value
    if sampling.structured and schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        }
    for name in dialect.unsupported:
        body.pop(name, None)
    body.update(sampling.extra_body)
    return body
