"""Writing a profile as the scripts and the Kubernetes manifest that start it under NVIDIA Dynamo.

Facts are from ai-dynamo 1.4.2: `python -m dynamo.frontend --help`, the arguments of `dynamo.vllm` (its own ones and
vLLM's `AsyncEngineArgs`), and the types of `nvidia.com/v1alpha1` in its operator.
"""

import math
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path

from lmgame_common import UsageError
from lmgame_serving.backend.model import look_at
from lmgame_serving.backend.plan import EXAMPLE, NIXL
from lmgame_serving.backend.profile import Profile
from lmgame_serving.dynamo.flags import MODES, arguments, counts
from lmgame_serving.dynamo.manifest import body_limit_mb, manifest
from lmgame_serving.gateway.pool import Role

DYNAMO_VERSION = "1.4.2"
"""What all this was tried with. Later ones need a package that PyPI doesn't have."""
SCRIPTS = ("common.sh", "local.sh", "multinode.sh")
FRONTEND = ("--router-mode", "kv", "--no-router-kv-events", "--router-session-affinity-ttl-secs", "600")
"""KV-aware routing by what was sent where, so that engines need no further open port for their events; and a game
stays on its worker, by the X-Session-ID that lmgame sends."""


def export(profile: Profile, *, model: str, served_name: str, out: Path, image: str = "${IMAGE}") -> list[Path]:
    """Write a deployment to the folder `out`, which is made where it is missing.

    Args:
        profile: The backend's shape and settings.
        model: What the engines load: a name or a folder that is the same on all machines.
        served_name: The name that clients ask for.
        out: The folder. Files of an earlier export are replaced.
        image: The container image of Dynamo with vLLM, for Kubernetes. By default a variable for `envsubst`.

    Returns:
        The files: `engines.sh` (the profile), the scripts that read it, and `kubernetes.yaml`.

    Raises:
        UsageError: If the profile can't be a Dynamo deployment, or `out` can't be written.
    """
    _check(profile)
    takes_images = look_at(model, os.environ).takes_images
    words = {
        role: arguments(profile, role, model=model, served_name=served_name, takes_images=takes_images)
        for role in counts(profile)
    }
    written = {
        "engines.sh": _settings(profile, words, served_name=served_name),
        "kubernetes.yaml": manifest(profile, words, FRONTEND, name=slug(served_name), image=image),
    }
    source = files("lmgame_serving.dynamo")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (out / name).write_text(text, encoding="utf-8")
        for name in SCRIPTS:
            (out / name).write_bytes((source / name).read_bytes())
            if name != "common.sh":
                (out / name).chmod(0o755)
    except OSError as error:
        raise UsageError(f"{out} can't be written: {error.strerror}. Choose another folder with --out.") from error
    return [out / name for name in sorted((*written, *SCRIPTS))]


def _check(profile: Profile) -> None:
    """Refuse what can't be carried over."""
    if profile.device != "cuda":
        raise UsageError('Dynamo runs vLLM on GPUs only, and this profile has device = "cpu". Export one for "cuda".')
    if profile.shape == "pd" and profile.kv_transfer.connector == EXAMPLE:
        raise UsageError(f'{EXAMPLE} is for engines without NIXL. Export a profile with connector = "{NIXL}".')
    unsized = any(profile.settings(role).kv_cache_memory_bytes is None for role in counts(profile))
    if profile.share_gpu and unsized:
        raise UsageError(
            "Engines are to share a GPU, and how much of it will be free where they run isn't known here. Say how "
            "large each KV cache may be: --set engine.kv_cache_memory_bytes='\"8G\"'"
        )


def slug(name: str) -> str:
    """A name as Kubernetes takes it: at most 40 small letters, digits and hyphens, a letter first."""
    return re.sub(r"[^a-z0-9]+", "-", f"lmgame-{name.rpartition('/')[2]}".lower())[:40].strip("-")


def _settings(profile: Profile, words: Mapping[Role, list[str]], *, served_name: str) -> str:
    """`engines.sh`: what the scripts read. Every word is quoted, so that none is ever run."""
    workers = {MODES[role]: count for role, count in counts(profile).items()}
    lines = [
        "# shellcheck shell=bash disable=SC2034",
        "# The profile, as local.sh and multinode.sh read it. Written by `lmgame serve export --to dynamo`.",
        f"DYNAMO_VERSION={DYNAMO_VERSION}",
        f"MODEL={shlex.quote(next(iter(words.values()))[1])}",
        f"NAME={shlex.quote(served_name)}",
        f"ROLES={_words(workers)}",
        "declare -A COUNT=(" + " ".join(f"[{mode}]={count}" for mode, count in workers.items()) + ")",
        f"GPUS={_words(map(str, profile.gpus))}",
        f"TENSOR_PARALLEL={profile.tensor_parallel_size}",
        f"SHARE_GPU={int(profile.share_gpu)}",
        f"BLOCK_SIZE={profile.engine.block_size or 64}",
        f"SIDE_CHANNEL_GAP={max(100, profile.tensor_parallel_size)}",
        f"BODY_LIMIT_MB={body_limit_mb(profile)}",
        f"DEFAULT_START_SECONDS={math.ceil(profile.supervision.start_seconds)}",
        f"FRONTEND_ARGS={_words(FRONTEND)}",
    ]
    for role, own in words.items():
        lines.append(f"ARGS_{MODES[role]}={_words(own)}")
        environment = (f"{key}={value}" for key, value in profile.settings(role).env.items())
        lines.append(f"ENV_{MODES[role]}={_words(environment)}")
    return "\n".join(lines) + "\n"


def _words(words: Iterable[str]) -> str:
    """A bash array."""
    return "(" + " ".join(shlex.quote(word) for word in words) + ")"
