"""Proof that a prompt's KV cache gets from a prefill engine to a decode engine, and is used there."""

import asyncio
import base64
import io
import os
import random
import secrets
import string
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
from PIL import Image

from lmgame_common import quoted
from lmgame_serving.backend.metrics import COUNTLESS, Counters, fetch_counters
from lmgame_serving.gateway.pool import Engine

BLOCKS = 3
"""KV blocks that a probe's prompt should be long, at least."""
PROVEN_WITHIN = 5.0
"""Seconds after the answer, within which the decode engine's counters must show the transfer."""
_ASK_SECONDS = 120
"""How long an engine may take for a probe; the first prompt of all may have to compile something."""
_NOISE = 32
_PIXEL = 14
_WORDS = 2000
"""Bytes of an engine's complaint that are read."""
ASKED: dict[str, Any] = {
    "do_remote_decode": True,
    "do_remote_prefill": False,
    "remote_engine_id": None,
    "remote_block_ids": None,
    "remote_host": None,
    "remote_port": None,
}
"""The `kv_transfer_params` of a request to a prefill engine, as vLLM's NIXL connector wants them."""


class ProbeError(Exception):
    """Raised when a transfer can't be shown to work; says why, for people."""

    def __init__(self, message: str, engine: Engine) -> None:
        super().__init__(message)
        self.engine = engine
        """Which engine is to blame."""


class RefusedProbeError(ProbeError):
    """Raised when an engine takes a request for a wrong one."""


@dataclass(frozen=True)
class Proof:
    """What a probe has shown."""

    proven: bool
    """False where prompts of this model are too short for the connector to move any block of them."""
    tokens: int
    """The prompt's."""
    grown: Counters
    """By how much the decode engine's counters grew."""


