"""A profile: the shape of a backend and the settings of its engines, as a TOML file has them.

Options named as vLLM names them mean what they mean there and go to `vllm serve` as they are; None leaves vLLM's own
default. The profiles that ship are beside this, in `profiles/`, with a sentence on each option.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from lmgame_common import UnknownNameError, UsageError
from lmgame_serving.gateway.pool import Role
from lmgame_serving.gateway.settings import GatewaySettings

FOLDER = Path(__file__).with_name("profiles")

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


def _size(value: str | int) -> str | int:
    if not re.fullmatch(r"0*[1-9]\d*[KMGT]?|\d+(\.\d+)?[kmgt]", str(value)):
        raise ValueError("should be a number of bytes such as 8G (8 GiB) or 8.5g (8.5 thousand million)")
    return value


Bytes = Annotated[str | int, AfterValidator(_size)]
"""As vLLM has them."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineSettings(_Table):
    """Settings of `vllm serve` for one kind of engine."""

    dtype: str = "auto"
    load_format: str | None = None
    """`dummy` serves a shape without weights."""
    max_model_len: Count | None = None
    """Tokens of a prompt and its answer together."""
    block_size: Count | None = 64
    """Tokens of a KV block. NIXL moves whole blocks, and on Hopper was tried with 64."""
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of a GPU's memory that an engine may fill. Where engines share a GPU the KV cache's size counts instead."""
    kv_cache_memory_bytes: Bytes | None = None
    """Size of the KV cache on each GPU, such as `8G`. None where engines share a GPU: the free memory is divided."""
    max_num_seqs: Count | None = None
    """Requests that an engine works on at once."""
    max_num_batched_tokens: Count | None = None
    """Tokens that an engine works on in one step."""
    images_per_prompt: Annotated[int, Field(ge=0)] = 1
    """Goes to `--limit-mm-per-prompt` where the model takes images; lmgame sends the newest frame alone."""
    mm_processor_cache_type: Literal["lru", "shm"] | None = None
    mm_processor_cache_gb: Annotated[float, Field(ge=0)] | None = None
    """0 switches the cache of processed images off: no two frames of a game are the same."""
    api_server_count: Count | None = None
    """Processes that read requests and images; one is soon a core's worth."""
    rust_frontend: bool = False
    """Sets VLLM_USE_RUST_FRONTEND: the same in Rust, instead of several processes."""
    stream_interval: Count | None = None
    """Tokens sent in one go: fewer, larger chunks cost less CPU, and the first token still comes alone."""
    async_scheduling: bool | None = None
    """Prepares the next step while the GPU works on this one."""
    enable_prefix_caching: bool | None = None
    enforce_eager: bool = False
    """Starts sooner, since no CUDA graphs are captured, and answers slower."""
    cudagraph_capture_sizes: list[Count] | None = None
    """Batch sizes that CUDA graphs are captured for; fewer start sooner."""
    extra_args: list[str] = []
    """Further arguments for `vllm serve`, as they are."""
    env: dict[str, str] = {}
    """Further environment variables."""


class KvTransfer(_Table):
    """How the KV cache of a prompt gets from a prefill engine to a decode engine (vLLM's `--kv-transfer-config`)."""

    connector: str = "NixlConnector"
    """Or `ExampleConnector`, through a shared folder, where NIXL can't be had (engines on CPUs)."""
    prefill_role: str = "kv_producer"
    decode_role: str = "kv_consumer"
    load_failure_policy: Literal["fail", "recompute"] = "fail"
    """`fail`: a request whose KV cache didn't arrive ends with an error, which the gateway retries."""
    lease_seconds: Annotated[int, Field(ge=6)] = 30
    """How long a prefill engine keeps a prompt's blocks for a decode engine that hasn't pulled them yet."""
    extra_config: dict[str, Any] = {}
    """Goes to `kv_connector_extra_config`."""


class Supervision(_Table):
    """How engines are watched."""

    start_seconds: Seconds = 900
    """Until an engine must answer. A large model's weights take a while."""
    check_interval: Seconds = 1
    check_seconds: Seconds = 5
    """How long an engine may take to answer a health check."""
    failed_checks: Count = 3
    """In a row, after which an engine that still runs is taken for stuck and restarted."""
    first_backoff: Seconds = 1
    longest_backoff: Seconds = 60
    max_restarts: Annotated[int, Field(ge=0)] = 5
    """Of one engine without ten minutes of health in between, after which the backend gives up and says why."""
    drain_seconds: Annotated[float, Field(ge=0)] = 30
    """How long requests may go on when the backend stops."""
    stop_seconds: Seconds = 20
    """From SIGTERM to SIGKILL."""
    restart_decode_with_prefill: bool = True
    """Restarts decode engines, too, when a prefill engine died: NIXL may crash in a decode engine that meets the new
    one (in `loadRemoteMD`)."""
    max_local_tokens: Count | None = None
    """Prompt tokens that a decode engine may compute itself, a request, before an alarm; None: one block and a bit."""


