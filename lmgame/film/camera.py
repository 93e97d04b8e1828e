"""From the steps of a game to frames at a steady rate."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lmgame.film.writers import Sink
from lmgame_games import GameEnv, frame_of


class Camera:
    """Turns the game's own frames into frames at a steady rate: each film frame shows what stood at its moment."""

    def __init__(self, write: Sink, film_frames_a_second: float) -> None:
        self.written = 0
        self._write, self._rate = write, film_frames_a_second
        self._seconds = 0.0
        self._seen_within_step = 0
        self._env: GameEnv[Any, Any] | None = None

    @property
    def last(self) -> np.ndarray:
        """The frame that stands now."""
        return self._last

    def on_step(self, env: GameEnv[Any, Any], info: Mapping[str, Any]) -> None:
        if self._env is None:
            self._env, env.on_frame = env, self._on_frame
            self._last = frame_of(env)
            return
        if not self._seen_within_step:
            self._show(frame_of(env), info["frames"])
        self._seen_within_step = 0

    def _on_frame(self) -> None:
        assert self._env is not None
        self._seen_within_step += 1
        due = int((self._seconds + 1 / self._env.card.fps) * self._rate) > self.written
        self._show(frame_of(self._env) if due else self._last, 1)

    def _show(self, frame: np.ndarray, frames: int) -> None:
        assert self._env is not None
        self._last = frame
        self.linger(frames / self._env.card.fps)

    def linger(self, seconds: float) -> None:
        """Let game time pass over the last frame."""
        self._seconds += seconds
        while self.written < int(self._seconds * self._rate):
            self._write(self._last)
            self.written += 1
