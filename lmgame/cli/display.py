"""Live progress: small screens on a terminal, plain lines elsewhere."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.measure import Measurement
from rich.panel import Panel
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from lmgame.episode import EpisodeState
from lmgame_common import printable
from lmgame_games import frame_of

SCREEN_ROWS = 22
"""Terminal rows of a thumbnail; a row shows two rows of pixels."""


class Thumbnail:
    """A frame, uint8 (height, width, 3), as half-block characters: two pixels a character, square on most terminals."""

    def __init__(self, frame: np.ndarray, rows: int = SCREEN_ROWS) -> None:
        self._columns, self._segments = _half_blocks(frame, rows)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(self._columns, self._columns)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self._segments


def _half_blocks(frame: np.ndarray, rows: int) -> tuple[int, list[Segment]]:
    height, width = frame.shape[:2]
    tall = min(rows * 2, height // 2 * 2)  # a small picture is not blown up
    wide = max(1, round(tall * width / height))
    # The mean of each block keeps thin lines visible that plain sampling would lose.
    edges_y = np.linspace(0, height, tall + 1).astype(int)
    edges_x = np.linspace(0, width, wide + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(frame.astype(np.uint32), edges_y[:-1], axis=0), edges_x[:-1], axis=1)
    sizes = np.outer(np.diff(edges_y), np.diff(edges_x))[..., None]
    small = (sums // sizes).astype(int)
    segments: list[Segment] = []
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        for (r, g, b), (r2, g2, b2) in zip(upper, lower, strict=True):
            segments.append(Segment("▀", Style.parse(f"rgb({r},{g},{b}) on rgb({r2},{g2},{b2})")))
        segments.append(Segment.line())
    return wide, segments


def duration(seconds: float) -> str:
    """Such as `1:02:03` or `4:05`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"


class _Progress:
    """What both displays know: the episodes, and how fast they go."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.folder: Path | None = None
        """The run's, once it has begun."""
        self._states: Sequence[EpisodeState] = ()
        self._began = time.monotonic()
        self._done_before = 0

    def started(self, folder: Path, states: Sequence[EpisodeState]) -> None:
        self.folder, self._states, self._began = folder, states, time.monotonic()
        self._done_before = self._done()

    def _done(self) -> int:
        return sum(state.status == "done" for state in self._states)

    def _overall(self) -> str:
        done, total = self._done(), len(self._states)
        decisions = sum(state.decisions for state in self._states)
        tokens = sum(state.tokens for state in self._states)
        elapsed = time.monotonic() - self._began
        parts = [f"{done}/{total} episodes", f"{decisions:,} decisions", f"{tokens:,} tokens", duration(elapsed)]
        new = done - self._done_before
        if new and done < total:
            parts.append(f"about {duration(elapsed / new * (total - done))} left")
        return " · ".join(parts)


class Lines:
    """Says what happens in lines of text."""

    EVERY = 10.0
    """Seconds between lines on how it all stands."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.folder: Path | None = None
        """Where the records go, once play has begun."""
        self._fetching = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def _line(self, text: str) -> None:
        self.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        self._line(text)

    def warn(self, text: str) -> None:
        self._line(text)

    def fetched(self, what: str, done: int, total: int | None) -> None:
        tenth = done * 10 // total if total else done // 10_000_000
        if tenth != self._fetching:
            self._fetching = tenth
            self._line(f"{what}: {done / 1e6:.0f} MB" + (f" of {total / 1e6:.0f} MB" if total else ""))


class PlainDisplay(Lines, _Progress):
    """One line when an episode starts, ends or meets a fault, and a line now and then in between."""

    def __init__(self, console: Console) -> None:
        _Progress.__init__(self, console)
        Lines.__init__(self, console)
        self._seen: dict[str, tuple[str, int]] = {}
        self._last = time.monotonic()

    def started(self, folder: Path, states: Sequence[EpisodeState]) -> None:
        _Progress.started(self, folder, states)
        self._line(f"run folder: {folder}")

    def changed(self, state: EpisodeState) -> None:
        name = state.plan.id
        status, faults = self._seen.get(name, ("waiting", 0))
        if state.status != status:
            what = f"score {state.score:g}, {state.decisions} decisions" if state.decisions else "begins"
            ending = f" ({state.outcome})" if state.outcome else ""
            self._line(f"{name}: {state.status}{ending}: {what}")
        if state.faults > faults:
            self._line(f"{name}: decision {state.decisions}, infrastructure fault {state.faults}: {state.last_fault}")
        self._seen[name] = (state.status, state.faults)
        if time.monotonic() - self._last > self.EVERY:
            self._last = time.monotonic()
            playing = next((s for s in self._states if s.status == "playing"), state)
            self._line(f"{self._overall()} | {playing.plan.id}: decision {playing.decisions}, score {playing.score:g}")


class Screen:
    """A part of the terminal that is drawn anew several times a second."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.folder: Path | None = None
        """Where the records go, once play has begun."""
        self._opened = time.monotonic()
        self._fetch = Progress(
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=console
        )
        self._note = ""
        self._task: tuple[str, TaskID] | None = None
        self._live = Live(console=console, refresh_per_second=6, transient=True, get_renderable=self._render)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)

    def note(self, text: str) -> None:
        self._note = printable(text)

    def warn(self, text: str) -> None:
        self.console.print(printable(text), markup=False, highlight=False, soft_wrap=True, style="yellow")

    def fetched(self, what: str, done: int, total: int | None) -> None:
        if self._task is None or self._task[0] != what:
            self._task = (what, self._fetch.add_task(what, total=total))
        self._fetch.update(self._task[1], completed=done, total=total)

    def _opening(self) -> RenderableType:
        """What there is to see before play begins."""
        waited = duration(time.monotonic() - self._opened)
        parts: list[RenderableType] = [Text(f"{self._note} · {waited}")] if self._note else []
        if self._task and not self._fetch.finished:
            parts.append(self._fetch)
        return Group(*parts)

    def _render(self) -> RenderableType:
        raise NotImplementedError


