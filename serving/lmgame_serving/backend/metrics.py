"""What engines count, and what of it is a cause for alarm.

The names are those of vLLM 0.26 (`vllm/v1/metrics/loggers.py` and the NIXL connector's `stats.py`), which it serves as
Prometheus text on `/metrics`. A counter that has labels is summed up over them.
"""

from dataclasses import dataclass, fields

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

_SOURCE = "vllm:prompt_tokens_by_source_total"
_SUMS = {
    "vllm:nixl_bytes_transferred_sum": "moved_bytes",
    "vllm:nixl_num_failed_transfers_total": "failed_transfers",
    "vllm:time_to_first_token_seconds_count": "prompts",
    "vllm:prompt_tokens_total": "prompt_tokens",
    "vllm:generation_tokens_total": "generated_tokens",
}
COUNTLESS = (OSError, TimeoutError, aiohttp.ClientError, ValueError)
"""What is raised where counters can't be had."""
_SOURCES = {"local_compute": "local_tokens", "external_kv_transfer": "external_tokens"}


@dataclass(frozen=True)
class Counters:
    """What an engine has counted since it was started."""

    local_tokens: float = 0
    """Tokens of prompts whose KV cache it computed itself."""
    external_tokens: float = 0
    """Tokens of prompts whose KV cache came from another engine."""
    moved_bytes: float = 0
    """Bytes that NIXL moved here."""
    failed_transfers: float = 0
    """NIXL's."""
    prompts: float = 0
    """Those that were worked through; counted at the very moment at which their tokens are."""
    prompt_tokens: float = 0
    generated_tokens: float = 0
    counts_nixl: bool = False
    """Whether it counts what NIXL does. vLLM's Rust frontend doesn't; what it says of NIXL is 0 always."""

    def __sub__(self, earlier: "Counters") -> "Counters":
        """By how much they grew since."""
        numbers = (field.name for field in fields(self) if field.name != "counts_nixl")
        grown = {name: getattr(self, name) - getattr(earlier, name) for name in numbers}
        return Counters(**grown, counts_nixl=self.counts_nixl)

    @property
    def progress(self) -> float:
        """Grows whenever the engine gets anywhere."""
        return self.prompt_tokens + self.generated_tokens


def read_counters(text: str) -> Counters:
    """Counters out of Prometheus text; 0 for those that aren't there.

    Raises:
        ValueError: If it is no such text.
    """
    wanted = (_SOURCE, *_SUMS)
    lines = [line for line in text.splitlines() if line.startswith(wanted)]  # all others would only cost time
    sums = dict.fromkeys((*_SUMS.values(), *_SOURCES.values()), 0.0)
    counts_nixl = False
    for family in text_string_to_metric_families("\n".join([*lines, ""])):
        for sample in family.samples:
            name = _SOURCES.get(sample.labels.get("source", "")) if sample.name == _SOURCE else _SUMS.get(sample.name)
            if name:
                sums[name] += sample.value
            counts_nixl |= name == "moved_bytes"
    return Counters(**sums, counts_nixl=counts_nixl)


async def fetch_counters(session: aiohttp.ClientSession, url: str, seconds: float) -> Counters:
    """An engine's counters.

    Args:
        session: What to ask with.
        url: The engine's, without a path.
        seconds: How long it may take.

    Raises:
        One of COUNTLESS: If they can't be had.
    """
    async with session.get(f"{url}/metrics", timeout=aiohttp.ClientTimeout(total=seconds)) as response:
        response.raise_for_status()
        return read_counters(await response.text())


class TransferWatch:
    """Watches a decode engine's counters for prompts that it computed itself and for transfers that failed.

    Args:
        most_local: Tokens a prompt, on average between two looks, that it may compute itself. The last token always
            is; connectors that move whole blocks leave up to a block.
    """

    def __init__(self, most_local: float) -> None:
        self.local_per_prompt = 0.0
        """Tokens a prompt that it computed itself between the last two looks at which it had worked."""
        self._most_local = most_local
        self._before: Counters | None = None
        self._verdicts: dict[str, str | None] = {"local_prefill": None, "failed_transfers": None}

    def look(self, now: Counters) -> dict[str, str | None]:
        """Compare counters with the last ones.

        Returns:
            By kind of alarm, what is wrong in words, or None. While nothing is asked of the engine it stays as it was.
        """
        since, self._before = now - (self._before or now), now
        if since.prompts > 0:
            self.local_per_prompt = since.local_tokens / since.prompts
            self._verdicts["local_prefill"] = (
                f"it computes {self.local_per_prompt:,.0f} tokens of each prompt itself, where about "
                f"{self._most_local:,.0f} at most were expected: KV caches don't all arrive (a silent local prefill)"
                if self.local_per_prompt > self._most_local
                else None
            )
        if since.failed_transfers > 0:
            self._verdicts["failed_transfers"] = f"{since.failed_transfers:,.0f} transfers of KV caches failed"
        elif since.prompts > 0:
            self._verdicts["failed_transfers"] = None
        return dict(self._verdicts)
