"""Films of episodes, drawn anew from their records."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lmgame.replay import walk
from lmgame_common import MissingDependencyError, UsageError
from lmgame_games import GameEnv, frame_of
from lmgame_leaderboards import read_episode

MP4_FPS = 30
GIF_FPS = 10
"""Frames a second; viewers slow GIFs down that change more often than a dozen times a second."""

GIF_PICTURES = 1000
"""Most pictures of a GIF."""

Sink = Callable[[np.ndarray], None]


def film_suffix() -> str:
    """`.mp4` where a video encoder is installed, else `.gif`."""
    try:
        import av  # noqa: F401
    except ImportError:
        return ".gif"
    return ".mp4"


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
    if not (speed > 0 and math.isfinite(speed)):
        raise UsageError(f"--speed must be greater than zero, not {speed}.")
    suffix = out.suffix.lower()
    if suffix not in (".mp4", ".gif"):
        raise UsageError(f"A replay is written as .mp4 or .gif; {out.name!r} is neither.")
    read_episode(record)  # complains before anything is written
    fps, sink = (MP4_FPS, _mp4) if suffix == ".mp4" else (GIF_FPS, _gif)
    # Under another name until it is whole, so that nobody takes half a film for the film.
    draft = out.with_name(f".{out.stem}.draft{suffix}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with sink(draft, fps) as write:
            camera = _Camera(write, fps / speed)
            for _ in walk(record, camera.on_step):
                pass
            camera.linger(speed)
        draft.replace(out)
    except OSError as error:
        raise UsageError(f"Can't write {out}: {error.strerror or error}. Choose another file with --out.") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return camera.written / fps


class _Camera:
    """Turns the game's own frames into frames at a steady rate: each film frame shows what stood at its moment."""

    def __init__(self, write: Sink, film_frames_a_second: float) -> None:
        self.written = 0
        self._write, self._rate = write, film_frames_a_second
        self._seconds = 0.0
        self._seen_within_step = 0
        self._env: GameEnv[Any, Any] | None = None

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


@contextmanager
def _mp4(out: Path, fps: int) -> Iterator[Sink]:
    try:
        import av
    except ImportError:
        raise MissingDependencyError("An .mp4 replay", "video") from None
    with av.open(str(out), "w") as container:
        stream = None

        def write(frame: np.ndarray) -> None:
            nonlocal stream
            # The usual pixel format halves the colour resolution, so both sides must be even.
            height, width = (side + side % 2 for side in frame.shape[:2])
            frame = np.pad(frame, ((0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0)))
            if stream is None:
                stream = container.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "veryfast"})
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))

        yield write
        if stream is not None:
            container.mux(stream.encode())


@contextmanager
def _gif(out: Path, fps: int) -> Iterator[Sink]:
    """A GIF is held in memory until it is written, so a long one gets fewer pictures: every other one is let go."""
    pictures: list[Image.Image] = []
    durations: list[int] = []
    last: np.ndarray | None = None

    def write(frame: np.ndarray) -> None:
        nonlocal last
        if last is not None and np.array_equal(frame, last):
            durations[-1] += 1000 // fps
            return
        last = frame
        if len(pictures) == GIF_PICTURES:
            pictures[:] = pictures[::2]
            durations[:] = [sum(durations[at : at + 2]) for at in range(0, len(durations), 2)]
        pictures.append(Image.fromarray(frame).quantize(64, dither=Image.Dither.NONE))
        durations.append(1000 // fps)

    yield write
    if pictures:
        pictures[0].save(out, save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=False)
