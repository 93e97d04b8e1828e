"""What a run leaves on disk, version 1. `leaderboards/FORMAT.md` describes the same for people.

A run folder holds `run.json`, one `RunRecord`, and `episodes/<id>.jsonl`, one JSON object a line: a `HeaderLine`, then
`DecisionLine`s and `FaultLine`s in the order they happened, then one `OutcomeLine` once the episode is over. Readers
ignore fields and kinds of line that they don't know, so both may be added without a new version.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NotRequired, TypedDict
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

SCHEMA_VERSION = 1
"""Version of the record format written by this lmgame. Rises when a field changes its meaning, its type or its name."""


class UsageRecord(TypedDict, total=False):
    """Token counts and price of one answer as the server reported them; null or absent where it didn't."""

    prompt_tokens: int | None
    cached_tokens: int | None
    """Those prompt tokens that the server found in its prefix cache."""
    completion_tokens: int | None
    """Generated tokens, reasoning included."""
    reasoning_tokens: int | None
    cost_usd: float | None


class LatencyRecord(TypedDict, total=False):
    """Where the time of one answer went, in seconds."""

    total: float
    """From sending the request to the last token."""
    first_token: float | None
    between_tokens: float | None
    """Mean gap between chunks after the first."""


class HeaderLine(TypedDict):
    """First line of an episode's record: what is played, by whom, under which rules."""

    type: Literal["header"]
    schema_version: int
    lmgame: NotRequired[str | None]
    """Version of lmgame that began the record; None from a source tree that is not installed."""
    episode: str
    game: str
    preset: str
    version: int
    """The game's version, from its card."""
    options: NotRequired[dict[str, Any]]
    """The game's own options that were asked for, over the preset's."""
    seed: int
    model: str
    clock: NotRequired[str]
    observation: NotRequired[str | None]
    max_decisions: NotRequired[int]
    seats: NotRequired[list["SeatRecord"]]
    """Who plays, seat by seat, in records of matches and arenas: one entry where each plays alone, two where they
    share the game. Such a record stands by itself, without a run.json."""
    versions: NotRequired[dict[str, Any]]
    """What plays, as in `Versions`; beside `seats`."""
    endpoint: NotRequired[dict[str, Any]]
    """Where the model answered; may change when the record is continued."""
    endpoints: NotRequired[list[dict[str, Any]]]
    """In a shared game the same, seat by seat."""


class SeatRecord(TypedDict):
    """Who sits at one seat of a game, and what is shown to it."""

    player: dict[str, Any]
    """A `PlayerRecord`."""
    observation: NotRequired[str | None]
    prompt_hash: NotRequired[str | None]
    """Hash of the prompt's fixed part; None for players of this machine."""


class DecisionLine(TypedDict):
    """One answer of the model and what became of it."""

    type: Literal["decision"]
    index: int
    """Number of the decision in its episode, from 0 and without gaps."""
    moves: list[str]
    """The usable moves of the answer, in the moves' written form; re-playing them gives the episode back."""
    played: NotRequired[int]
    """How many of them were played; the rest were dropped because what they were meant for was gone."""
    verdict: str
    raw: NotRequired[str | None]
    """The answer as it came, without the thought."""
    thought: NotRequired[str | None]
    problem: NotRequired[str | None]
    """Why the answer couldn't be used, as the model was told."""
    finish_reason: NotRequired[str | None]
    usage: NotRequired[UsageRecord | None]
    latency: NotRequired[LatencyRecord | None]
    waited: NotRequired[int]
    """Frames that passed without input while the model thought; 0 under the paused clock."""
    score: float
    """The score after this decision; where both seats move at once, the seat's score when it was asked, since their
    moves are still to be played."""
    seat: NotRequired[int]
    """In a shared game, whose decision it was: 0 or 1. `index` counts both seats' decisions."""
    scores: NotRequired[list[float]]
    """In a shared game, both seats' scores when the line was written, seat by seat."""
    at: NotRequired[int]
    """In a shared game under the real-time clock: the number of the step, from 0, at which its moves began."""
    time: NotRequired[float]
    """When the line was written, Unix time in seconds."""


