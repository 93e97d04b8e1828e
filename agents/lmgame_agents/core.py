"""What passes between a game and an agent: observation in, decision out."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np

from lmgame_common import LmgameError
from lmgame_games import Move


class Verdict(StrEnum):
    """What became of an answer. All of these are the model's doing and count."""

    OK = "ok"
    UNPARSABLE = "unparsable"
    ILLEGAL = "illegal"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the server reported them; None where it didn't."""

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None

    @property
    def total(self) -> int:
        """Prompt and completion tokens, as far as they are known."""
        return (self.prompt_tokens or 0) + (self.completion_tokens or 0)


@dataclass(frozen=True, slots=True)
class Latency:
    """Where the time of one answer went, in seconds from sending the request."""

    total: float = 0.0
    first_token: float | None = None
    """To the first generated token, thought included."""
    between_tokens: float | None = None
    """Mean gap between chunks after the first."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What an agent gets for one decision."""

    text: str | None
    """The text view, or None for agents that see frames only."""
    frame: np.ndarray | None
    """The frame, uint8 (height, width, 3), or None for agents that read text only."""
    legal_moves: tuple[str, ...] | None = None
    feedback: str | None = None
    """Why the last answer couldn't be used, or None."""
    decisions_left: int | None = None
    index: int = 0
    """Number of this decision in its episode, from 0."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What an agent answered. `moves` is what will be played: of an unusable one, the legal moves before the fault."""

    moves: tuple[Move, ...]
    verdict: Verdict = Verdict.OK
    raw: str = ""
    """The answer as it came, thought stripped off."""
    thought: str | None = None
    problem: str | None = None
    """Why the answer couldn't be used, for the model's next turn; None for `ok`."""
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    latency: Latency = field(default_factory=Latency)


class InfrastructureError(LmgameError):
    """Raised by an agent when no answer came through no fault of the model: the runner asks again, nothing is scored.

    Attributes:
        kind: Machine-readable, such as `refused`, `reset`, `http_500`, `rate_limited`, `stalled`, `malformed`, `empty`.
        retry_after: Seconds the server asked to wait, or None.
        fatal: True where asking again can't help (wrong key, unknown model, no vision support).
    """

    exit_code = 3

    def __init__(self, kind: str, message: str, *, retry_after: float | None = None, fatal: bool = False) -> None:
        super().__init__(message)
        self.kind, self.retry_after, self.fatal = kind, retry_after, fatal


class Agent(Protocol):
    """Plays one episode. Holds that episode's conversation and nothing else.

    An agent that has a `close` method besides is closed at the end of its episode.
    """

    async def act(self, observation: Observation) -> Decision:
        """Answer one observation. Raises InfrastructureError when no answer could be had."""
        ...

    def recall(self, observation: Observation, decision: Decision) -> None:
        """Take back into memory a turn that was logged before the run was cut off, instead of asking for it again."""
        ...
