"""A person at the keyboard, with a window.

Everything a person does is a decision like a model's, so that the record of a game replays: a key that was pressed is
one move; while none is, idle moves are issued at the pace of the game's own time. In games where controls are held,
the keys that are down are sampled every few frames, and each sample is one move of that many frames.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from string import ascii_lowercase
from types import ModuleType
from typing import Any

import numpy as np

from lmgame_agents.core import Decision, Latency, Observation
from lmgame_common import InterruptedRunError, UsageError
from lmgame_games import Card, GameEnv, Move, frame_of

HELD_FRAMES = 4
"""Frames of one move where controls are held: a fifteenth of a second of a 60-frame game, as quick as people press."""
FASTEST = 1 / 15
"""Least seconds between two moves of a person, where the game's own time doesn't ask for more."""
REPEAT_AFTER = 0.2
"""Seconds a key is down before its move repeats, as in Tetris games for people."""
POLL = 1 / 240
"""Seconds between two looks at the keyboard."""

_ARROWS = {name: (name,) for name in ("left", "right", "up", "down")}
_ROTATE, _ROTATE_BACK = ("up", "x"), ("z", "left ctrl")

KEYS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "tetris": {
        "left": ("left",),
        "right": ("right",),
        "soft_drop": ("down",),
        "rotate_cw": _ROTATE,
        "rotate_right": _ROTATE,
        "rotate_ccw": _ROTATE_BACK,
        "rotate_left": _ROTATE_BACK,
        "hard_drop": ("space",),
        "hold": ("c", "left shift"),
    },
    "mario": {**_ARROWS, "a": ("x", "space"), "b": ("z", "left shift")},
}
"""Keys of the built-in games: control (or single button, where controls are combinations) to names of pygame's keys."""

LABELS: Mapping[str, Mapping[str, str]] = {"mario": {"a": "jump", "b": "run"}}
"""What the help line says instead of a button's own name."""

REPEATS = frozenset({"left", "right", "up", "down", "soft_drop"})
"""Controls whose move repeats while their key is down; the others want a press each."""


@dataclass(frozen=True)
class Layout:
    """Which key plays what, and how long a move lasts."""

    keys: Mapping[str, tuple[str, ...]]
    """Control, or single button where controls are held, to names of pygame's keys."""
    held: bool
    """Whether controls are held, and are combinations of buttons written `right+a`."""
    idle_seconds: float
    """Seconds without a key after which an idle move is issued."""

    def help(self, labels: Mapping[str, str]) -> list[str]:
        """What each key does, in short phrases; a key that says it itself stands alone."""
        phrases = []
        for name, keys in self.keys.items():
            does = labels.get(name, name).replace("_", " ")
            phrases.append(does if keys == (does,) else f"{' / '.join(keys)}: {does}")
        return phrases


def layout(card: Card) -> Layout:
    """The keyboard for a card. Games without an entry in `KEYS` get arrows and letters by their controls' names.

    Raises UsageError where a game has more controls than the keyboard has keys.
    """
    held = card.hold is not None
    if held:
        names = [part for control in card.controls for part in control.name.split("+")]
    else:
        names = [control.name for control in card.controls]
    wanted = [name for name in dict.fromkeys(names) if name != card.idle.name]
    known = KEYS.get(card.game, {})
    keys = {name: known.get(name) or _ARROWS.get(name, ()) for name in wanted}
    _assign_letters(keys)
    frames = held_frames(card) if held else card.tap_frames
    return Layout(keys=keys, held=held, idle_seconds=frames / card.fps)


def held_frames(card: Card) -> int:
    """Frames of one move of a person, within what the card allows."""
    low, high = card.hold or (1, HELD_FRAMES)
    return min(max(HELD_FRAMES, low), high)


def _assign_letters(keys: dict[str, tuple[str, ...]]) -> None:
    """Give every control without a key the first letter of its name that is free, or else any free letter or digit."""
    taken = {key for names in keys.values() for key in names}
    for name in keys:
        if keys[name]:
            continue
        free = [key for key in (*name.lower(), *ascii_lowercase, *"1234567890") if key not in taken and key.isalnum()]
        if not free:
            raise UsageError(f"No key is left for {name!r}: this game has too many controls for the keyboard.")
        keys[name] = (free[0],)
        taken.add(free[0])


