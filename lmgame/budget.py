"""How much a run may spend."""

from dataclasses import dataclass

from lmgame_agents import Usage
from lmgame_common import UsageError


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

    def charge(self, usage: Usage) -> None:
        """Add one answer.

        Raises:
            UsageError: If there is a limit on something that the server doesn't report.
        """
        prompt, completion = usage.prompt_tokens, usage.completion_tokens
        if self.max_tokens is not None and prompt is None:
            raise UsageError("--max-tokens-total can't be kept: this server reports no token counts.")
        self.tokens += (prompt or 0) + (completion or 0)
        if usage.cost_usd is not None:
            self.cost += usage.cost_usd
        elif self.price is not None and prompt is not None:
            self.cost += (prompt * self.price[0] + (completion or 0) * self.price[1]) / 1e6
        elif self.max_cost is not None:
            raise UsageError(
                "--max-cost can't be kept: this server reports no cost. Give --price PROMPT,COMPLETION, in US dollars "
                "per million tokens."
            )

    @property
    def spent(self) -> bool:
        """Whether a limit is reached."""
        if self.max_tokens is not None and self.tokens >= self.max_tokens:
            return True
        return self.max_cost is not None and self.cost >= self.max_cost
