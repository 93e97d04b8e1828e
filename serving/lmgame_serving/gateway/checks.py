"""What of a request reaches an engine: only what is known to be harmless, written anew from what was checked.

The fields are those of OpenAI's chat completions and of vLLM 0.26 (`entrypoints/openai/chat_completion/protocol.py`).
Left out, and so refused, is what steers the engine beyond the answer (`priority`, `cache_salt`, `request_id`,
`vllm_xargs`), has it run or read what the client brings (`chat_template`, `mm_processor_kwargs`, `media_io_kwargs`,
parts other than text and images in the request itself) or costs a multiple of an answer (`n`, beam search,
`prompt_logprobs`). A part's `uuid` is refused, too: engines take what they remember under it for the image.
"""

import base64
import hashlib
import json
import re
import secrets
import string
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from typing import Any

from PIL import Image

from lmgame_common import quoted
from lmgame_serving.gateway.errors import RefusedError
from lmgame_serving.gateway.settings import GatewaySettings

LONGEST_SESSION = 256
"""Characters of X-Session-ID."""

# fmt: off
_FIELDS = frozenset((
    "messages", "model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n", "user",
    "temperature", "top_p", "top_k", "min_p", "seed", "stop", "stop_token_ids", "bad_words",
    "allowed_token_ids", "logit_bias", "frequency_penalty", "presence_penalty", "repetition_penalty",
    "min_tokens", "ignore_eos", "logprobs", "top_logprobs", "return_token_ids", "return_tokens_as_token_ids",
    "include_stop_str_in_output", "skip_special_tokens", "spaces_between_special_tokens", "response_format",
    "structured_outputs", "tools", "tool_choice", "parallel_tool_calls", "reasoning_effort",
    "include_reasoning", "thinking_token_budget", "chat_template_kwargs", "echo", "add_generation_prompt",
    "continue_final_message", "add_special_tokens",
))
_OF_MESSAGES = frozenset((
    "role", "content", "name", "refusal", "tool_calls", "tool_call_id", "function_call", "reasoning",
    "reasoning_content",
))
# fmt: on
_LIMITS = ("max_tokens", "max_completion_tokens")
_DIFFERING = frozenset(("stream", "stream_options", "min_tokens", *_LIMITS))
"""Fields that a prefill engine is sent otherwise."""
_URI = re.compile(r"data:image/(?:png|jpeg|webp);base64,", re.IGNORECASE)
_BASE64 = (string.ascii_letters + string.digits + "+/").encode()
_HEAD = 4096
"""Characters of base64 in which most pictures say their size."""
_REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)


@dataclass(frozen=True, eq=False)
class Asked:
    """A request for an answer that has passed all checks."""

    common: bytes
    """What every engine is sent, as JSON without its closing brace."""
    own: dict[str, Any]
    """Further fields, as the client gave them."""
    session: str | None
    request_id: str
    """The client's, or one made up."""

    @property
    def stream(self) -> bool:
        """Whether the answer is to come as it is made."""
        return bool(self.own.get("stream"))

    def body(self, fields: dict[str, Any]) -> bytes:
        """What an engine is sent: what all are, and these fields."""
        if not fields:
            return self.common + b"}"
        return self.common + b"," + _dumped(fields)[1:]


def session_of(given: str | None) -> str | None:
    """The session that a request says it belongs to. Raises RefusedError if its name is too long."""
    if given is not None and len(given) > LONGEST_SESSION:
        raise RefusedError(400, f"X-Session-ID may have up to {LONGEST_SESSION} characters.")
    return given or None


def request_id_of(given: str | None) -> str:
    """The request's id: the client's where it is a plain word, else one of our own."""
    return given if given and _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def checked(
    data: bytes, *, model: str, settings: GatewaySettings, session: str | None = None, request_id: str = ""
) -> Asked:
    """Read a request's body.

    Args:
        data: The JSON as it came.
        model: The only model that there is.
        settings: The limits.
        session: Who asks.
        request_id: What the request is called.

    Raises:
        RefusedError: If it is no request for one answer, or one that isn't let in.
    """
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise RefusedError(400, "The body is no JSON that can be read; expected a chat completion's.") from None
    if not isinstance(body, dict):
        raise RefusedError(400, "The body must be a JSON object.")
    body.pop("kv_transfer_params", None)  # ours alone: it names memory of other engines
    if body.get("model") != model:
        message = f"The model `{quoted(str(body.get('model')), 100)}` does not exist. This backend serves `{model}`."
        raise RefusedError(404, message, "model_not_found")
    _check_fields(body, settings)
    mark = secrets.token_hex(16)
    images = _check_messages(body.get("messages"), settings, mark)
    own = {name: body.pop(name) for name in _DIFFERING & body.keys()}
    pieces = _dumped(body)[:-1].split(mark.encode())
    common = b"".join(chain.from_iterable(zip(pieces, [*images, b""], strict=True)))
    return Asked(common, own, session, request_id)


