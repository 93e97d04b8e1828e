"""From a profile to the engines to start: their commands, environments, ports and GPUs."""

import socket
from dataclasses import dataclass, field
from pathlib import Path

from lmgame_serving.gateway.pool import Role


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
    """Bound to the engine's ports and never listening: as long as they are open, no other program is given the ports,
    and the engine itself can bind them whenever it is started again."""
