"""How much an arena may spend, over all its players and sittings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lmgame.budget import Budget
from lmgame_agents import Usage


@dataclass(slots=True)
class ArenaBudget:
    """What an arena has spent and may spend.

    Tokens and money stop it before the next decision, so that it may go over by the decisions then in flight; games
    that are cut off go on once the budget is raised. A limit on games lets those in play end.
    """

    limits: Mapping[str, float]
    """Of `games`, `tokens` and `usd`, those that are limited."""
    by_player: dict[str, Budget] = field(default_factory=dict)
    """By player's key."""
    games: int = 0
    """Games played to their end."""

    def add_player(self, key: str, price: tuple[float, float] | None, *, free: bool) -> None:
        """A player, and what its tokens cost; a free one costs nothing and can't break a limit."""
        tokens, usd = (None, None) if free else (self.limits.get("tokens"), self.limits.get("usd"))
        self.by_player[key] = Budget(
            max_tokens=None if tokens is None else round(tokens),
            max_cost=usd,
            price=price,
            options=("--budget tokens", "--budget usd"),
        )

    def charge(self, key: str, usage: Usage, verdict: str) -> None:
        """Add one answer of a player. Raises UsageError where its server doesn't report what a limit is about."""
        self.by_player[key].charge(usage, verdict)

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens, as the servers count them."""
        return sum(budget.tokens for budget in self.by_player.values())

    @property
    def cost(self) -> float:
        """US dollars."""
        return sum(budget.cost for budget in self.by_player.values())

    @property
    def spent(self) -> bool:
        """Whether tokens or money are used up."""
        return self.tokens >= self.limits.get("tokens", float("inf")) or self.cost >= self.limits.get(
            "usd", float("inf")
        )

    def room(self, in_flight: int) -> bool:
        """Whether another game may begin while so many are being played."""
        return self.games + in_flight < self.limits.get("games", float("inf"))
