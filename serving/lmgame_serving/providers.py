"""The table of providers: what each is called, where it answers, where its key is found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Provider:
    """An OpenAI-compatible API known by name: `NAME/MODEL` asks it for MODEL."""

    name: str
    title: str
    base_url: str
    """From the provider's own documentation of its OpenAI-compatible API."""
    key_variables: tuple[str, ...] = ()
    """Environment variables that may hold the key, the first one that is set wins; empty where none is needed."""
    max_tokens_parameter: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the API calls the limit on generated tokens."""
    request_defaults: Mapping[str, Any] = field(default_factory=dict)
    """Fields that the JSON body of every request has besides the usual ones."""


_TABLE = (
    Provider(
        name="openai",
        title="OpenAI",
        base_url="https://api.openai.com/v1",
        key_variables=("OPENAI_API_KEY",),
        max_tokens_parameter="max_completion_tokens",  # reasoning models refuse the older name
    ),
    Provider(
        name="anthropic",
        title="Anthropic",
        base_url="https://api.anthropic.com/v1",
        key_variables=("ANTHROPIC_API_KEY",),
    ),
    Provider(
        name="gemini",
        title="Google Gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    ),
    Provider(name="xai", title="xAI", base_url="https://api.x.ai/v1", key_variables=("XAI_API_KEY",)),
    Provider(
        name="deepseek",
        title="DeepSeek",
        base_url="https://api.deepseek.com/v1",
        key_variables=("DEEPSEEK_API_KEY",),
    ),
    Provider(
        name="openrouter",
        title="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        key_variables=("OPENROUTER_API_KEY",),
        request_defaults={"usage": {"include": True}},  # the cost of a request comes with its token counts
    ),
    Provider(
        name="together",
        title="Together AI",
        base_url="https://api.together.xyz/v1",
        key_variables=("TOGETHER_API_KEY",),
    ),
    Provider(
        name="groq",
        title="Groq",
        base_url="https://api.groq.com/openai/v1",
        key_variables=("GROQ_API_KEY",),
    ),
    Provider(
        name="fireworks",
        title="Fireworks AI",
        base_url="https://api.fireworks.ai/inference/v1",
        key_variables=("FIREWORKS_API_KEY",),
    ),
    Provider(name="ollama", title="Ollama on this machine", base_url="http://127.0.0.1:11434/v1"),
    Provider(name="lmstudio", title="LM Studio on this machine", base_url="http://127.0.0.1:1234/v1"),
)

PROVIDERS: Mapping[str, Provider] = MappingProxyType({provider.name: provider for provider in _TABLE})
"""All providers by name."""
