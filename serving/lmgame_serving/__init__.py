"""From a model's name to an endpoint that answers: providers, URLs, engines in this process and on GPUs."""

from lmgame_serving.endpoint import Endpoint
from lmgame_serving.fetch import Progress
from lmgame_serving.names import (
    PICO,
    PICO_GAMES,
    SMOLLM2,
    VLLM,
    BackendModel,
    BackendSettings,
    EmbeddedModel,
    Resolved,
    known_names,
    resolve,
)
from lmgame_serving.opening import named, open_endpoint
from lmgame_serving.providers import PROVIDERS, Provider

__all__ = [
    "PICO",
    "PICO_GAMES",
    "PROVIDERS",
    "SMOLLM2",
    "VLLM",
    "BackendModel",
    "BackendSettings",
    "EmbeddedModel",
    "Endpoint",
    "Progress",
    "Provider",
    "Resolved",
    "known_names",
    "named",
    "open_endpoint",
    "resolve",
]