class RestartLine(TypedDict):
    """A shared game under the real-time clock was begun anew, because an infrastructure fault had cost a seat game
    time. Decisions before this line are void; `index` begins at 0 again."""

    type: Literal["restart"]
    why: str
    seat: NotRequired[int]
    """Whose server was at fault."""
    time: NotRequired[float]


class FaultLine(TypedDict):
    """An attempt that brought no answer through no fault of the model. It was asked again and never scored."""

    type: Literal["fault"]
    index: NotRequired[int]
    """The decision that was being asked for."""
    kind: str
    message: NotRequired[str]
    seat: NotRequired[int]
    time: NotRequired[float]


class OutcomeLine(TypedDict):
    """Last line of a finished episode."""

    type: Literal["outcome"]
    outcome: str
    """One word for how it ended: the game's own, or `decision_limit`, or `forfeit`."""
    score: float
    """In a shared game that of the first seat."""
    scores: NotRequired[list[float]]
    """In a shared game, by seat; the higher one has won, equal ones are a draw."""
    decisions: int
    """In a shared game of both seats."""
    steps: NotRequired[int]
    """In a shared game under the real-time clock: the steps that were played."""
    time: NotRequired[float]


class GameRequest(BaseModel):
    """One game of a request."""

    model_config = ConfigDict(extra="allow")

    game: str
    preset: str
    version: int
    """The game's version, from its card."""
    options: dict[str, Any] = Field(default_factory=dict)


class RunRequest(BaseModel):
    """What one command asked for: everything that could change the outcome, and no key.

    Fields added later must default to None, so that the ids of runs made before stay as they are.
    """

    model_config = ConfigDict(extra="allow")

    model: str
    base_url: str | None = None
    """Where the model answers, without key; None for players of this machine."""
    games: list[GameRequest] = Field(min_length=1)
    seeds: list[int] = Field(min_length=1)
    sampling: dict[str, Any] = Field(default_factory=dict)
    """Temperature, top-p, most tokens an answer, reasoning effort."""
    observation: str | None = None
    harness: list[str] = Field(default_factory=list)
    history: int = 0
    clock: str = "paused"
    max_decisions: int | None = None
    """None: each preset's own limit."""
    structured: bool | None = None

    @field_validator("model", "base_url")
    @classmethod
    def _no_key(cls, address: str | None) -> str | None:
        return without_key(address)


