"""A plugin for vLLM, so that it serves Idefics3 models whose pictures aren't split, as `pico` is.

vLLM 0.26 takes the number of a picture's views from transformers, which says 0 for a picture that isn't split, where
there is one: vLLM issue 48667, open in November 2026. Without the plugin vLLM ends at start-up; with a vLLM that counts
right by itself it changes nothing.
"""

import importlib
import logging
from typing import Any


def register() -> None:
    """Have vLLM count at least one view a picture. vLLM calls it, through the entry point `vllm.general_plugins`."""
    try:
        idefics3: Any = importlib.import_module("vllm.model_executor.models.idefics3")
        info = idefics3.Idefics3ProcessingInfo
        count = info.get_num_patches
    except (ImportError, AttributeError) as error:  # vLLM serves its other models whatever becomes of this one
        logging.getLogger(__name__).warning(
            "lmgame's plugin doesn't fit this vLLM (%s). If pico can't be served, see vLLM issue 48667.", error
        )
        return
    if getattr(count, "counts_unsplit", False):
        return

    def at_least_one(self: Any, **kwargs: Any) -> int:
        return max(1, count(self, **kwargs))

    at_least_one.counts_unsplit = True  # type: ignore[attr-defined]
    info.get_num_patches = at_least_one
