"""From a profile to the engines to start: their commands, environments, ports and GPUs.

The flags are those of `vllm serve` 0.26 (`vllm/engine/arg_utils.py`, `vllm/entrypoints/openai/cli_args.py`).
"""

import json
import os
import shutil
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lmgame_serving.backend.environment import engine_environment
from lmgame_serving.backend.gpus import Gpu, choose
from lmgame_serving.backend.memory import shared_cache_bytes
from lmgame_serving.backend.model import look_at
from lmgame_serving.backend.plugins import write_plugins
from lmgame_serving.backend.ports import reserve
from lmgame_serving.backend.profile import EngineSettings, Profile
from lmgame_serving.gateway.pool import Role

NIXL, EXAMPLE = "NixlConnector", "ExampleConnector"
_SIDE_CHANNEL, _HTTP = 0, 8
"""Offsets among an engine's ports."""
_SMALL_SHARE = "0.1"
"""vLLM wants this share of a GPU to be free at the start even where the KV cache's size is given, and by default 0.92:
more than an engine finds whose neighbour was there first."""
_DEFAULT_BLOCK = {"cuda": 16, "cpu": 128}
"""vLLM's own block sizes."""


@dataclass(frozen=True, kw_only=True)
class EngineSpec:
    """One engine to start."""

    name: str
    """Such as `prefill-0`."""
    role: Role
    argv: tuple[str, ...]
    """Of `vllm serve`; holds no secret."""
    env: dict[str, str] = field(repr=False)
    """The whole environment; holds the engine's key."""
    port: int
    """On 127.0.0.1."""
    gpus: tuple[int, ...]
    """By nvidia-smi's numbers; empty on CPUs."""
    log: Path
    block_size: int
    """Tokens of a KV block."""
    reserved: tuple[socket.socket, ...] = field(default=(), repr=False, compare=False)
    """What keeps the engine's ports for it, from start to start; see `ports.reserve`."""


def plan(
    profile: Profile,
    *,
    model: str,
    served_name: str,
    python: str,
    gpus: Sequence[Gpu],
    folder: Path,
    api_key: str,
    flashinfer: bool = False,
    env: Mapping[str, str] | None = None,
) -> list[EngineSpec]:
    """Say which engines are to be started, and how. Nothing is started; their ports are reserved.

    Args:
        profile: The backend's.
        model: A folder or a name on the Hugging Face hub.
        served_name: What the engines call it.
        python: The interpreter that has vLLM.
        gpus: Those that may be used; ignored on CPUs.
        folder: The backend's own, for the engines' logs and what they share. What engines shared before is removed.
        api_key: What the engines want to be sent.
        flashinfer: Whether that interpreter has FlashInfer, whose sampler vLLM would use unasked.
        env: The caller's environment, which the engines inherit but for secrets; the process's by default.

    Raises:
        UsageError: If there are too few GPUs, or the size of a KV cache can't be worked out.
        EndpointError: If no ports are free or the memory doesn't suffice.
    """
    env = os.environ if env is None else env
    facts = look_at(model, env)
    chosen = choose(profile, gpus) if profile.device == "cuda" else []
    cache_bytes = shared_cache_bytes(profile, facts, chosen)
    store = folder / "kv"
    shutil.rmtree(store, ignore_errors=True)
    if profile.kv_transfer.connector == EXAMPLE and profile.shape == "pd":
        store.mkdir(mode=0o700, parents=True)
    plugins = write_plugins(folder / "plugins")
    specs = []
    for number, (name, role) in enumerate(names(profile)):
        settings = profile.settings(role)
        first, reserved = reserve((_SIDE_CHANNEL, _HTTP))
        size = profile.tensor_parallel_size
        own = chosen[:size] if profile.share_gpu else chosen[number * size : (number + 1) * size]
        argv = command(
            profile,
            role,
            model=model,
            served_name=served_name,
            python=python,
            port=first + _HTTP,
            takes_images=facts.takes_images,
            cache_bytes=cache_bytes,
            store=store,
        )
        environment = engine_environment(
            env,
            name=name,
            python=python,
            gpus=own if profile.device == "cuda" else None,
            plugins=plugins,
            api_key=api_key,
            flashinfer=flashinfer,
            side_channel=first + _SIDE_CHANNEL if uses_nixl(profile) else None,
        )
        if settings.rust_frontend:
            environment["VLLM_USE_RUST_FRONTEND"] = "1"
        specs.append(
            EngineSpec(
                name=name,
                role=role,
                argv=argv,
                env=environment | settings.env,
                port=first + _HTTP,
                gpus=tuple(gpu.index for gpu in own),
                log=folder / f"{name}.log",
                block_size=settings.block_size or _DEFAULT_BLOCK[profile.device],
                reserved=reserved,
            )
        )
    return specs