class LiveDisplay(Screen, _Progress):
    """A table of the episodes in play, thumbnails of the first few, overall progress and time left."""

    def __init__(self, console: Console) -> None:
        _Progress.__init__(self, console)
        Screen.__init__(self, console)
        self._pictures: dict[str, Thumbnail] = {}
        self._looked: dict[str, int] = {}
        """Quarter second in which an episode was last considered for a picture."""

    def started(self, folder: Path, states: Sequence[EpisodeState]) -> None:
        _Progress.started(self, folder, states)
        self._note = str(folder)

    def changed(self, state: EpisodeState) -> None:
        # Drawing happens here, on the run's own loop, because the refreshing thread must not touch an environment
        # that may be stepping.
        name, now = state.plan.id, int(time.monotonic() * 4)
        if state.env is None or self._looked.get(name) == now:
            return  # four times a second at most, so that a decision's cost doesn't grow with the run
        self._looked[name] = now
        shown = [s.plan.id for s in self._states if s.env is not None][: self._room()]
        if name in shown:
            self._pictures[name] = Thumbnail(frame_of(state.env), self._rows())

    def _rows(self) -> int:
        return max(8, min(SCREEN_ROWS, self.console.height - 12))

    def _room(self) -> int:
        return max(1, self.console.width // 48)

    def _render(self) -> RenderableType:
        if not self._states:
            return self._opening()
        playing = [state for state in self._states if state.status == "playing"]
        table = Table("episode", "score", "decisions", "tokens", "last answer", "faults", box=None, pad_edge=False)
        for column in table.columns[1:]:
            column.justify = "right"
        room = max(3, self.console.height - self._rows() - 8)
        for state in playing[:room]:
            table.add_row(
                state.plan.id,
                f"{state.score:,.0f}",
                f"{state.decisions:,}",
                f"{state.tokens:,}",
                "–" if state.latency is None else f"{state.latency:.2f} s",
                str(state.faults or ""),
            )
        faulty = [state for state in playing if state.last_fault]
        if faulty:
            self._note = printable(f"{faulty[-1].plan.id}: {faulty[-1].last_fault}")
        if len(playing) > room:
            table.add_row(f"… and {len(playing) - room} more")
        screens = [
            Panel(self._pictures[state.plan.id], title=f"{state.plan.id}: {state.score:,.0f}", expand=False)
            for state in playing[: self._room()]
            if state.plan.id in self._pictures
        ]
        bar = ProgressBar(total=max(1, len(self._states)), completed=self._done(), width=40)
        return Group(Columns(screens), table, bar, Text(self._overall()), Text(self._note, style="dim"))


def display(console: Console) -> PlainDisplay | LiveDisplay:
    """The display that suits the console."""
    return LiveDisplay(console) if console.is_terminal and not console.is_dumb_terminal else PlainDisplay(console)
