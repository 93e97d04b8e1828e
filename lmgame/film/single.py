"""The film of one episode."""

import math
from pathlib import Path

from lmgame.film.camera import Camera
from lmgame.film.writers import film_rate, writing
from lmgame.replay import walk
from lmgame_common import UsageError
from lmgame_leaderboards import read_episode


def film(record: Path, out: Path, speed: float = 1.0) -> float:
    """Write an episode's film.

    Args:
        record: The episode's record.
        out: Where to; the suffix `.mp4` or `.gif` says what.
        speed: Game seconds a film second.

    Returns:
        The film's length in seconds.

    Raises:
        UsageError: For another suffix or a speed that isn't positive.
        MissingDependencyError: For `.mp4` without the extra `video`.
        RecordError: If the record can't be replayed.
    """
    check_speed(speed)
    fps = film_rate(out)
    read_episode(record)  # complains before anything is written
    with writing(out) as write:
        camera = Camera(write, fps / speed)
        for _ in walk(record, camera.on_step):
            pass
        camera.linger(speed)
    return camera.written / fps


def check_speed(speed: float) -> None:
    """Raise UsageError unless the speed is a positive number."""
    if not (speed > 0 and math.isfinite(speed)):
        raise UsageError(f"--speed must be greater than zero, not {speed}.")