def uses_nixl(profile: Profile) -> bool:
    """Whether the engines hand KV caches over through NIXL."""
    return profile.shape == "pd" and profile.kv_transfer.connector == NIXL


def names(profile: Profile) -> list[tuple[str, Role]]:
    """The names and roles of a profile's engines."""
    if profile.shape == "colocated":
        counts = {Role.COLOCATED: profile.replicas}
    else:
        counts = {Role.PREFILL: profile.prefill, Role.DECODE: profile.decode}
    return [(f"{role}-{number}", role) for role, count in counts.items() for number in range(count)]


def command(
    profile: Profile,
    role: Role,
    *,
    model: str,
    served_name: str,
    python: str,
    port: int,
    takes_images: bool | None = None,
    cache_bytes: int | None = None,
    store: Path = Path("kv"),
) -> tuple[str, ...]:
    """The command of an engine.

    Args:
        profile: The backend's.
        role: What the engine does.
        model: A folder, best an absolute path, or a name on the hub.
        served_name: What it calls the model.
        python: The interpreter that has vLLM.
        port: Where it is to listen on 127.0.0.1.
        takes_images: Whether the model does; None if that isn't known, and then vLLM finds out.
        cache_bytes: The KV cache's size where the profile gives none.
        store: The folder through which `ExampleConnector` hands over.
    """
    settings = profile.settings(role)
    options: dict[str, Any] = {
        "served-model-name": served_name,
        "host": "127.0.0.1",
        "port": port,
        "disable-uvicorn-access-log": True,
        "disable-fastapi-docs": True,
        "tensor-parallel-size": profile.tensor_parallel_size if profile.tensor_parallel_size > 1 else None,
        "limit-mm-per-prompt": None if takes_images is False else {"image": settings.images_per_prompt, "video": 0},
        "kv-transfer-config": _transfer(profile, role, store),
    }
    options |= _engine_options(settings, cache_bytes)
    where, words = str(Path(model).resolve()) if Path(model).is_dir() else model, []
    for name, value in options.items():
        words += _words(name, value)
    if profile.device == "cpu":
        # vLLM's command line asks for a distribution called `vllm`, which builds for CPUs aren't.
        vllm = ("vllm.entrypoints.openai.api_server", "--model", where)
    else:
        vllm = ("vllm.entrypoints.cli.main", "serve", where)
    return (python, "-m", *vllm, *words, *settings.extra_args)


def _engine_options(settings: EngineSettings, cache_bytes: int | None) -> dict[str, Any]:
    """Options of `vllm serve` that a profile has by the same name."""
    cache = settings.kv_cache_memory_bytes or cache_bytes
    share = settings.gpu_memory_utilization
    return {
        "dtype": settings.dtype if settings.dtype != "auto" else None,
        "load-format": settings.load_format,
        "max-model-len": settings.max_model_len,
        "block-size": settings.block_size,
        "gpu-memory-utilization": _SMALL_SHARE if cache and (share is None or cache_bytes) else share,
        "kv-cache-memory-bytes": cache,
        "max-num-seqs": settings.max_num_seqs,
        "max-num-batched-tokens": settings.max_num_batched_tokens,
        "mm-processor-cache-type": settings.mm_processor_cache_type,
        "mm-processor-cache-gb": settings.mm_processor_cache_gb,
        "api-server-count": settings.api_server_count,
        "stream-interval": settings.stream_interval,
        "async-scheduling": settings.async_scheduling,
        "enable-prefix-caching": settings.enable_prefix_caching,
        "enforce-eager": settings.enforce_eager or None,
        "cudagraph-capture-sizes": settings.cudagraph_capture_sizes,
    }


def _words(name: str, value: Any) -> list[str]:
    """An option as command-line words; None is left out."""
    match value:
        case None:
            return []
        case True:
            return [f"--{name}"]
        case False:
            return [f"--no-{name}"]
        case dict():
            return [f"--{name}", json.dumps(value, separators=(",", ":"))]
        case list():
            return [f"--{name}", *map(str, value)]
        case _:
            return [f"--{name}", str(value)]


def _transfer(profile: Profile, role: Role, store: Path) -> dict[str, Any] | None:
    if role == Role.COLOCATED:
        return None
    kv = profile.kv_transfer
    extra: dict[str, Any] = {}
    if kv.connector == NIXL:
        extra["kv_lease_duration"] = kv.lease_seconds
    if kv.connector == EXAMPLE:
        extra["shared_storage_path"] = str(store)
    return {
        "kv_connector": kv.connector,
        "kv_role": kv.prefill_role if role == Role.PREFILL else kv.decode_role,
        "kv_load_failure_policy": kv.load_failure_policy,
        "kv_connector_extra_config": extra | kv.extra_config,
    }