async def prove(
    session: aiohttp.ClientSession,
    prefill: Engine,
    decode: Engine,
    *,
    model: str,
    block_size: int,
    nixl: bool,
    within: float = PROVEN_WITHIN,
) -> Proof:
    """Send a prompt that no engine has seen through a pair of engines, and look at what the decode engine counts.

    Nobody else should use the decode engine meanwhile. The prompt begins with a nonce, so that nothing of it can be
    cached. It is text; where the model's template drops texts, as that of a model made for pictures may, it is a
    picture of noise.

    Args:
        session: What to ask with.
        prefill: Where the prompt goes first.
        decode: Where its KV cache has to arrive.
        model: The name that the engines know the model by.
        block_size: Tokens of a KV block.
        nixl: Whether the connector is NIXL, which names the cache in its answer.
        within: Seconds within which the counters must show it.

    Raises:
        ProbeError: If the engines fail or nothing was moved.
    """
    wanted = BLOCKS * block_size
    proof = await _send(session, prefill, decode, model, wanted, 0, nixl, within)
    if not proof.proven and not nixl:
        # vLLM's ExampleConnector never finds a prompt that is one token longer than whole blocks. This one may have
        # been, and then another length will do.
        proof = await _send(session, prefill, decode, model, wanted, block_size // 2, nixl, within)
    grown = proof.grown
    if proof.proven or (proof.tokens < block_size and not grown.failed_transfers):
        return proof
    raise ProbeError(
        f"The KV cache of a prompt of {proof.tokens} tokens didn't get from {prefill.name} to {decode.name}: "
        f"{grown.external_tokens:.0f} tokens were taken over and {grown.local_tokens:.0f} computed anew"
        + (f", NIXL moved {grown.moved_bytes:.0f} bytes" if grown.counts_nixl else "")
        + (f" and failed {grown.failed_transfers:.0f} times" if grown.counts_nixl else "")
        + ".",
        decode,
    )


async def _send(
    session: aiohttp.ClientSession,
    prefill: Engine,
    decode: Engine,
    model: str,
    wanted: int,
    more: int,
    nixl: bool,
    within: float,
) -> Proof:
    """Send a prompt of `wanted + more` tokens through, or a picture where a text makes no `wanted` ones."""
    before = await _counters(session, decode)
    body: dict[str, Any] = {"model": model, "messages": _text(wanted + more), "max_tokens": 1, "temperature": 0}
    refused: ProbeError | None = None
    answer: dict[str, Any] = {}
    try:
        answer = await _ask(session, prefill, body | {"kv_transfer_params": ASKED})
    except RefusedProbeError as error:  # it may be too long for the model
        refused = error
    if _length(answer) < wanted:
        pictured = body | {"messages": _picture()}
        try:
            body, answer = pictured, await _ask(session, prefill, pictured | {"kv_transfer_params": ASKED})
        except RefusedProbeError:  # the model takes no pictures, and its short prompt has to do
            if refused:
                raise refused from None
    params = answer.get("kv_transfer_params")
    if nixl and not isinstance(params, dict):
        raise ProbeError(
            f"{prefill.name} answered without kv_transfer_params: it doesn't keep KV caches for others. "
            f"Look at its --kv-transfer-config.",
            prefill,
        )
    await _ask(session, decode, body | ({"kv_transfer_params": params} if params else {}))
    until = time.monotonic() + within
    while True:
        grown = await _counters(session, decode) - before
        moved = (
            grown.external_tokens > 0
            and (grown.moved_bytes > 0 or not grown.counts_nixl)
            and not grown.failed_transfers
        )
        if moved or time.monotonic() > until:
            return Proof(moved, _length(answer), grown)
        await asyncio.sleep(min(0.2, within / 10))


async def ask_little(session: aiohttp.ClientSession, engine: Engine, *, model: str, seconds: float) -> None:
    """Have an engine do the least it can: a prompt of a word, one token.

    Raises:
        ProbeError: If it doesn't.
    """
    body = {"model": model, "messages": [{"role": "user", "content": secrets.token_hex(4)}], "max_tokens": 1}
    await _ask(session, engine, body, seconds)


async def _ask(
    session: aiohttp.ClientSession, engine: Engine, body: dict[str, Any], seconds: float = _ASK_SECONDS
) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {engine.api_key}"} if engine.api_key else {}
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with session.post(
            f"{engine.url}/v1/chat/completions", json=body, headers=headers, timeout=timeout
        ) as response:
            if response.status != 200:
                words = quoted((await response.content.read(_WORDS)).decode(errors="replace"))
                kind = RefusedProbeError if response.status in (400, 413, 422) else ProbeError
                raise kind(f"{engine.name} answered a probe with status {response.status}: {words}", engine)
            answer = await response.json()
            if not isinstance(answer, dict):
                raise ValueError("not an object")
            return answer
    except COUNTLESS as error:
        raise ProbeError(f"{engine.name} didn't answer a probe ({type(error).__name__}).", engine) from error


async def _counters(session: aiohttp.ClientSession, engine: Engine) -> Counters:
    try:
        return await fetch_counters(session, engine.url, PROVEN_WITHIN)
    except COUNTLESS as error:
        raise ProbeError(f"{engine.name} doesn't say what it counts ({type(error).__name__}).", engine) from error


def _length(answer: dict[str, Any]) -> int:
    """Tokens of the prompt, as the engine counts them."""
    usage = answer.get("usage")
    tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return tokens if isinstance(tokens, int) else 0


def _text(tokens: int) -> list[dict[str, Any]]:
    """A prompt of that many tokens, about: tokenizers make one token at least of each lone letter."""
    letters = " ".join(random.choices(string.ascii_lowercase, k=tokens))
    return [{"role": "user", "content": f"{secrets.token_hex(8)} {letters}"}]


def _picture() -> list[dict[str, Any]]:
    """A prompt with a picture of noise, 448 pixels a side."""
    picture, file = Image.frombytes("L", (_NOISE, _NOISE), os.urandom(_NOISE**2)), io.BytesIO()
    side = _NOISE * _PIXEL
    picture.resize((side, side), Image.Resampling.NEAREST).convert("RGB").save(file, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    part = {"type": "image_url", "image_url": {"url": url}}
    return [{"role": "user", "content": [part, {"type": "text", "text": "?"}]}]
