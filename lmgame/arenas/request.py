"""What an arena, or a match, is asked to do, checked before anything starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from lmgame.match_plan import check_shared
from lmgame.request import AGENTS, MAX_SEED, Request
from lmgame_common import UsageError
from lmgame_games import game
from lmgame_serving import VLLM

BUDGETS = ("games", "tokens", "usd")
"""What `--budget` can limit."""

PAIRS = 10
"""Seeds on which each two players meet in each game unless told otherwise."""
PAIRS_AT_MOST = 500
"""The same where results or a budget decide when it is enough."""


@dataclass(frozen=True, kw_only=True)
class ArenaRequest:
    """One `lmgame arena` or `lmgame match`: who meets whom, in which games, and how far.

    Raises:
        UsageError: For values that make no sense together or alone.
    """

    models: tuple[str, ...]
    """As in `--model`; each is one player."""
    settings: Request
    """What all players share: games, clock, sampling, limits, concurrency, folder. Its first seed is the arena's; its
    model means nothing."""
    pairs: int | None = None
    """Most pairs that any two players play in any game: seeds, each of which is played with both seat orders where
    the players share the game. None: `PAIRS`, or `PAIRS_AT_MOST` where results or a budget decide."""
    adaptive: bool = False
    """Play where the ratings are least certain, instead of all pairs in turn."""
    mirror: bool = False
    """Let each model also meet a copy of itself, which must come out as equal."""
    until_decided: bool = False
    """Stop playing two players in a game once a sequential test has told them apart, or called them equal."""
    alpha: float = 0.05
    """Risk of calling equal players different, of the sequential test."""
    beta: float = 0.05
    """Risk of calling players equal that differ by more than the margin."""
    margin: float = 0.05
    """Share of points about one half within which players count as equal."""
    budget: Mapping[str, float] = field(default_factory=dict)
    """Limits on `games`, `tokens` and `usd`, over all sittings of these players."""
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """US dollars per million prompt and completion tokens, by model, where the settings' price isn't theirs."""

    def __post_init__(self) -> None:
        if len(set(self.models)) != len(self.models):
            raise UsageError("A model is given twice; for a model against a copy of itself give it once and --mirror.")
        if not self.models or (len(self.models) < 2 and not self.mirror):
            raise UsageError("Two models are needed, --model A --model B; or one and --mirror, for A against a copy.")
        if "human" in self.models:
            raise UsageError("People play alone, with `lmgame play --model human`; a match is between models.")
        if self.pairs is not None and self.pairs < 1:
            raise UsageError(f"--pairs must be at least 1, not {self.pairs}.")
        if self.seeds[-1] > MAX_SEED:
            raise UsageError(f"Seeds go up to {MAX_SEED}: choose a smaller --seed or fewer --pairs.")
        if self.adaptive and self.until_decided:
            raise UsageError("--adaptive and --until-decided choose the pairs in different ways; leave one out.")
        for name, value in (("--alpha", self.alpha), ("--beta", self.beta)):
            if not 0 < value < 1:
                raise UsageError(f"{name} is a probability between 0 and 1; {value} was given.")
        if not 0 < self.margin < 0.5:
            raise UsageError(f"--margin is a share of points between 0 and 0.5; {self.margin} was given.")
        for name, value in self.budget.items():
            if name not in BUDGETS:
                raise UsageError(f"--budget limits {', '.join(BUDGETS)}; {name!r} is none of them.")
            if not 0 < value < float("inf"):
                raise UsageError(f"--budget {name} must be finite and greater than zero, not {value:g}.")
        for model in self.prices:
            if model not in self.models:
                raise UsageError(f"--price names {model}, which is not among the models.")
        for card in self.settings.cards():
            check_shared(card, self.settings.clock, self.models)
            if "scripted" in self.models and game(card.game).scripted is None:
                raise UsageError(f"{card.game} has no scripted player; leave out the game or --model scripted.")

    @property
    def seed(self) -> int:
        """The first seed."""
        return self.settings.seeds[0]

    @property
    def seeds(self) -> range:
        """All seeds that may be played."""
        open_ended = self.until_decided or (self.adaptive and self.budget)
        pairs = self.pairs or (PAIRS_AT_MOST if open_ended else PAIRS)
        return range(self.seed, self.seed + pairs)

    def request_of(self, model: str) -> Request:
        """What is asked of one model, as `lmgame play` would be."""
        base = self.settings
        url = None if model in AGENTS else base.base_url
        served = url is None and model.startswith(f"{VLLM}/")
        return replace(
            base,
            model=model,
            base_url=url,
            serve_profile=base.serve_profile if served else None,
            serve_set=base.serve_set if served else (),
            price=self.prices.get(model, base.price),
        )

    def meetings(self) -> list[tuple[tuple[str, int], tuple[str, int]]]:
        """Who meets whom, each as model and number of its copy."""
        all_pairs = [((a, 0), (b, 0)) for a, b in combinations(self.models, 2)]
        return all_pairs + ([((a, 0), (a, 1)) for a in self.models] if self.mirror else [])


def arena_request(
    models: tuple[str, ...],
    games: tuple[str, ...],
    *,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    **arena: Any,
) -> ArenaRequest:
    """An arena's request from its parts.

    Args:
        models: As in `--model`.
        games: Names of games, `NAME` or `NAME/PRESET`.
        seed: The first seed.
        settings: Fields of `lmgame.Request` that all players share.
        arena: Fields of `ArenaRequest`.

    Raises:
        UsageError, UnknownNameError: If the request makes no sense.
    """
    if not models:
        raise UsageError("Two models are needed, --model A --model B.")
    # Options of the backend are only taken beside a model that needs one.
    served = (model for model in models if model.startswith(f"{VLLM}/"))
    base = Request(model=next(served, models[0]), games=games, seeds=(seed,), **(settings or {}))
    return ArenaRequest(models=models, settings=base, **arena)


def budget_of(texts: list[str]) -> dict[str, float]:
    """Read `--budget games=100`, `tokens=2e6`, `usd=5`. Raises UsageError if one can't be read."""
    found: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise UsageError(f"--budget wants games=N, tokens=N or usd=X; {text!r} is none of them.") from None
    return found
