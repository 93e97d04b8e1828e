"""What a gateway lets in, and how long it waits."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class GatewaySettings(BaseModel):
    """What the gateway lets in, and how long it waits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """0 takes a free one."""
    max_body_bytes: Count = 32 * 1024 * 1024
    max_images: Annotated[int, Field(ge=0)] = 4
    max_image_pixels: Count = 4_000_000
    """Of one image."""
    max_tokens: Count = 32_768
    """The most that a request may ask for. One that asks for no number gets what the engine has: the rest of the
    model's context, `max_model_len`."""
    max_in_flight: Count = 1024
    """Requests at once; more are answered 429 with Retry-After."""
    ready_seconds: Seconds = 30
    """How long a request waits for an engine to come (back) before it is answered 503 with Retry-After."""
    silence_seconds: Seconds = 60
    """Without a byte from an engine, after which a request counts as lost there. A prompt's prefill counts, too, and
    so does the time that an engine queues it. A client that reads nothing for so long is cut off."""
    answer_seconds: Seconds = 600
    """How long an answer that isn't streamed may take, since nothing comes of it before its end."""
    attempts: Count = 3
    """Times that a request is tried before its first byte, the first one included."""
    image_uuids: bool = False
    """Sends each image's SHA-256 as its `uuid`, so that engines needn't hash it."""
