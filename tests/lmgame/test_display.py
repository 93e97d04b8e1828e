import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from lmgame import play
from lmgame.cli.display import LiveDisplay, PlainDisplay, Thumbnail, display, duration
from lmgame.episode import EpisodePlan, EpisodeState
from lmgame_games import card


def console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=120, height=50, force_terminal=terminal, color_system="truecolor")


def written(target: Console) -> str:
    assert isinstance(target.file, io.StringIO)
    return target.file.getvalue()


def test_a_thumbnail_shows_each_half_of_a_picture():
    frame = np.zeros((40, 40, 3), np.uint8)
    frame[:20] = (255, 0, 0)
    target = console(True)
    target.print(Thumbnail(frame, rows=4))
    lines = [line for line in written(target).splitlines() if line]
    assert len(lines) == 4
    assert "38;2;255;0;0" in lines[0] and "48;2;255;0;0" in lines[1]
    assert "38;2;0;0;0" in lines[3] and "255" not in lines[3]
    assert all(line.count("▀") == 8 for line in lines)


def test_no_terminal_gets_plain_lines(tmp_path: Path):
    target = console(False)
    with display(target) as watcher:
        assert isinstance(watcher, PlainDisplay)
        play(model="random", episodes=2, max_decisions=5, out=tmp_path / "run", watcher=watcher)
    text = written(target)
    assert "\x1b" not in text
    for seed in (0, 1):
        assert f"tetris-standard-{seed}: playing: begins" in text
        assert f"tetris-standard-{seed}: done (decision_limit): score" in text


def test_a_terminal_gets_boards_scores_and_progress(tmp_path: Path):
    class Refreshing(LiveDisplay):
        """Draws at every change instead of a few times a second."""

        def changed(self, state: EpisodeState) -> None:
            super().changed(state)
            self._live.refresh()

    target = console(True)
    assert isinstance(display(target), LiveDisplay)
    with Refreshing(target) as watcher:
        play(model="random", episodes=3, max_decisions=5, out=tmp_path / "run", watcher=watcher)
    text = written(target)
    assert "3/3 episodes" in text and "15 decisions" in text
    assert "▀" in text and "tetris-standard-" in text


def test_faults_are_told():
    target = console(False)
    watcher = PlainDisplay(target)
    state = EpisodeState(EpisodePlan(card=card("tetris"), seed=0, max_decisions=9), status="playing", decisions=3)
    watcher.started(Path("here"), [state])
    watcher.changed(state)
    state.faults, state.last_fault = 1, "http_500: \x1b]0;oops\x07; asking again in 2 s"
    watcher.changed(state)
    assert "decision 3, infrastructure fault 1: http_500: \\x1b]0;oops\\x07; asking again" in written(target)


def test_downloads_are_told_in_tenths():
    target = console(False)
    watcher = PlainDisplay(target)
    for done in range(0, 100_000_001, 1_000_000):
        watcher.fetched("downloading", done, 100_000_000)
    assert written(target).count("downloading") == 11


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (245, "4:05"), (3723, "1:02:03")])
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text
