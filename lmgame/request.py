"""What one run is asked to do, checked before anything starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lmgame_common import UsageError
from lmgame_games import Card, ObservationKind, card, game
from lmgame_serving import VLLM

Clock = Literal["paused", "realtime"]

AGENTS = ("random", "scripted", "human")
"""Names of `--model` that are players of this machine and need no endpoint."""

SEEDS_OF_A_RUN = 10_000_000
"""Most seeds of one run."""
MAX_SEED = 2**31 - 1
"""Seeds go from 0 to this, so that every server accepts them as the model's own seed too."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One `lmgame play`: what is played, by whom, and how far.

    The fields down to `options` make the run's identity; the ones after it say how this machine goes about it, and
    may differ when the same run is continued.

    Raises:
        UsageError: For values that make no sense together or alone.
        UnknownNameError: For unknown games and presets.
    """

    model: str
    games: tuple[str, ...] = ("tetris",)
    """Names of games; `NAME/PRESET` names the game's own preset."""
    preset: str | None = None
    seeds: tuple[int, ...] = (0,)
    clock: Clock = "paused"
    observation: ObservationKind | None = None
    """None: what the preset prescribes; else the frame alone where the model reads no text, both where the endpoint
    takes images, and text otherwise."""
    max_decisions: int | None = None
    """None: the preset's own limit."""
    base_url: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    reasoning_effort: str | None = None
    structured: bool | None = None
    """Ask the server for answers by JSON schema; None: only where the endpoint is known to need it."""
    history: int = 0
    """Earlier turns shown to the model, as text."""
    request_timeout: float = 600.0
    """Seconds a model may take for one answer; beyond them the verdict is `timeout`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The game's own options, such as mario's `stage`."""

    concurrency: int = 4
    out: Path | None = None
    fresh: bool = False
    max_tokens_total: int | None = None
    max_cost: float | None = None
    price: tuple[float, float] | None = None
    """US dollars per million prompt and completion tokens; only needed where the server reports no cost."""
    idle_timeout: float = 120.0
    """Seconds without a sign of life after which the server, not the model, is at fault."""
    max_retries: int = 8
    """Times one decision is asked again after infrastructure faults before its episode is put off."""
    serve_profile: str | None = None
    """For `vllm/MODEL`: the shape of the backend, by its profile's name or TOML file; None: `colocated`."""
    serve_set: tuple[str, ...] = ()
    """For `vllm/MODEL`: `KEY=VALUE` over what the profile says."""
    vllm_python: str | None = None
    """For `vllm/MODEL`: the interpreter that has vLLM; None: this one."""
    db: str | None = None
    """The results store that finished games go to: a path, a URL, or `none`; None: what `LMGAME_DB` says, else the
    user's own."""

    def __post_init__(self) -> None:
        if not self.games:
            raise UsageError("No game given. Use --game tetris, for example; `lmgame games` lists them.")
        if len({(preset.game, preset.preset) for preset in self.cards()}) != len(self.games):
            raise UsageError("A game is given twice; name each --game once.")
        if not self.seeds:
            raise UsageError("No seeds given: a run needs at least one.")
        if len(set(self.seeds)) != len(self.seeds):
            raise UsageError("A seed is given twice; every seed is one episode.")
        for seed in self.seeds:
            if not 0 <= seed <= MAX_SEED:
                raise UsageError(f"Seed {seed} is out of range; seeds go from 0 to {MAX_SEED}.")
        for name, value in (
            ("--concurrency", self.concurrency),
            ("--max-decisions", self.max_decisions),
            ("--max-tokens", self.max_tokens),
            ("--max-tokens-total", self.max_tokens_total),
            ("--max-cost", self.max_cost),
            ("--request-timeout", self.request_timeout),
            ("--idle-timeout", self.idle_timeout),
        ):
            if value is not None and not value > 0:
                raise UsageError(f"{name} must be greater than zero, not {value}.")
        for name, value in (("--history", self.history), ("--max-retries", self.max_retries)):
            if value < 0:
                raise UsageError(f"{name} must not be negative, and is {value}.")
        if self.temperature is not None and not 0 <= self.temperature <= 2:
            raise UsageError(f"--temperature goes from 0 to 2; {self.temperature} was given.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise UsageError(f"--top-p is greater than 0 and at most 1; {self.top_p} was given.")
        if self.clock not in ("paused", "realtime"):
            raise UsageError(f"--clock is paused or realtime, not {self.clock!r}.")
        if self.observation not in (None, "text", "image", "both"):
            raise UsageError(f"--observation is text, image or both, not {self.observation!r}.")
        known = sorted({option for preset in self.cards() for option in game(preset.game).options})
        for option in self.options:
            if option not in known:
                names, listing = " and ".join(self.games), ", ".join(known) or "none"
                raise UsageError(f"{names} has no option {option!r}; known options: {listing}.")
        for preset in self.cards():
            if self.observation and preset.observation and self.observation != preset.observation:
                raise UsageError(
                    f"The preset {preset.preset!r} of {preset.game} prescribes --observation {preset.observation}."
                )
        if (self.serve_profile or self.serve_set) and not self.on_backend:
            raise UsageError(
                f"--serve-profile and --serve-set are for models that lmgame serves itself, {VLLM}/MODEL; "
                f"{self.model} is none. Leave them out."
            )
        if self.model == "human" and (len(self.games) > 1 or self.clock == "realtime"):
            raise UsageError("A human plays one game at a time, and the clock is the wall's own: leave --clock out.")

    @property
    def on_backend(self) -> bool:
        """Whether lmgame is to serve the model itself, on this machine's GPUs."""
        return self.base_url is None and self.model.startswith(f"{VLLM}/")

    def cards(self) -> tuple[Card, ...]:
        """The card of each game, in the order given."""
        named = (name.partition("/") for name in self.games)
        return tuple(card(name, preset or self.preset) for name, _, preset in named)

    def options_of(self, name: str) -> dict[str, Any]:
        """Those of the options that are a game's own."""
        return {option: value for option, value in self.options.items() if option in game(name).options}

    def decisions(self, preset: Card) -> int:
        """The decision limit of an episode under that card."""
        if self.max_decisions is not None:
            return self.max_decisions
        # A person's decision is one key for a few frames, so people get as many as a model could string together.
        keys = preset.max_moves * (preset.hold[1] if preset.hold else 1) if self.model == "human" else 1
        return preset.max_decisions * keys


def seed_list(text: str) -> tuple[int, ...]:
    """Read `--seeds`: numbers and inclusive ranges, such as `0,3,10-19`.

    Raises:
        UsageError: If it can't be read.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"--seeds wants numbers and ranges such as 0,3,10-19; {part.strip()!r} is neither.")
        low, high = int(first), int(last or first)
        if high < low or high - low >= SEEDS_OF_A_RUN:
            raise UsageError(f"--seeds: the range {part.strip()!r} is empty or too long.")
        seeds.extend(range(low, high + 1))
    return tuple(seeds)


def first_seeds(episodes: int, seed: int = 0) -> tuple[int, ...]:
    """The seeds of `--episodes N --seed S`: S, S+1, …, S+N-1. Raises UsageError for N below 1."""
    if episodes < 1:
        raise UsageError(f"--episodes must be at least 1, not {episodes}.")
    if episodes > SEEDS_OF_A_RUN:
        raise UsageError(f"--episodes is at most {SEEDS_OF_A_RUN}, not {episodes}.")
    return tuple(range(seed, seed + episodes))
