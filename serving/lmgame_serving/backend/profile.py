"""A profile: the shape of a backend and the settings of its engines, as a TOML file has them.

Options named as vLLM names them mean what they mean there and go to `vllm serve` as they are; None leaves vLLM's own
default. The profiles that ship are beside this, in `profiles/`, with a sentence on each option.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lmgame_serving.gateway.settings import GatewaySettings

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


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
    kv_cache_memory_bytes: str | Count | None = None
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
        for differing in (self.prefill_engine, self.decode_engine):
            EngineSettings.model_validate(self.engine.model_dump() | differing)
        return self

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
