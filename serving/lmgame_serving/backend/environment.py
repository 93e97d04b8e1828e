"""The environment that an engine runs in."""

import contextlib
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import platformdirs

from lmgame_serving.backend.gpus import Gpu

_SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS)$", re.IGNORECASE)
_NEEDED = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}
"""For models of the hub that want a licence agreed to."""
_MEANT_FOR_OTHERS = {"VLLM_PORT", "CUDA_DEVICE_ORDER"}
"""VLLM_PORT has all engines begin their search for a free port at the same one."""


def engine_environment(
    env: Mapping[str, str],
    *,
    name: str,
    python: str,
    gpus: Sequence[Gpu] | None,
    plugins: Path,
    api_key: str,
    flashinfer: bool,
    side_channel: int | None,
) -> dict[str, str]:
    """The whole environment of an engine.

    Args:
        env: The caller's; what looks like a secret is left out.
        name: The engine's.
        python: The interpreter that has vLLM, beside which its programs are (`ninja` for one).
        gpus: Those that it may use; None on CPUs.
        plugins: The folder with lmgame's plugins for vLLM.
        api_key: What it wants to be sent.
        flashinfer: Whether its interpreter has FlashInfer.
        side_channel: The port at which NIXL on other engines asks it for what it needs to know; None without NIXL.
    """
    made = {key: value for key, value in env.items() if not _left_out(key)}
    packages = [str(plugins), env.get("PYTHONPATH", "")]
    beside = str(Path(python).parent.absolute()) if os.sep in python else ""
    programs = [beside, env.get("PATH", os.defpath)]
    made |= {
        "VLLM_API_KEY": api_key,
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        # vLLM opens ports for its own processes at this address, and by default at one that others can reach.
        "VLLM_HOST_IP": "127.0.0.1",
        # Not shared, since two engines that compile the same thing at once would write the same files.
        "VLLM_CACHE_ROOT": str(_cache(env) / name),
        "PYTHONPATH": os.pathsep.join(filter(None, packages)),
        "PYTHONSAFEPATH": "1",  # modules in the folder where the user happens to be don't go before vLLM's
        "PATH": os.pathsep.join(filter(None, programs)),
    }
    if not flashinfer:
        made["VLLM_USE_FLASHINFER_SAMPLER"] = "0"
    if gpus is not None:
        made["CUDA_VISIBLE_DEVICES"] = ",".join(gpu.uuid for gpu in gpus)
    if side_channel is not None:
        made["VLLM_NIXL_SIDE_CHANNEL_HOST"] = "127.0.0.1"
        made["VLLM_NIXL_SIDE_CHANNEL_PORT"] = str(side_channel)
        if gpus is not None:
            # From GPU to GPU directly where the machine can, and never by a network card.
            made["UCX_TLS"] = "cuda_ipc,cuda_copy,sm,self,tcp"
    return made


def engine_key(env: Mapping[str, str] | None = None) -> str:
    """The key that engines want to be sent: always the same one of this user, in a file that nobody else can read.

    It isn't new at each start, since vLLM 0.26 takes the key (like most of its environment variables) for something
    that compiled code depends on, and with another one would compile everything anew.

    Raises:
        OSError: If the file can't be read or written.
    """
    file = _cache(os.environ if env is None else env) / "engine.key"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.write_bytes(b"")
    draft.chmod(0o600)
    draft.write_text(secrets.token_urlsafe(32))
    with contextlib.suppress(FileExistsError):  # whoever is first
        os.link(draft, file)
    draft.unlink()
    return file.read_text().strip()


def _left_out(key: str) -> bool:
    return key in _MEANT_FOR_OTHERS or (_SECRET.search(key) is not None and key not in _NEEDED)


def _cache(env: Mapping[str, str]) -> Path:
    """Where engines keep what they compiled, for their next start."""
    given = env.get("VLLM_CACHE_ROOT")
    return Path(given).expanduser() if given else Path(platformdirs.user_cache_dir("lmgame")) / "vllm"
