"""One side of a film, frame by frame at a steady rate: pulled, where a camera pushes."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lmgame.film.camera import Camera
from lmgame.film.panel import Caption
from lmgame.replay import walk
from lmgame_games import GameEnv
from lmgame_leaderboards import EpisodeLog

Shot = tuple[np.ndarray, Caption]
"""A frame of the game, and what is to be said of its player at that moment."""


def shots(record: Path, log: EpisodeLog, name: str, rate: float) -> Iterator[Shot]:
    """An episode as `rate` frames a second of its own time, in the order they happened.

    Args:
        record: The episode's record.
        log: What stands in it.
        name: What the player is called.
        rate: Frames a second of game time.

    Raises:
        RecordError: If the record can't be replayed.
    """
    ready: deque[Shot] = deque()
    caption = Caption(name)
    seen: list[GameEnv[Any, Any]] = []

    def take(frame: np.ndarray) -> None:
        ready.append((frame, replace(caption, score=seen[0].score)))

    camera = Camera(take, rate)

    def on_step(env: GameEnv[Any, Any], info: Any) -> None:
        if not seen:
            seen.append(env)
        camera.on_step(env, info)

    for replayed in walk(record, on_step):
        while ready:
            yield ready.popleft()
        line = replayed.record
        caption = Caption(
            name,
            moves=tuple(line["moves"]),
            latency=(line.get("latency") or {}).get("total"),
            verdict=line["verdict"],
            decisions=line["index"] + 1,
        )
    while ready:
        yield ready.popleft()
    # The last state at least once, however short the episode was.
    outcome = log.outcome
    score = outcome["score"] if outcome else log.decisions[-1]["score"] if log.decisions else 0.0
    if seen:
        yield camera.last, replace(caption, score=score)