def combination(card: Card, buttons: Iterable[str]) -> str:
    """The control that presses the most of these buttons and no other; the idle one if there is none."""
    down = set(buttons)
    best, most = card.idle.name, 0
    for control in card.controls:
        parts = set(control.name.split("+"))
        if parts <= down and len(parts) > most:
            best, most = control.name, len(parts)
    return best


class HumanAgent:
    """Plays by keyboard in a window that shows the environment's frames, enlarged.

    The window opens with the first decision and waits for a key, so that a game never starts before its player does.
    There is one window a process: play one episode at a time.

    Args:
        env: The environment this agent plays; made with `render_mode="rgb_array"`.
        scale: How many times larger than the frame the window is; as large as the screen takes if None.
        clock: Seconds, for pacing.
    """

    def __init__(
        self, env: GameEnv[Any, Any], *, scale: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._env, self._card, self._clock = env, env.card, clock
        self._layout = layout(env.card)
        self._scale = scale
        self._window: _Window | None = None
        self._presses: deque[str] = deque()
        self._down: dict[str, float] = {}
        """Controls or buttons whose key is down, and since when."""
        self._last = 0.0
        """When the last move was issued."""

    async def act(self, observation: Observation) -> Decision:
        """Show the present frame and wait for a move.

        Raises:
            UsageError: Where there is no display.
            InterruptedRunError: When the person presses Esc or closes the window.
        """
        started = self._clock()
        frame = observation.frame if observation.frame is not None else frame_of(self._env)
        if self._window is None:
            self._window = _Window(self._card, self._layout, frame, self._scale)
            await self._first_key(frame)
        self._window.show(frame)
        self._listen()
        while (move := self._next_move()) is None:
            await asyncio.sleep(POLL)
            self._listen()
        now = self._clock()
        # Keep to the beat, so that time doesn't run slow by what every look at the keyboard comes late; but a game
        # that fell behind, such as one whose window was dragged, goes on from now instead of hurrying.
        due = self._last + self._layout.idle_seconds
        self._last = due if 0 <= now - due < 4 * POLL else now
        return Decision(moves=(move,), raw=str(move), latency=Latency(total=now - started))

    def recall(self, observation: Observation, decision: Decision) -> None:
        """Nothing to remember: the person does."""

    def close(self) -> None:
        """Close the window."""
        if self._window is not None:
            self._window.close()
            self._window = None

    async def _first_key(self, frame: np.ndarray) -> None:
        assert self._window is not None
        self._window.show(frame, "Press any key to start")
        while not self._listen():
            await asyncio.sleep(POLL)
        self._presses.clear()
        self._last = self._clock()

    def _listen(self) -> bool:
        """Take what happened at the keyboard into account; whether any key was pressed."""
        assert self._window is not None
        pressed = False
        for what, control in self._window.events():
            if what == "quit":
                self.close()
                raise InterruptedRunError("You ended the game. Run the same command again to go on from here.")
            if what == "blur":
                # Keys let go in another window are never reported.
                self._down.clear()
            elif what == "press":
                pressed = True
                if control is not None:
                    self._presses.append(control)
                    self._down[control] = self._clock()
            elif control is not None:
                self._down.pop(control, None)
        return pressed

    def _next_move(self) -> Move | None:
        """The move that is due now, or None."""
        elapsed = self._clock() - self._last
        if self._layout.held:
            return self._sample() if elapsed >= self._layout.idle_seconds else None
        if elapsed < min(self._layout.idle_seconds, FASTEST):
            return None
        while self._presses:
            move = Move(self._presses.popleft())
            if self._env.problem(move) is None:
                return move
        for control, since in self._down.items():
            if control in REPEATS and self._clock() - since >= REPEAT_AFTER and not self._env.problem(Move(control)):
                return Move(control)
        return self._card.idle if elapsed >= self._layout.idle_seconds else None

    def _sample(self) -> Move:
        """What is held now; a key tapped since the last sample counts as held, so that none is missed."""
        buttons = {*self._down, *self._presses}
        self._presses.clear()
        move = Move(combination(self._card, buttons), held_frames(self._card))
        return move if self._env.problem(move) is None else self._card.idle


class _Window:
    """The pygame window: the frame, enlarged to whole pixels, and a help text below."""

    MARGIN, FONT_SIZE, LINE = 8, 20, 20

    def __init__(self, card: Card, keys: Layout, frame: np.ndarray, scale: int | None) -> None:
        self._pygame = pygame = open_display()
        height, width = frame.shape[:2]
        screen_width, screen_height = pygame.display.get_desktop_sizes()[0]
        # Some of the screen is the desktop's own, and some the help text's.
        fits = min(screen_width * 9 // 10 // width, (screen_height * 9 // 10 - 4 * self.LINE) // height)
        self._size = width * (scale or max(1, fits)), height * (scale or max(1, fits))
        pygame.font.init()
        self._font = pygame.font.Font(None, self.FONT_SIZE)
        self._large = pygame.font.Font(None, 2 * self.FONT_SIZE)
        phrases = [*keys.help(LABELS.get(card.game, {})), "escape: end"]
        self._help = self._wrap(phrases)
        self._by_key = {pygame.key.key_code(key): name for name, names in keys.keys.items() for key in names}
        total = self._size[1] + 2 * self.MARGIN + len(self._help) * self.LINE
        self.surface = pygame.display.set_mode((self._size[0], total))
        pygame.display.set_caption(f"lmgame: {card.title}")

    def _wrap(self, phrases: list[str]) -> list[str]:
        lines: list[str] = []
        for phrase in phrases:
            longer = f"{lines[-1]}     {phrase}" if lines else phrase
            if lines and self._font.size(longer)[0] <= self._size[0] - 2 * self.MARGIN:
                lines[-1] = longer
            else:
                lines.append(phrase)
        return lines

    def show(self, frame: np.ndarray, banner: str = "") -> None:
        """Draw a frame, the help below it and, if given, a banner across it."""
        pygame = self._pygame
        height, width = frame.shape[:2]
        picture = pygame.image.frombuffer(frame.tobytes(), (width, height), "RGB")
        self.surface.fill((28, 28, 34))
        self.surface.blit(pygame.transform.scale(picture, self._size), (0, 0))
        for number, line in enumerate(self._help):
            text = self._font.render(line, True, (225, 225, 225))
            self.surface.blit(text, (self.MARGIN, self._size[1] + self.MARGIN + number * self.LINE))
        if banner:
            text = self._large.render(banner, True, (20, 20, 20))
            where = text.get_rect(center=(self._size[0] // 2, self._size[1] // 2))
            self.surface.fill((255, 220, 80), where.inflate(2 * self.MARGIN, 2 * self.MARGIN))
            self.surface.blit(text, where)
        pygame.display.flip()

    def events(self) -> list[tuple[str, str | None]]:
        """What happened since last asked: `quit`, `blur`, or `press` and `release` with the control, if it is one's."""
        pygame = self._pygame
        found: list[tuple[str, str | None]] = []
        for event in pygame.event.get():
            if event.type == pygame.QUIT or (event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE):
                found.append(("quit", None))
            elif event.type == pygame.KEYDOWN:
                found.append(("press", self._by_key.get(event.key)))
            elif event.type == pygame.KEYUP:
                found.append(("release", self._by_key.get(event.key)))
            elif event.type == pygame.WINDOWFOCUSLOST:
                found.append(("blur", None))
            elif event.type == pygame.WINDOWEXPOSED:
                pygame.display.flip()
        return found

    def close(self) -> None:
        self._pygame.display.quit()


def open_display() -> ModuleType:
    """pygame with its display started. Raises UsageError where there is no screen to show a window on."""
    # Said on standard output at import, where only results belong.
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    import pygame

    reason = "SDL found no screen"
    try:
        pygame.display.init()
        driver = pygame.display.get_driver()
        # Where it finds no screen SDL falls back to drivers that show nothing; fine only for somebody who asked.
        if driver not in ("offscreen", "dummy") or os.environ.get("SDL_VIDEODRIVER"):
            return pygame
        pygame.display.quit()
    except pygame.error as error:
        reason = str(error)
    raise UsageError(
        f"Human play needs a window, and there is no display to open it on ({reason}). Run this on a desktop, or over "
        "`ssh -X`; where SDL picks the wrong driver, name one, such as SDL_VIDEODRIVER=x11."
    )
