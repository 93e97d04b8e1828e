"""A tiny request before any episode: does the endpoint answer, under this key and model, with these settings?"""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmgame_agents.core import InfrastructureError
from lmgame_agents.images import data_uri
from lmgame_agents.sampling import Dialect, Sampling

if TYPE_CHECKING:
    from lmgame_agents.client import ChatClient

_MAX_TOKENS = 256
"""Enough that servers don't object on behalf of models that think; one that thinks longer is cut off, which is fine."""
_SCHEMA = {
    "type": "object",
    "properties": {"ready": {"type": "boolean"}},
    "required": ["ready"],
    "additionalProperties": False,
}
_UNREACHED = frozenset({"refused", "dns", "unreachable", "connect_timeout", "tls"})
_ENOUGH = re.compile(r"max_tokens or model output limit was reached", re.IGNORECASE)
_REFUSAL = re.compile(
    r"unsupported|not support|unrecognized|unknown|unexpected|not permitted|forbidden|extra", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an endpoint was found to do."""

    vision: bool
    """Whether images are accepted; False where that wasn't asked."""
    structured: bool
    """Whether structured output is accepted; False where that wasn't asked."""
    reasoning: bool
    """Whether the model thought before it answered."""
    dialect: Dialect
    """Which request parameters the server understands; the client has been told."""


async def preflight(
    client: "ChatClient", *, wants_images: bool | None = None, sampling: Sampling = Sampling()
) -> Capabilities:
    """Ask for one word, with a small picture unless `wants_images` is False. One request, two if there is no vision.

    A picture that meets HTTP 5xx costs three: only if the same question works without it and then fails again with it
    is it the picture, and not passing trouble, that the server stumbles over.

    A parameter that the server spells differently or that lmgame can do without (`max_tokens`, `stream_options`,
    `seed`) costs one request more, and is remembered in `client.dialect`.

    Args:
        client: The connection to be tried.
        wants_images: True: images are needed; False: they are not; None: find out.
        sampling: The settings of the run.

    Raises:
        InfrastructureError: With `fatal` where starting episodes would be of no use: an endpoint that can't be
            reached or takes requests and says nothing, a wrong key or model, images or structured output wanted and
            not supported, a setting refused.
            Without it where the server is in passing trouble (rate limits, HTTP 500).
    """
    probe = replace(sampling, max_tokens=_MAX_TOKENS, seed=sampling.seed or 0)  # a run sends seeds
    vision = wants_images is not False
    doubted = settled = False  # whether the picture met HTTP 5xx; whether it got its second chance
    for _ in range(8):
        try:
            reply = await client.ask(_messages(images=vision), probe, session_id="preflight", schema=_SCHEMA)
        except InfrastructureError as fault:
            if fault.kind == "no_vision" and wants_images is None and vision:
                vision = False
                continue
            if fault.kind in ("bad_request", "context_length"):
                if _ENOUGH.search(str(fault)):
                    return _found(client, sampling, vision=vision, reasoning=True)
                if (dialect := _adapted(client.dialect, str(fault))) is not None:
                    client.dialect = dialect
                    continue
                if wants_images is None and vision:  # perhaps it was the image, in words that nobody knows
                    vision = False
                    continue
                raise _explained(fault, sampling) from None
            if fault.kind.startswith("http_5") and wants_images is None and vision:
                vision, doubted = False, True
                continue
            if fault.kind == "stalled":
                message = f"{fault} Is it the URL of a model's API? If it is only slow, raise `--idle-timeout`."
                raise InfrastructureError(fault.kind, message, fatal=True) from None
            if fault.kind in _UNREACHED:
                raise InfrastructureError(fault.kind, str(fault), fatal=True) from None
            raise
        if doubted and not settled:  # the server has come round: was it the picture, then?
            vision = settled = True
            continue
        thought = bool(reply.thought or reply.usage.reasoning_tokens or "<think>" in reply.text)
        return _found(client, sampling, vision=vision, reasoning=thought)
    raise InfrastructureError("bad_request", f"{client.where} refuses every form of request.", fatal=True)


def _messages(*, images: bool) -> list[dict[str, Any]]:
    text = 'Are you ready? Answer with {"ready": true} alone.'
    if not images:
        return [{"role": "user", "content": text}]
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[16:48, 16:48] = (200, 0, 0)
    image = {"type": "image_url", "image_url": {"url": data_uri(picture)}}
    return [{"role": "user", "content": [image, {"type": "text", "text": text}]}]


def _found(client: "ChatClient", sampling: Sampling, *, vision: bool, reasoning: bool) -> Capabilities:
    return Capabilities(vision=vision, structured=sampling.structured, reasoning=reasoning, dialect=client.dialect)


def _adapted(dialect: Dialect, message: str) -> Dialect | None:
    """The dialect without what the message complains of, or None if that can't be helped."""
    if not _REFUSAL.search(message):
        return None
    if dialect.token_limit == "max_tokens" and "max_completion_tokens" in message:
        return replace(dialect, token_limit="max_completion_tokens")
    if dialect.token_limit == "max_completion_tokens" and "max_completion_tokens" in message:
        return replace(dialect, token_limit="max_tokens")
    for name in ("stream_options", "seed"):
        if name in message and name not in dialect.unsupported:
            return replace(dialect, unsupported=dialect.unsupported | {name})
    return None


def _explained(fault: InfrastructureError, sampling: Sampling) -> InfrastructureError:
    message = str(fault)
    if sampling.structured and re.search(r"response_format|json_schema|structured|grammar|schema", message):
        message = f"Structured output is not supported here; leave it off. {message}"
    for name in ("temperature", "top_p", "reasoning_effort"):
        if getattr(sampling, name) is not None and name in message:
            message = f"This model does not take {name}={getattr(sampling, name)}; leave it out or change it. {message}"
    return InfrastructureError(fault.kind, message, fatal=True)