def _dumped(document: dict[str, Any]) -> bytes:
    """A document as JSON. Raises RefusedError for what is none or no text: NaN, infinities, halves of characters."""
    try:
        return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise RefusedError(400, "The body has half a surrogate pair, which is no text.") from None
    except (ValueError, RecursionError):
        raise RefusedError(400, "The body has a number or a depth that JSON doesn't allow for.") from None


def _check_fields(body: dict[str, Any], settings: GatewaySettings) -> None:
    strange = sorted(name for name, value in body.items() if name not in _FIELDS and value is not None)
    if strange:
        names = quoted(", ".join(strange), 200)
        raise RefusedError(400, f"This backend takes no {names}. It takes: {', '.join(sorted(_FIELDS))}.")
    if body.get("n") not in (None, 1):
        raise RefusedError(400, "`n` must be 1: ask again for another answer.")
    if not isinstance(body.get("stream"), bool | None):
        raise RefusedError(400, "`stream` must be true or false.")
    for name in _LIMITS:
        limit = body.get(name)
        if limit is None:
            continue
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= settings.max_tokens:
            raise RefusedError(400, f"`{name}` must be a whole number from 1 to {settings.max_tokens}.")


def _check_messages(messages: Any, settings: GatewaySettings, mark: str) -> list[bytes]:
    """Check messages and take the images out of them.

    Writing them anew as JSON would take the longest of all; base64 needs none of it.

    Returns:
        The images' URIs, in whose places `mark` stands now.
    """
    if not isinstance(messages, list) or not messages:
        raise RefusedError(400, "`messages` must be a list of at least one message.")
    images: list[bytes] = []
    for message in messages:
        if not isinstance(message, dict) or not message.keys() <= _OF_MESSAGES:
            raise RefusedError(400, f"A message must be an object of {', '.join(sorted(_OF_MESSAGES))}.")
        content = message.get("content")
        if isinstance(content, str | None):
            continue
        if not isinstance(content, list):
            raise RefusedError(400, "A message's `content` must be a text or a list of parts.")
        for part in content:
            kind = part.get("type") if isinstance(part, dict) else None
            if kind == "text" and part.keys() == {"type", "text"} and isinstance(part["text"], str):
                continue
            if kind != "image_url" or part.keys() != {"type", "image_url"}:
                raise RefusedError(400, "A part must be a `text` or an `image_url` and have nothing else to it.")
            if len(images) == settings.max_images:
                raise RefusedError(413, f"The request has more than {settings.max_images} images.")
            images.append(_check_image(part["image_url"], settings))
            part["image_url"]["url"] = mark
            if settings.image_uuids:
                part["uuid"] = hashlib.sha256(images[-1]).hexdigest()
    return images


def _check_image(image: Any, settings: GatewaySettings) -> bytes:
    """The image's data URI, all of it plain base64. Its header alone is read."""
    uri = image.get("url") if isinstance(image, dict) and image.keys() <= {"url", "detail"} else None
    start = _URI.match(uri) if isinstance(uri, str) else None
    if not isinstance(uri, str) or not start:
        message = "An `image_url` must be {`url`: `data:image/png;base64,…`} (or jpeg, webp); nothing is fetched."
        raise RefusedError(400, message)
    whole = uri.encode(errors="replace")
    data = whole[start.end() :]
    unpadded = data.rstrip(b"=")
    proper = len(data) % 4 == 0 and len(data) - len(unpadded) <= 2 and not unpadded.translate(None, _BASE64)
    size = (_size(data[:_HEAD]) or _size(data)) if proper else None
    if size is None:
        raise RefusedError(400, "A picture can't be read as PNG, JPEG or WEBP from its data URI.")
    if size[0] * size[1] > settings.max_image_pixels:
        most = settings.max_image_pixels
        raise RefusedError(413, f"An image has {size[0]} x {size[1]} pixels; this backend takes up to {most:,}.")
    return whole


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a picture in base64; None if it can't be read, perhaps since its header goes on."""
    try:
        with Image.open(BytesIO(base64.b64decode(data)), formats=("PNG", "JPEG", "WEBP")) as picture:
            return picture.size
    except Exception:  # Pillow lets through whatever goes wrong in its readers
        return None