class PlayerRecord(BaseModel):
    """Who plays: everything about a player that could change an outcome, and no key.

    Fields added later must default to None, so that the keys of players seen before stay as they are.
    """

    model_config = ConfigDict(extra="allow")

    model: str
    """As in `--model`."""
    base_url: str | None = None
    """Where the model answered; not part of the player's key, since servers move."""
    harness: list[str] = Field(default_factory=list)
    history: int = 0
    sampling: dict[str, Any] = Field(default_factory=dict)
    structured: bool | None = None
    reference: bool = False
    """Whether the model was trained on the games; not part of the key."""
    weights: str | None = None
    """SHA-256 of the file with the model's weights, where the model is one that comes with lmgame."""
    copy_number: int = 0
    """1 for the second copy of a model that plays against itself, to see that it is called equal."""

    @field_validator("model", "base_url")
    @classmethod
    def _no_key(cls, address: str | None) -> str | None:
        return without_key(address)

    @property
    def key(self) -> str:
        """The player's identity: the first 16 hex digits of the SHA-256 of its canonical JSON."""
        asked = self.model_dump(mode="json", exclude={"base_url", "reference"})
        return hashlib.sha256(canonical_json(asked).encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """What people call it: the model, without the address of its server; a copy is marked."""
        model = self.model.rpartition("#")[2] if "://" in self.model else self.model
        return f"{model} (copy)" if self.copy_number else model


def numbered(names: Sequence[str]) -> list[str]:
    """The same names, told apart by a number where players are called the same."""
    return [f"{name} ({number})" if names.count(name) > 1 else name for number, name in enumerate(names, 1)]


class Versions(BaseModel):
    """What played: software that could change an outcome."""

    model_config = ConfigDict(extra="allow")

    lmgame: str
    python: str
    packages: dict[str, str] = Field(default_factory=dict)
    """Versions of the packages that games and agents stand on, by name."""
    rom: str | None = None
    """SHA-256 of the cartridge image, where a game has one."""
    weights: str | None = None
    """SHA-256 of the file with the model's weights, where the model is one that comes with lmgame."""


class BaselineRecord(BaseModel):
    """A reference score that was measured before, from the game's card."""

    n: int
    mean: float
    sd: float
    ci95: tuple[float, float]
    reference: bool = False
    """Whether the player was trained on the game."""


class RunRecord(BaseModel):
    """The content of `run.json`. Written once, when the run is created."""

    model_config = ConfigDict(extra="allow")

    schema_version: int = SCHEMA_VERSION
    id: str
    """`request_id` of the request."""
    request: RunRequest
    versions: Versions
    reference: bool = False
    """Whether the model was trained on the very games, as a fixed point to compare with. Such scores are no evidence
    about general models and are never ranked among theirs."""
    prompt_hashes: dict[str, str] = Field(default_factory=dict)
    """Hash of the prompt's fixed part, by `game/preset`."""
    baselines: dict[str, dict[str, BaselineRecord]] = Field(default_factory=dict)
    """Reference scores by `game/preset`, then by player, so that a run folder alone is enough to judge its scores."""
    created: str
    """UTC, ISO 8601."""
    command: str = ""
    """The command that continues this run."""

    @classmethod
    def begin(
        cls,
        request: RunRequest | Mapping[str, Any],
        versions: Versions,
        *,
        reference: bool = False,
        prompt_hashes: Mapping[str, str] | None = None,
        baselines: Mapping[str, Mapping[str, Any]] | None = None,
        command: str = "",
    ) -> "RunRecord":
        """The record of a run that begins now.

        Args:
            request: What was asked for; a mapping is checked against `RunRequest`.
            versions: What plays.
            reference: Whether the model was trained on the games.
            prompt_hashes: By `game/preset`.
            baselines: By `game/preset`, then player: `BaselineRecord`s, or objects or mappings with their fields.
            command: The command that continues the run.

        Raises:
            pydantic.ValidationError: If a mapping lacks something or has it in the wrong form.
        """
        if not isinstance(request, RunRequest):
            request = RunRequest.model_validate(request)
        return cls(
            id=request_id(request),
            request=request,
            versions=versions,
            reference=reference,
            prompt_hashes=dict(prompt_hashes or {}),
            baselines={
                key: {
                    player: BaselineRecord.model_validate(score, from_attributes=True)
                    for player, score in players.items()
                }
                for key, players in (baselines or {}).items()
            },
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            command=command,
        )

    def episodes(self) -> list[str]:
        """Ids of all episodes that were asked for, in the order asked."""
        return [episode_id(game.game, game.preset, seed) for game in self.request.games for seed in self.request.seeds]


def without_key(address: str | None) -> str | None:
    """An address without user, password and query, which is where some people put their keys."""
    if address is None or "://" not in address:
        return address
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


def episode_id(game: str, preset: str, seed: int) -> str:
    """Name of an episode within its run, and of its file."""
    return f"{game}-{preset}-{seed}"


def canonical_json(value: Any) -> str:
    """One text for one value: keys sorted, no spaces, ASCII, mappings without their None entries.

    Raises:
        TypeError: For what JSON has no form for.
        ValueError: For numbers that aren't finite.
    """
    return json.dumps(_without_none(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return value


def request_id(request: RunRequest | Mapping[str, Any]) -> str:
    """A request's identity: the first 10 hex digits of the SHA-256 of its canonical JSON.

    The games' versions are left out: the same command means the same run, and a run whose rules have changed since is
    refused with a word of explanation instead of being started over in silence.

    Raises:
        pydantic.ValidationError: For a mapping that is no request.
    """
    if not isinstance(request, RunRequest):
        request = RunRequest.model_validate(request)
    asked = request.model_dump(mode="json")
    for game in asked["games"]:
        del game["version"]
    return hashlib.sha256(canonical_json(asked).encode()).hexdigest()[:10]
