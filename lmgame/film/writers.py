"""Films as files: MP4 where a video encoder is installed, GIF everywhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import Image

from lmgame_common import MissingDependencyError, UsageError

MP4_FPS = 30
GIF_FPS = 10
"""Frames a second; viewers slow GIFs down that change more often than a dozen times a second."""

GIF_PICTURES = 1000
"""Most pictures of a GIF."""

Sink = Callable[[np.ndarray], None]
"""Takes the next frame of a film, uint8 (height, width, 3), all of one size."""


def film_suffix() -> str:
    """`.mp4` where a video encoder is installed, else `.gif`."""
    try:
        import av  # noqa: F401
    except ImportError:
        return ".gif"
    return ".mp4"


def film_rate(out: Path) -> int:
    """Frames a second of the film that `out` names. Raises UsageError for a suffix other than `.mp4` and `.gif`."""
    suffix = out.suffix.lower()
    if suffix not in (".mp4", ".gif"):
        raise UsageError(f"A replay is written as .mp4 or .gif; {out.name!r} is neither.")
    return MP4_FPS if suffix == ".mp4" else GIF_FPS


@contextmanager
def writing(out: Path) -> Iterator[Sink]:
    """Write a film; it stands under its name once it is whole, so that nobody takes half of it for the film.

    Raises:
        UsageError: For another suffix, and where the file can't be written.
        MissingDependencyError: For `.mp4` without the extra `video`.
    """
    fps, suffix = film_rate(out), out.suffix.lower()
    draft = out.with_name(f".{out.stem}.draft{suffix}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with (_mp4 if suffix == ".mp4" else _gif)(draft, fps) as write:
            yield write
        draft.replace(out)
    except OSError as error:
        raise UsageError(f"Can't write {out}: {error.strerror or error}. Choose another file with --out.") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


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
