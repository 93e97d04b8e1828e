"""What a game is made of: moves, cards, and the environment contract.

A game is a `gymnasium.Env` with a card. One `step` is one move, the smallest thing a player can do.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import gymnasium
import numpy as np

from lmgame_common import GameError

ObservationKind = Literal["text", "image", "both"]


@dataclass(frozen=True, slots=True)
class Move:
    """One move of a player: a control's name and, in games where a control is held, for how many frames.

    Written `left` or `right+a:24`, in records and answers alike.
    """

    name: str
    frames: int | None = None

    def __str__(self) -> str:
        return self.name if self.frames is None else f"{self.name}:{self.frames}"

    @classmethod
    def parse(cls, text: str) -> "Move":
        """Read the canonical form back. Raises ValueError on anything that `str(move)` doesn't write."""
        name, colon, frames = text.partition(":")
        if not name or (colon and not frames.isdecimal()):
            raise ValueError(f"not a move: {text!r}")
        return cls(name, int(frames) if colon else None)


@dataclass(frozen=True, slots=True)
class Control:
    """A thing the player can press: its canonical name, what it does, and other words models use for it."""

    name: str
    does: str
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Baseline:
    """A measured reference score: number of episodes, mean, sample standard deviation, 95 % interval of the mean."""

    n: int
    mean: float
    sd: float
    ci95: tuple[float, float]
    reference: bool = False
    """Whether the player was trained on the game: a fixed point to compare with, no evidence about general models."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """The frozen description of a game under one preset. Everything a model is told about a game stands here."""

    game: str
    """Short name, as in `--game tetris`."""
    preset: str
    """Name of the preset this card describes."""
    env_id: str
    """Gymnasium id, such as `lmgame/Tetris-v1`."""
    version: int
    """Rises whenever results stop being comparable with earlier ones; a run is resumed only under the same version."""
    title: str
    rules: str
    """The rules as the model reads them: the game, how time passes, how to read the text view, what scores."""
    controls: tuple[Control, ...]
    hold: tuple[int, int] | None = None
    """Least and most frames a control is held, both inclusive; None where moves have no duration."""
    default_hold: int | None = None
    """Frames of a move given without a duration; None where a missing duration is illegal or there are none."""
    max_moves: int
    """Most moves in one answer. More than that is illegal; the first `max_moves` are played."""
    answers: tuple[str, ...]
    """Examples of legal answers, each a complete answer as the model should write it."""
    idle: Move
    """What an unusable answer costs."""
    fps: float
    """Frames a second of the game's own time."""
    move_frames: str
    """How many frames a move takes, in words."""
    tap_frames: int = 1
    """Frames that a move without a duration takes, for people's pace."""
    score: str
    """What the score counts, in words."""
    illegal: str
    """What makes an answer illegal, in words."""
    seed: str
    """What a seed changes, in words."""
    notes: str = ""
    """Why the numbers of this preset are what they are; for people, not shown to the model."""
    max_decisions: int
    """Decisions after which an episode ends, counted by the runner."""
    observation: ObservationKind | None = None
    """The observation this preset prescribes; None where both kinds are fair."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The environment's keyword arguments under this preset."""
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    """Measured reference scores, by player: `random`, `scripted`; in a shared game those against `random`, with the
    seats swapped on every seed."""
    seats: int = 1
    """Players at the game; 2 for a shared game, whose score decides who has won."""
    simultaneous: bool = False
    """Whether all seats of a shared game move at once; else they take turns."""
    rounds: bool = False
    """Whether under the paused clock nobody is asked for its next turn before both have finished theirs, however many
    answers that takes; a turn is over when `info["turn_over"]` says so. Only where both seats move at once. A seat that
    has used up its decisions, while the other has some left, loses then, as on the clock in chess."""
    timed: bool = True
    """Whether the game's own time runs while nobody moves; where it doesn't there is no real-time clock."""
    forfeit_after: int = 10
    """Unusable answers in a row that end the game as `forfeit`, which in a shared game is a loss."""
    unusable: str = ""
    """What an answer that can't be used costs, as a sentence for the model, where it isn't what is usual: a turn, or
    in a shared game whose seats take turns being asked again."""

    def control(self, name: str) -> Control | None:
        """The control of that canonical name, or None."""
        return next((control for control in self.controls if control.name == name), None)

    def problem(self, move: Move) -> str | None:
        """Why this move is illegal whatever the state, in one sentence for the model; None if it is legal."""
        if self.control(move.name) is None:
            return f"{move.name!r} is not a move; the moves are {', '.join(c.name for c in self.controls)}."
        if self.hold is None:
            return None if move.frames is None else f"{move.name!r} takes no duration."
        low, high = self.hold
        if move.frames is None:
            return f"{move.name!r} needs a duration of {low} to {high} frames."
        if not low <= move.frames <= high:
            return f"{move.name!r} was to be held {move.frames} frames; {low} to {high} are possible."
        return None