class Profile(_Table):
    """A whole backend, but for its model."""

    shape: Literal["colocated", "pd"] = "colocated"
    """`colocated`: each engine does all of a request. `pd`: prefill and decode are done by engines of their own."""
    device: Literal["cuda", "cpu"] = "cuda"
    replicas: Count = 1
    """Engines of `colocated`."""
    prefill: Count = 1
    decode: Count = 1
    """Engines of `pd`."""
    share_gpu: bool = False
    """All engines on one GPU (or one set of GPUs, with tensor parallelism)."""
    tensor_parallel_size: Count = 1
    """GPUs that one engine is spread over."""
    gpus: list[Annotated[int, Field(ge=0)]] = []
    """Which GPUs, by nvidia-smi's numbers; empty: the first ones that are there."""
    engine: EngineSettings = EngineSettings()
    prefill_engine: dict[str, Any] = {}
    """What differs from `engine` at prefill engines."""
    decode_engine: dict[str, Any] = {}
    """What differs from `engine` at decode engines."""
    kv_transfer: KvTransfer = KvTransfer()
    gateway: GatewaySettings = GatewaySettings()
    supervision: Supervision = Supervision()

    @model_validator(mode="after")
    def _check(self) -> "Profile":
        prefill, decode = self.settings(Role.PREFILL), self.settings(Role.DECODE)
        if self.shape == "pd" and prefill.block_size != decode.block_size:
            raise ValueError("prefill and decode engines need the same block_size, for they hand over whole blocks")
        for settings in (self.engine, prefill, decode):
            if settings.rust_frontend and (settings.api_server_count or 1) > 1:
                raise ValueError("rust_frontend is one process with many threads; leave api_server_count out")
        return self

    def settings(self, role: Role) -> EngineSettings:
        """What holds for the engines of a role."""
        differing = {Role.PREFILL: self.prefill_engine, Role.DECODE: self.decode_engine}.get(role, {})
        return EngineSettings.model_validate(self.engine.model_dump() | differing)

    @property
    def gpus_needed(self) -> int:
        """GPUs that the engines take, 0 on CPUs."""
        if self.device == "cpu":
            return 0
        return self.tensor_parallel_size * (1 if self.share_gpu else self.engines)

    @property
    def engines(self) -> int:
        """How many engines there are."""
        return self.replicas if self.shape == "colocated" else self.prefill + self.decode


def profiles() -> list[str]:
    """The names of the profiles that ship."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def profile_text(name: str) -> str:
    """A shipped profile's TOML, with a comment on each option. Its first line says what the profile is for.

    Raises:
        UnknownNameError: If there is no profile of that name; names the closest one.
    """
    if name not in profiles():
        raise UnknownNameError("profile", name, profiles())
    return (FOLDER / f"{name}.toml").read_text(encoding="utf-8")


def load_profile(profile: str | Path, overrides: Sequence[str] | Mapping[str, Any] = ()) -> Profile:
    """Read a profile, with some of its options set anew.

    Args:
        profile: The name of one that ships, or the path of a TOML file.
        overrides: Options by their dotted names, as `engine.max_num_seqs=256` each or as a mapping. A text's value is
            read as TOML; a plain word needs no quotes, and nothing at all (or None) stands for the default.

    Raises:
        UnknownNameError: If there is no such profile.
        UsageError: If it can't be read or its options make no sense; names the file, the option and what was expected.
    """
    source, table = _read(profile)
    items = overrides.items() if isinstance(overrides, Mapping) else [_parsed(each) for each in overrides]
    for name, value in items:
        _put(table, name, value)
    differing = ("prefill_engine", "decode_engine")
    problems = [each for part in differing for each in _problems(EngineSettings, table.get(part, {}), part)]
    if problems := problems or _problems(Profile, table):
        told = "; ".join(_told(where, problem) for where, problem in problems[:5])
        raise UsageError(f"The profile {source} can't be used: {told}.")
    return Profile.model_validate(table)


def _problems(model: type[BaseModel], value: Any, *above: str) -> list[tuple[list[str], ErrorDetails]]:
    """What is wrong with a table, and where."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        return [([*above, *map(str, each["loc"])], each) for each in error.errors(include_url=False)]
    return []


def _read(profile: str | Path) -> tuple[str, dict[str, Any]]:
    """What a profile is called in messages, and what it says."""
    name = str(profile)
    if name in profiles():
        return name, tomllib.loads(profile_text(name))
    path = Path(profile).expanduser()
    if path.suffix != ".toml" and not path.is_file():
        error = UnknownNameError("profile", name, profiles())
        error.args = (f"{error} Or give the path of a TOML file.",)
        raise error
    try:
        return str(path), tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The profile {str(path)!r} can't be read: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"The profile {str(path)!r} is no TOML: {error}.") from error


def _parsed(override: str) -> tuple[str, Any]:
    name, sign, text = override.partition("=")
    name, text = name.strip(), text.strip()
    if not sign or not name:
        raise UsageError(f"{override!r} sets nothing; expected OPTION=VALUE such as engine.max_num_seqs=256.")
    if not text:
        return name, None
    try:
        return name, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        if re.fullmatch(r"[\w./:+-]+", text):
            return name, text
        raise UsageError(
            f"The value of {override!r} can't be read ({error}); expected TOML such as 256, true or [1, 2]."
        ) from error


def _put(table: dict[str, Any], name: str, value: Any) -> None:
    *above, last = name.split(".")
    for part in above:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise UsageError(f"{name!r} is no option of a profile: {part!r} has no options of its own.")
    if value is None:
        table.pop(last, None)
    else:
        table[last] = value


def _told(where: list[str], problem: ErrorDetails) -> str:
    """One of pydantic's complaints in plain words."""
    name = ".".join(where)
    if problem["type"] == "extra_forbidden":
        known = _options(where[:-1])
        close = get_close_matches(where[-1], known, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else f" (known there: {', '.join(known)})"
        return f"it has no option {name!r}{hint}"
    expected = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{name}: {expected} (found {problem['input']!r})" if name else expected


def _options(where: Iterable[str]) -> list[str]:
    """The options of a table of a profile."""
    model: Any = Profile
    for part in where:
        model = EngineSettings if part in ("prefill_engine", "decode_engine") else model.model_fields[part].annotation
    return sorted(model.model_fields)
