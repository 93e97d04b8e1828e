"""Super Mario Bros as a Gymnasium environment."""

from typing import Any

import gymnasium
import numpy as np

from lmgame_common import GameError, UnknownNameError, UsageError
from lmgame_games.core import GameEnv, Move
from lmgame_games.mario import buttons, cards, ram
from lmgame_games.mario.cartridge import find
from lmgame_games.mario.console import Console, Start
from lmgame_games.mario.progress import Distance, Progress, Scroll
from lmgame_games.mario.text import view

UNATTENDED_LIMIT = 3600
"""Most frames in which a step waits for the game to listen again; the longest seen, a castle's end, is about 1,000."""

Result = tuple[np.ndarray, float, bool, bool, dict[str, Any]]


class SuperMarioBrosEnv(GameEnv[np.ndarray, np.ndarray]):
    """One game from a stage's start to its end: a life, three, or the princess.

    A move holds a button combination for 1 to 60 frames. Where a move ends while the game doesn't listen to the
    buttons (a death, a pipe, growing, the flagpole, the black screen before a stage), the same step goes on with no
    button held until it listens again, so nobody is asked for a decision that can't matter. A step that begins at such
    a time, which only `wait` leads to, first waits for the game too, then plays its move. Every frame is emulated,
    none is skipped, and RAM is never written after the stage was chosen on the title screen: `NESEnv` fed
    `start.before`, `start.writes`, `start.after` and then each `info["buttons"]` has the same RAM after every frame.

    Observations are frames, uint8 of shape (240, 256, 3). The reward is the rise of the score. `info` has, besides
    `score` and `turn_over`: `stage` (such as `1-1`), `lives` (left, the present one included), `time` (the game's
    clock), `frames` (how many this step ran) and `buttons` (their controller bytes, as `bytes`).

    The turn is over where the scene goes (a life lost, a pipe, a new stage), once until the game listens again; not
    where Mario only grew. What is decided after it went is meant for what comes, and is played there.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 60}  # noqa: RUF012 (Gymnasium's own contract)

    def __init__(
        self,
        preset: str = "standard",
        render_mode: str | None = None,
        *,
        stage: str | None = None,
        lives: int | str | None = None,
        rom: str | None = None,
    ) -> None:
        """Switch a console on.

        Args:
            preset: Name of a preset, see `lmgame_games.mario.cards`.
            render_mode: `rgb_array`, or None for an environment whose `render()` returns None.
            stage: Start stage, `1-1` to `8-4`; by default the preset's, or the seed's choice.
            lives: 1 or 3; by default the preset's. With 3 the game's own rules hold, extra lives included; with 1 the
                episode ends with the first death.
            rom: Path of a cartridge image; by default the one that gym-super-mario-bros ships.

        Raises:
            UnknownNameError: For an unknown preset or stage.
            UsageError: For another number of lives, or a cartridge that can't be played.
        """
        if render_mode not in (None, "rgb_array"):
            raise UsageError(f"Super Mario Bros renders as 'rgb_array', not {render_mode!r}.")
        self.card = cards.card(preset)
        self.render_mode = render_mode
        options = self.card.options
        self._stage = _stage(stage or options.get("stage"))
        self._lives = _lives(options["lives"] if lives is None else lives)
        self.cartridge = find(rom)
        """The cartridge in use; its digest belongs into records, because images may differ."""
        self._console: Console | None = None
        self._console_stage: tuple[int, int] | None = None
        # The emulator's own, one for all environments: a space of this size holds 0.7 MiB of bounds.
        self.observation_space = Console.observation_space
        self.action_space = gymnasium.spaces.MultiDiscrete([len(buttons.NAMES), 60])
        self._idle_before: int = options["frames_before_move"]
        self._progress: Progress = Distance()
        self._lives_now = 3
        self._terminated = False
        self._scene_gone = False

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Refuse to be copied or pickled, with a GameError: nes-py's emulator can't be."""
        raise GameError(
            "An environment of Super Mario Bros can't be copied or pickled, because its emulator can't: "
            "make a new one, reset it with the same seed and replay the moves."
        )

    @property
    def console(self) -> Console:
        """The console the game runs on. Raises GameError before the first `reset`."""
        if self._console is None:
            raise GameError("The game has not started: call reset() first.")
        return self._console

    @property
    def memory(self) -> memoryview:
        """The RAM as it is now, 2,048 bytes, read-only; `lmgame_games.mario.ram` says what it means."""
        return self.console.memory

    @property
    def start(self) -> Start:
        """How the present episode's start was reached from power-on."""
        return self.console.start

    @property
    def score(self) -> float:
        """Pixels so far, as the card counts them."""
        return float(self._progress.total)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start a stage. `info["buttons"]` has the seed's idle frames."""
        super().reset(seed=seed)
        stage, idle = self._stage, 0
        if self.card.options["varied"]:
            # Seeds in a row go through the stages in turn, so that even a short run sees them evenly.
            # Raw draws, because NumPy promises stable streams for bit generators, not for distributions over them.
            raw = int(self.np_random.bit_generator.random_raw())
            turn = raw if seed is None else seed
            stage = stage or _stage(cards.STAGES[turn % len(cards.STAGES)])
            idle = int(self.np_random.bit_generator.random_raw()) % cards.IDLE_FRAMES
        assert stage is not None  # a preset without variation names its stage
        if self._console is None or self._console_stage != stage:
            self._console, self._console_stage = Console(self.cartridge, *stage), stage
        else:
            self._console.rewind()
        self._progress = Distance() if self.card.options["score"] == "distance" else Scroll()
        self._progress.see(self.memory, True)
        self._lives_now = ram.lives(self.memory)
        self._terminated = self._scene_gone = False
        held = self._hold(0, idle)[0]
        return self.console.frame(), self._info(held, turn_over=False)

    def step(self, action: np.ndarray) -> Result:
        """Hold a button combination, once the game listens; not if the scene goes (`turn_over`) before it does.

        Raises GameError before `reset`, after the end, and for no action at all.
        """
        if self._terminated:
            raise GameError("The game is over: call reset() first.")
        if not self.action_space.contains(action):
            raise GameError(
                f"{action} is no action: expected a button combination, 0 to 12, and frames less one, 0 to 59."
            )
        before = self.score
        frames = int(action[1]) + 1
        held, over = self._until_listening()
        for button, count in ((0, self._idle_before), (buttons.BYTES[int(action[0])], frames)):
            if not over:
                more, over = self._hold(button, count)
                held += more
        more, gone = self._until_listening()
        return self._result(held + more, before, over or gone)

    def wait(self, frames: int) -> Result:
        """Let exactly `frames` frames pass without input, fewer only where the game ends. No-op once finished."""
        if frames < 0:
            raise GameError(f"Can't wait {frames} frames; expected 0 or more.")
        before = self.score
        held, over = (b"", False) if self._terminated else self._hold(0, frames, through=True)
        return self._result(held, before, over)

    def render(self) -> np.ndarray | None:  # type: ignore[override]
        """The present picture, a fresh uint8 array of shape (240, 256, 3), RGB; None without a render mode.

        Raises GameError before the first `reset`.
        """
        return None if self.render_mode is None else self.console.frame()

    def text(self) -> str:
        """The text view; the card's rules say how to read it."""
        return view(self.memory, self._progress.total, self._shown_lives())

    def action(self, move: Move) -> np.ndarray:
        """The element of `action_space` that plays this move. Raises GameError for an illegal one."""
        if (problem := self.card.problem(move)) is not None or move.frames is None:
            raise GameError(problem or "A move needs a duration.")
        return np.array([buttons.NAMES.index(move.name), move.frames - 1])

    def move(self, action: np.ndarray) -> Move:
        """The move that an element of `action_space` plays."""
        return Move(buttons.NAMES[int(action[0])], int(action[1]) + 1)

    def outcome(self) -> str:
        """`died` (of one life), `game_over` (of three) or `completed` (the princess is free)."""
        if ram.phase(self.memory) is ram.Phase.COMPLETED:
            return "completed"
        return "died" if self._lives == 1 else "game_over"

    def close(self) -> None:
        """Nothing to do: the console goes with the last reference to it."""

    def _hold(self, held: int, frames: int, *, through: bool = False) -> tuple[bytes, bool]:
        """Run up to `frames` frames with a controller byte; returns the bytes fed, and whether the turn is over.

        Stops where the turn is over, or, with `through`, only at the end of the game.
        """
        console, see, playing = self.console, self._progress.see, ram.playing
        advance, memory, on_frame = console.advance, console.memory, self.on_frame
        over = False
        for frame in range(1, frames + 1):
            advance(held)
            listening = playing(memory)
            see(memory, listening)
            if on_frame:
                on_frame()
            if listening:
                self._scene_gone = False
            elif self._scene_goes():
                over = True
                if self._terminated or not through:
                    return bytes((held,)) * frame, True
        return bytes((held,)) * frames, over

    def _until_listening(self) -> tuple[bytes, bool]:
        """Hold nothing until the game listens to the buttons; returns the bytes fed, and whether the turn is over."""
        fed, over = 0, False
        while not self._terminated and fed < UNATTENDED_LIMIT and not ram.playing(self.memory):
            over |= self._hold(0, 1)[1]
            fed += 1
        return bytes(fed), over

    def _scene_goes(self) -> bool:
        """Whether the scene went in this very frame (life lost, area left); notices the end of the game."""
        memory, gone = self.memory, self._scene_gone
        lives = ram.lives(memory)
        lost, self._lives_now = lives < self._lives_now, lives
        self._terminated = (lost and (self._lives == 1 or lives == 0)) or ram.phase(memory) is ram.Phase.COMPLETED
        self._scene_gone = gone or lost or not ram.in_scene(memory)
        return self._terminated or self._scene_gone != gone

    def _shown_lives(self) -> int:
        return int(not self._terminated) if self._lives == 1 else ram.lives(self.memory)

    def _result(self, held: bytes, before: float, over: bool) -> Result:
        reward = self.score - before
        return self.console.frame(), reward, self._terminated, False, self._info(held, turn_over=over)

    def _info(self, held: bytes, *, turn_over: bool) -> dict[str, Any]:
        memory = self.memory
        world, stage = ram.stage(memory)
        return {
            "score": self.score,
            "turn_over": turn_over,
            "stage": f"{world}-{stage}",
            "lives": self._shown_lives(),
            "time": ram.time_left(memory),
            "frames": len(held),
            "buttons": held,
        }


def _stage(name: str | None) -> tuple[int, int] | None:
    if name is None:
        return None
    if name not in cards.ALL_STAGES:
        raise UnknownNameError("stage", name, cards.ALL_STAGES)
    world, stage = name.split("-")
    return int(world), int(stage)


def _lives(value: int | str) -> int:
    if str(value) not in ("1", "3"):
        raise UsageError(f"Super Mario Bros is played with 1 or 3 lives, not {value}.")
    return int(value)
