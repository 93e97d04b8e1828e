"""What a model's own files say that matters before it is served: whether it takes images, how large it is."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.gguf")
"""In the order in which vLLM prefers them."""
_IMAGE_MARKS = ("vision_config", "image_token_id", "image_token_index", "vit_config", "img_processor")


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model on this machine."""

    folder: Path | None
    """Where its files are; None for a model of the hub that hasn't been fetched yet."""
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Its `config.json`; empty if that isn't there or can't be read."""

    @property
    def takes_images(self) -> bool | None:
        """None if that isn't known."""
        return any(mark in self.config for mark in _IMAGE_MARKS) if self.config else None

    @property
    def heads(self) -> int | None:
        """Attention heads of the language model, which tensor parallelism divides."""
        heads = _text(self.config).get("num_attention_heads")
        return heads if isinstance(heads, int) else None

    @property
    def file_bytes(self) -> int:
        """Size of the files with its weights, 0 if there are none."""
        for pattern in _WEIGHTS:
            files = [file for file in self.folder.glob(pattern) if file.is_file()] if self.folder else []
            # Some models come twice: in the files of their makers' own programs, and in those that vLLM reads.
            files = [file for file in files if not file.name.startswith("consolidated")] or files
            if files:
                return sum(file.stat().st_size for file in files)
        return 0

    def weight_bytes(self, load_format: str | None) -> int | None:
        """Size of the weights in memory, None if it isn't known.

        Args:
            load_format: vLLM's; for `dummy` the size is an estimate from the shape, for there are no files.
        """
        if load_format == "dummy":
            return 2 * _parameters(self.config) if self.config else None
        return self.file_bytes or None


def look_at(model: str, env: Mapping[str, str]) -> ModelFacts:
    """Find a model on this machine and read its configuration.

    Args:
        model: A folder, or a name on the Hugging Face hub, whose cache is looked into.
        env: Where HF_HUB_CACHE and HF_HOME are looked up.
    """
    folder = Path(model) if Path(model).is_dir() else _in_cache(model, env)
    config: Any = None
    if folder:
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            config = None
    return ModelFacts(folder, config if isinstance(config, dict) else {})


def _in_cache(model: str, env: Mapping[str, str]) -> Path | None:
    """The folder of the hub's cache with the current state of a model."""
    home = env.get("HF_HOME") or os.path.join(env.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")  # noqa: PTH118
    cache = Path(env.get("HF_HUB_CACHE") or os.path.join(home, "hub")).expanduser()  # noqa: PTH118
    repository = cache / f"models--{model.replace('/', '--')}"
    try:
        commit = (repository / "refs/main").read_text().strip()
    except OSError:
        return None
    folder = repository / "snapshots" / commit
    return folder if folder.is_dir() else None


def _text(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The language model's part of a configuration."""
    text = config.get("text_config")
    return text if isinstance(text, dict) else config


def _parameters(config: Mapping[str, Any]) -> int:
    """An estimate of a model's parameters: the matrices of its layers and its embeddings."""
    text, vision = _text(config), config.get("vision_config")
    hidden, vocabulary = _number(text, "hidden_size"), _number(text, "vocab_size")
    embeddings = 1 if text.get("tie_word_embeddings", config.get("tie_word_embeddings")) else 2
    count = _layers(text, gated=3) + embeddings * hidden * vocabulary
    return count + (_layers(vision, gated=3) if isinstance(vision, dict) else 0)


def _layers(config: Mapping[str, Any], gated: int) -> int:
    hidden, heads = _number(config, "hidden_size"), max(1, _number(config, "num_attention_heads", "num_heads"))
    head = _number(config, "head_dim") or hidden // heads
    kv_heads = _number(config, "num_key_value_heads") or heads
    attention = 2 * hidden * head * (heads + kv_heads)
    experts = _number(config, "num_experts", "num_local_experts", "n_routed_experts")
    wide = _number(config, "moe_intermediate_size") if experts else 0
    mlp = gated * hidden * (wide or _number(config, "intermediate_size")) * max(1, experts)
    return _number(config, "num_hidden_layers", "depth") * (attention + mlp)


def _number(config: Mapping[str, Any], *names: str) -> int:
    return next((value for name in names if isinstance(value := config.get(name), int)), 0)