class GameEnv[ObsT, ActT](gymnasium.Env[ObsT, ActT]):
    """Base of every one-player game.

    `reset` and `step` are Gymnasium's. The `info` of both has at least `score` (the score so far) and, after `step` and
    `wait`, `frames` (int: frames of the game's own time that passed) and `turn_over` (bool: the moves left over of the
    current answer must be dropped, because what they were meant for is gone, such as a piece that has locked).
    Observations and frames are fresh arrays. All randomness comes from `reset(seed=…)`.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (Gymnasium's own contract)
    card: Card
    """The card of the preset this environment was made with."""
    on_frame: Callable[[], None] | None = None
    """Set by whoever films. A game whose steps span many frames calls it after each of them, when `render()` shows that
    frame; a game that changes once a step leaves it alone."""

    @property
    @abstractmethod
    def score(self) -> float:
        """The score so far, as the card defines it."""

    @abstractmethod
    def text(self) -> str:
        """The text view: everything needed to play, deterministic, compact, one canonical form."""

    @abstractmethod
    def action(self, move: Move) -> ActT:
        """The element of `action_space` that plays this move. Raises GameError for an illegal one."""

    @abstractmethod
    def move(self, action: ActT) -> Move:
        """The move that an element of `action_space` plays; inverse of `action`."""

    @abstractmethod
    def wait(self, frames: int) -> tuple[ObsT, float, bool, bool, dict[str, Any]]:
        """Let `frames` ≥ 0 frames pass without input; returns what `step` returns. No-op once finished."""

    def legal_moves(self) -> tuple[str, ...] | None:
        """The moves legal right now, where that depends on the state; None where all on the card always are."""
        return None

    def problem(self, move: Move) -> str | None:
        """Why this move is illegal right now, in one sentence for the model; None if it is legal."""
        return self.card.problem(move)

    def outcome(self) -> str:
        """One word for how the episode ended, such as `topped_out`; only asked once it has."""
        return "over"


class Player(Protocol):
    """A scripted player. Pure: what it answers depends on the environment's present state alone."""

    def act(self) -> list[Move]:
        """The moves of the next decision, at least one and at most the card's `max_moves`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Game:
    """A game as it is registered: names and lazy entry points, no code loaded yet."""

    name: str
    title: str
    env_id: str
    entry_point: str
    """`module:Class` of the environment; its keyword arguments: `preset`, `render_mode` and the game's own options."""
    presets: tuple[str, ...]
    """Names of the presets, the default first."""
    cards: Callable[[str], Card]
    """From a preset's name to its card."""
    scripted: str | None = None
    """`module:Class` of the scripted player; constructed with the unwrapped environment."""
    extra: str | None = None
    """The extra of lmgame that brings what the game needs."""
    check: Callable[[], None] | None = None
    """Raises an LmgameError that says what to do where the game can't run on this machine; None: it always can."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The game's own options (keyword arguments of the environment) and what they mean."""
    seats: int = 1
    """Players at the game: 1 for a `GameEnv`, 2 for a `SharedGame`."""
    threads: bool = False
    """Whether moves take long and release the interpreter's lock meanwhile, so that playing them in worker threads
    lets other games go on. Of such a game stills are kept, so that nobody has to play it again to see its end."""


def play_moves(
    env: GameEnv[Any, Any], moves: Iterable[Move], after_step: Callable[[dict[str, Any]], None] | None = None
) -> tuple[int, bool, bool]:
    """Play moves until they are out, the game ends, or what they were meant for is gone (`turn_over`).

    Args:
        env: The game, somewhere in an episode.
        moves: Legal moves.
        after_step: Called with `info` after each step.

    Returns:
        How many were played, whether the game is over, and whether the turn is.
    """
    played = 0
    for move in moves:
        _, _, terminated, truncated, info = env.step(env.action(move))
        played += 1
        if after_step:
            after_step(info)
        if terminated or truncated or info["turn_over"]:
            return played, terminated or truncated, info["turn_over"]
    return played, False, False


def frame_of(env: GameEnv[Any, Any]) -> np.ndarray:
    """The present frame, uint8 of shape (height, width, 3). Raises GameError where the environment renders none."""
    frame = env.render()
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise GameError(f"{type(env).__name__}.render() must return a uint8 array of shape (height, width, 3).")
    return frame
