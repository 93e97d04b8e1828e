"""What a stand-in for a vLLM engine does, and how it goes wrong."""

from dataclasses import dataclass, fields
from typing import Any

FAULTS = (
    "die_before",
    "die_during",
    "die_after",
    "die_in_stream",
    "stall",
    "stall_in_stream",
    "error",
    "local_prefill",
    "fail_transfer",
    "hang_health",
    "ill_health",
)
"""How an engine goes wrong.

- `die_before`, `die_during`, `die_after`, `die_in_stream`: it kills itself (SIGKILL) when a request has come, while it
  works on it, when the answer has been sent, or halfway through the answer.
- `stall`, `stall_in_stream`: it falls silent on a request, at once or halfway through the answer.
- `error`: a request is answered 500.
- `local_prefill`: the KV cache that it is offered is left where it is, and the prompt computed anew.
- `fail_transfer`: the KV cache doesn't arrive.
- `hang_health`, `ill_health`: health checks aren't answered, or are answered 503.
"""


@dataclass
class Behaviour:
    """What an engine does; each field can be set by file or route."""

    fault: str | None = None
    """One of FAULTS."""
    times: int | None = None
    """How many requests the fault befalls; None: all of them, until another is set. Faults of health always last."""
    start_delay: float = 0
    """Seconds before it listens."""
    start_fault: str | None = None
    """Printed as the last line of a traceback, as which the start ends."""
    start_faults: int | None = None
    """How many starts fail so, the role's first ones; None: all."""
    ignore_sigterm: bool = False
    text: str = '{"moves": ["hard_drop"]}'
    chunks: int = 8
    """Events that a streamed answer is spread over."""
    prefill_seconds: float = 0
    gap: float = 0
    """Seconds between events."""
    text_tokens: float = 1
    """Tokens of a word of the prompt; 0 is a model whose template drops texts."""
    image_tokens: int = 64
    longest: int | None = None
    """Tokens of a prompt, more of which are refused."""
    missed_tokens: int | None = None
    """A length of prompts whose KV cache is never found in a shared folder."""

    def change(self, given: dict[str, Any]) -> None:
        """Set what is given. Raises ValueError for names that don't exist."""
        for name, value in given.items():
            if name not in {field.name for field in fields(self)} or (name == "fault" and value not in (None, *FAULTS)):
                raise ValueError(f"There is no {name}={value!r}.")
            setattr(self, name, value)
