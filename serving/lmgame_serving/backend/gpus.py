"""The GPUs of this machine, as nvidia-smi tells of them."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lmgame_common import EndpointError, UsageError, quoted
from lmgame_serving.backend.profile import Profile

ANSWER_SECONDS = 30
"""For nvidia-smi; it takes some while on a machine with many GPUs whose driver isn't kept loaded."""
_FIELDS = ("index", "uuid", "name", "memory.total", "memory.free", "mig.mode.current")
CPU_WAYS = "Without GPUs, `--model pico`, `--model smollm2` and `--model llamacpp/FILE.gguf` run on the CPU."
"""What works where no GPU is."""


@dataclass(frozen=True)
class Gpu:
    """A GPU that engines may use."""

    index: int
    """nvidia-smi's number."""
    uuid: str
    name: str
    total_bytes: int
    free_bytes: int


def find_gpus(env: Mapping[str, str] | None = None) -> list[Gpu]:
    """The GPUs that this process may use, in nvidia-smi's order, or in that of CUDA_VISIBLE_DEVICES where it is set.

    Args:
        env: Where CUDA_VISIBLE_DEVICES is looked up; the process's environment by default.

    Raises:
        EndpointError: If nvidia-smi isn't there, fails, or says what can't be read.
        UsageError: If CUDA_VISIBLE_DEVICES names what isn't there, or parts of GPUs.
    """
    env = os.environ if env is None else env
    command = ["nvidia-smi", f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=ANSWER_SECONDS, check=False
        )
    except FileNotFoundError:
        raise EndpointError(
            f"There is no NVIDIA GPU here: nvidia-smi, which comes with the driver, is not to be found. {CPU_WAYS}"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EndpointError(f"nvidia-smi can't be asked for the GPUs ({quoted(str(error))}).") from error
    if done.returncode:
        said = quoted(done.stderr.strip() or done.stdout.strip()) or "nothing"
        raise EndpointError(f"nvidia-smi failed with exit code {done.returncode} and said: {said}")
    read = [_read(line) for line in done.stdout.splitlines() if line.strip()]
    gpus = [gpu for gpu in read if gpu is not None]
    if read and not gpus:
        raise EndpointError(
            f"All GPUs here are cut up into instances (MIG), which engines of lmgame can't be placed on. {CPU_WAYS}"
        )
    return _visible(gpus, env.get("CUDA_VISIBLE_DEVICES"))


def choose(profile: Profile, gpus: Sequence[Gpu]) -> list[Gpu]:
    """The GPUs that a profile's engines take: those that it names, else the first ones.

    Raises:
        UsageError: If it names one that isn't there, or there are too few. Names what would do.
    """
    here = {gpu.index: gpu for gpu in gpus}
    if missing := [index for index in profile.gpus if index not in here]:
        raise UsageError(
            f"The profile names the GPU {missing[0]}, which isn't there or not to be used; expected some of: "
            f"{', '.join(map(str, here)) or 'none'}."
        )
    chosen = [here[index] for index in dict.fromkeys(profile.gpus)] or list(gpus)
    needed = profile.gpus_needed
    if len(chosen) < needed:
        raise UsageError(_too_few(profile, len(chosen)))
    return chosen[:needed]


def _too_few(profile: Profile, count: int) -> str:
    tensor = profile.tensor_parallel_size
    engines = "engine" if profile.engines == 1 else "engines"
    spread = f" of {tensor} GPUs each" if tensor > 1 else ""
    has = "none is" if count == 0 else "only 1 is" if count == 1 else f"only {count} are"
    start = f"The profile's {profile.engines} {engines}{spread} need {profile.gpus_needed} GPUs, and {has} there."
    if count == 0:
        return f"{start} {CPU_WAYS}"
    ways = []
    if count >= tensor:
        if profile.shape == "pd":
            ways.append("--profile pd-shared puts prefill and decode on one GPU")
        ways.append(f"--profile colocated with --replicas {count // tensor} takes {count // tensor * tensor}")
    else:
        ways.append(f"--tensor-parallel-size {count} spreads an engine over what is there, if the model fits")
    return f"{start} What works: {'; '.join(ways)}."


def _read(line: str) -> Gpu | None:
    """A line of nvidia-smi's; None if the GPU is cut up into instances, and no program can use the whole."""
    fields = [field.strip() for field in line.split(",")]
    try:
        # A name may hold commas; what stands before and after it doesn't.
        index, uuid, *name, total, free, instances = fields
        if instances == "Enabled":
            return None
        return Gpu(int(index), uuid, ", ".join(name), int(total) * 2**20, int(free) * 2**20)
    except ValueError:
        raise EndpointError(
            f"nvidia-smi tells of a GPU in words that can't be read ({quoted(line)}); expected its "
            f"{', '.join(_FIELDS)}."
        ) from None


def _visible(gpus: list[Gpu], names: str | None) -> list[Gpu]:
    """Those that CUDA_VISIBLE_DEVICES lets be seen."""
    if names is None:
        return gpus
    found: list[Gpu] = []
    for name in [name.strip() for name in names.split(",")]:
        if name.startswith("MIG"):
            raise UsageError("CUDA_VISIBLE_DEVICES names a part of a GPU (MIG); lmgame serves on whole GPUs only.")
        if name in ("", "-1", "NoDevFiles"):
            break  # as CUDA has it: what comes after isn't seen
        matching = [gpu for gpu in gpus if (name == str(gpu.index) if name.isdigit() else gpu.uuid.startswith(name))]
        if len(matching) != 1:
            there = ", ".join(str(gpu.index) for gpu in gpus) or "none"
            raise UsageError(f"CUDA_VISIBLE_DEVICES names {name!r}, which is no GPU of this machine; it has: {there}.")
        found += matching
    return found
