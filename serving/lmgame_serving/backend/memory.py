"""How much memory the KV caches of engines that share a GPU may take."""

from collections.abc import Sequence

from lmgame_common import EndpointError, UsageError
from lmgame_serving.backend.gpus import Gpu
from lmgame_serving.backend.model import ModelFacts
from lmgame_serving.backend.profile import Profile
from lmgame_serving.gateway.pool import Role

RESERVE = 3 * 2**30
"""Bytes for an engine besides weights and KV cache: CUDA itself, activations, CUDA graphs."""
LEAST = 256 * 2**20
"""Bytes; with a smaller KV cache no game could be played."""
_UNITS = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def as_bytes(size: str | int) -> int:
    """A size as vLLM reads it: `8G` are gibibytes, `8g` a thousand million bytes each."""
    if isinstance(size, int):
        return size
    return int(float(size[:-1]) * _UNITS[size[-1]]) if size[-1] in _UNITS else int(size)


def shared_cache_bytes(profile: Profile, facts: ModelFacts, gpus: Sequence[Gpu]) -> int | None:
    """The size of the KV cache, on each GPU, of every engine that the profile gives none; None without shared GPUs.

    What is free, but for each engine's weights and RESERVE, is divided in equal parts. Engines that start at once can't
    find that out by themselves: each would see the other's memory in the middle of its growth.

    Raises:
        UsageError: If the size of the weights isn't known.
        EndpointError: If there isn't enough memory.
    """
    if not profile.share_gpu or profile.device == "cpu":
        return None
    roles = {Role.COLOCATED: profile.replicas}
    if profile.shape == "pd":
        roles = {Role.PREFILL: profile.prefill, Role.DECODE: profile.decode}
    left = min(gpu.free_bytes for gpu in gpus)
    free, open_engines = left, 0
    for role, count in roles.items():
        settings = profile.settings(role)
        if settings.kv_cache_memory_bytes is not None:
            left -= count * as_bytes(settings.kv_cache_memory_bytes)
        else:
            open_engines += count
        weights = facts.weight_bytes(settings.load_format)
        if weights is None:
            if all(profile.settings(each).kv_cache_memory_bytes for each in roles):
                return None  # then it's the user's own sum
            raise UsageError(
                "Engines are to share a GPU, and the size of the model's weights isn't known, since they aren't on "
                "this machine. Fetch the model first, or say how large each KV cache may be: "
                "--set engine.kv_cache_memory_bytes='\"8G\"'"
            )
        left -= count * (weights // profile.tensor_parallel_size + RESERVE)
    if not open_engines:
        return None
    each = left // open_engines // 2**20 * 2**20
    if each < LEAST:
        raise EndpointError(
            f"{profile.engines} engines don't fit on one GPU: {free / 2**30:.1f} GiB are free, and beside the weights "
            f"and {RESERVE // 2**30} GiB for each engine's own needs {max(0, each) / 2**20:.0f} MiB would be left for "
            "each KV cache. Free memory (`nvidia-smi` says who uses it), take --profile colocated, or a smaller model."
        )
    return each
