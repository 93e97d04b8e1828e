"""Where a model answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A model behind an OpenAI-compatible API, with all that a client needs to ask it."""

    name: str
    """The model's name as the user typed it."""
    base_url: str
    """What the paths `/chat/completions` and `/models` are appended to; never with a user name or password in it."""
    model: str
    """The model's name as the server knows it. Empty where the server is still to be asked; see `open_endpoint`."""
    provider: str
    """A name from the table of providers, `url` for any other server, `llamacpp` or `pico` for an engine in this
    process, `vllm` for engines that lmgame runs on this machine's GPUs."""
    api_key: str | None = field(default=None, repr=False)
    """The secret; None where the server asks for none. Never write it anywhere: see `redact`."""
    extra_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """HTTP headers that every request carries."""
    structured_outputs: bool = False
    """Whether answers held to a JSON schema are asked for unless the user says otherwise."""
    vision: bool | None = None
    """Whether the model takes images; None where only trying tells."""
    reads_text: bool = True
    """False for a model that looks at the picture alone, whatever it is told."""
    trained_on: tuple[str, ...] = ()
    """The games, as `GAME/PRESET`, that a reference model was trained to play, and plays no others. Its scores are a
    fixed point to compare with, no evidence about general models, and are never ranked among theirs. Empty for all
    other models, which were trained on what nobody here knows."""
    max_tokens_parameter: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the API calls the limit on generated tokens."""
    request_defaults: Mapping[str, Any] = field(default_factory=dict)
    """Fields that the JSON body of every request has besides the usual ones."""
    backend: Mapping[str, Any] = field(default_factory=dict)
    """What is known of the engines behind it and belongs into records: versions, shape, hardware. Empty for servers
    that lmgame didn't start."""

    def redact(self, text: str) -> str:
        """The text with every occurrence of the key replaced; for whatever a server or a library said."""
        return text.replace(self.api_key, "[key]") if self.api_key else text
