"""Chat completions, in the terms of the OpenAI API: what is asked, what is answered, what is refused.

Format: https://platform.openai.com/docs/api-reference/chat.
"""

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from lmgame_serving.pico_engine.loaded import Loaded
from lmgame_serving.pico_engine.picture import PictureError, open_picture
from lmgame_serving.pico_engine.text import IMAGE


class RefusedError(Exception):
    """Raised inside this engine for a request that isn't answered; the message is for the client."""

    def __init__(self, message: str, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code = status, code

    def body(self) -> dict[str, Any]:
        """The error as the API has it."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": None, "code": self.code}}


class _Address(BaseModel):
    url: str


class _TextPart(BaseModel):
    type: Literal["text"]
    text: str


class _ImagePart(BaseModel):
    type: Literal["image_url"]
    image_url: _Address


class _Message(BaseModel):
    role: str
    content: str | list[Annotated[_TextPart | _ImagePart, Field(discriminator="type")]] | None = None


class _StreamOptions(BaseModel):
    include_usage: bool = False


class _Form(BaseModel):
    type: str


class ChatRequest(BaseModel):
    """The body of a request. Fields that it doesn't have are ignored, as everywhere."""

    model: str
    messages: Annotated[list[_Message], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: Literal[1] | None = None
    logprobs: Literal[False] | None = None
    stop: None = None
    tools: None = None
    response_format: _Form | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with the token counts."""
        return self.stream_options is not None and self.stream_options.include_usage

    @classmethod
    def read(cls, body: bytes) -> "ChatRequest":
        """A request from its bytes. Raises RefusedError."""
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            raise RefusedError("The request is no JSON.") from None
        try:
            request = cls.model_validate(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(step) for step in first["loc"]) or "the request"
            raise RefusedError(f"{place}: {first['msg']}. pico takes no other values here.") from None
        if request.response_format and request.response_format.type != "text":
            raise RefusedError("response_format is not supported: pico writes in one format only, that of the games.")
        return request


@dataclass(frozen=True, slots=True)
class Piece:
    """What a step of generation adds to an answer: text, maybe none, and, the last time, why it ends."""

    text: str
    finish_reason: Literal["stop", "length"] | None = None


class Completion:
    """One request being answered.

    Args:
        loaded: The model.
        name: What the model is called here.
        request: What is asked.

    Raises:
        RefusedError: If it can't be answered.
    """

    def __init__(self, loaded: Loaded, name: str, request: ChatRequest) -> None:
        if request.model != name:
            raise RefusedError(f"The model {request.model!r} does not exist; {name} does.", 404, "model_not_found")
        self._loaded, self._request = loaded, request
        self._about = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": name}
        messages, pictures = _conversation(request)
        rendered = loaded.text.render(messages)
        if len(pictures) != 1 or rendered.count(IMAGE) != 1:
            raise RefusedError(
                f"pico needs one picture of the game, the newest, and got {len(pictures)}: it sees frames and reads no "
                "text. Ask it with --observation image."
            )
        self._picture = pictures[0]
        self.prompt = loaded.text.prompt(rendered)
        """Its tokens."""
        asked = request.max_completion_tokens or request.max_tokens or loaded.model.usual_limit
        self._limit = min(asked, loaded.model.context - len(self.prompt))
        self._count = 0

    def pieces(self) -> Iterator[Piece]:
        """Generate. Raises RefusedError if the picture can't be used."""
        try:
            pixels = self._loaded.sight.pixels(open_picture(self._picture))
        except PictureError as error:
            raise RefusedError(f"Invalid image: {error}.") from None
        draw, decoder = _Draw(self._request), self._loaded.text.decoder()
        answer = self._loaded.model.read(self.prompt, pixels)
        while True:
            token = draw(answer.logits)
            self._count += 1
            if token == self._loaded.model.end:
                yield Piece(decoder.finish(), "stop")
                return
            text = decoder.feed(token)
            if self._count == self._limit:
                yield Piece(text + decoder.finish(), "length")
                return
            yield Piece(text)
            answer.go_on(token)

    def usage(self) -> dict[str, int]:
        """Token counts so far."""
        prompt = len(self.prompt)
        return {"prompt_tokens": prompt, "completion_tokens": self._count, "total_tokens": prompt + self._count}

    def document(self, text: str, finish_reason: str | None) -> dict[str, Any]:
        """The whole answer as one document."""
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}
        return {**self._about, "object": "chat.completion", "choices": [choice], "usage": self.usage()}

    def chunk(self, piece: Piece | None) -> dict[str, Any]:
        """A piece of the answer as an event of a stream; None makes the first event, which only says who speaks."""
        delta = {"role": "assistant", "content": ""} if piece is None else {"content": piece.text}
        choice = {"index": 0, "delta": delta, "finish_reason": piece and piece.finish_reason, "logprobs": None}
        return {**self._about, "object": "chat.completion.chunk", "choices": [choice]}

    def usage_chunk(self) -> dict[str, Any]:
        """The event with the token counts, which comes last."""
        return {**self._about, "object": "chat.completion.chunk", "choices": [], "usage": self.usage()}


GREEDY = 1e-5
"""Temperatures below this draw the likeliest token, as 0 does: dividing by them goes beyond what floats can hold."""


class _Draw:
    """Picks a token: the likeliest, or, if a temperature is given, by chance."""

    def __init__(self, request: ChatRequest) -> None:
        self._temperature = request.temperature or 0.0
        self._top_p = 1.0 if request.top_p is None else request.top_p
        self._random = np.random.default_rng(None if request.seed is None else abs(request.seed))

    def __call__(self, logits: np.ndarray) -> int:
        if self._temperature < GREEDY:
            return int(logits.argmax())
        scaled = logits.astype(np.float64) / self._temperature
        chances = np.exp(scaled - scaled.max())
        order = np.argsort(-chances, kind="stable")
        chances = chances[order] / chances.sum()
        before = np.cumsum(chances) - chances  # the tokens that are needed to reach top_p, the likeliest at least
        chances[before >= self._top_p] = 0
        return int(order[self._random.choice(len(order), p=chances / chances.sum())])


def _conversation(request: ChatRequest) -> tuple[list[dict[str, Any]], list[str]]:
    """The messages as chat templates expect them, and the pictures' URIs apart."""
    messages: list[dict[str, Any]] = []
    pictures: list[str] = []
    for message in request.messages:
        content: str | list[dict[str, Any]] = message.content if isinstance(message.content, str) else []
        for part in message.content if isinstance(message.content, list) else ():
            assert isinstance(content, list)
            if isinstance(part, _TextPart):
                content.append({"type": "text", "text": part.text})
            else:
                content.append({"type": "image"})
                pictures.append(part.image_url.url)
        messages.append({"role": message.role, "content": content})
    return messages, pictures
