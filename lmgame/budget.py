"""How much a run may spend."""

from dataclasses import dataclass

from lmgame_agents import Usage, Verdict
from lmgame_common import UsageError

UNCOUNTED = (Verdict.REFUSED, Verdict.TIMEOUT)
"""Verdicts of answers that servers report no token counts for."""


@dataclass(slots=True)
class Budget:
    """What a run has spent and may spend, over all its episodes and sittings.

    A limit stops the run before the next decision, so a run may go over it by the decisions then in flight.
    """

    max_tokens: int | None = None
    """Prompt and completion tokens, as the server counts them."""
    max_cost: float | None = None
    """US dollars."""
    price: tuple[float, float] | None = None
    """US dollars per million prompt and completion tokens, where the server reports no cost; prompt tokens from its
    cache count in full."""
    tokens: int = 0
    cost: float = 0.0
    options: tuple[str, str] = ("--max-tokens-total", "--max-cost")
    """What the limits on tokens and on money are called, for messages."""

    def charge(self, usage: Usage, verdict: str = Verdict.OK) -> None:
        """Add one answer.

        Args:
            usage: What the server reported.
            verdict: The answer's; servers report nothing for refused and timed-out ones, which then count nothing.

        Raises:
            UsageError: If a whole answer came without the numbers that a limit is about.
        """
        prompt, completion = usage.prompt_tokens, usage.completion_tokens
        self.tokens += usage.total
        cost = usage.cost_usd
        if cost is None and self.price is not None and prompt is not None:
            cost = (prompt * self.price[0] + (completion or 0) * self.price[1]) / 1e6
        self.cost += cost or 0.0
        if verdict in UNCOUNTED:
            return
        if self.max_tokens is not None and prompt is None:
            raise UsageError(f"{self.options[0]} can't be kept: this server reports no token counts. Leave it out.")
        if self.max_cost is not None and cost is None:
            limit = self.options[1]
            cure = f"Leave {limit} out." if self.price else "Give --price PROMPT,COMPLETION in dollars per million."
            raise UsageError(f"{limit} can't be kept: this server reports neither cost nor enough tokens. {cure}")

    @property
    def spent(self) -> bool:
        """Whether a limit is reached."""
        if self.max_tokens is not None and self.tokens >= self.max_tokens:
            return True
        return self.max_cost is not None and self.cost >= self.max_cost
