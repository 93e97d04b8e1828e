"""The film of a raced match: two players on the same seed, each at its own board, side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lmgame.film.panel import BACKGROUND, HEIGHT, NARROWEST, Caption, heading, panel, title
from lmgame.film.reel import Shot, shots
from lmgame.film.single import check_speed
from lmgame.film.writers import film_rate, writing
from lmgame.replay import card_of, walk
from lmgame_common import UsageError
from lmgame_games import GameEnv
from lmgame_leaderboards import EpisodeLog, PlayerRecord, numbered, read_episode

LONGEST = 120.0
"""Seconds that a match's film takes at most, where no speed is asked for."""
LAST_FRAME = 3.0
"""Seconds for which the end stands."""
GAP = 8


def film_raced(records: Sequence[Path], out: Path, speed: float | None = None) -> float:
    """Write the film of two episodes on the same seed, in step by the game's own time.

    Both clocks start together. Who is done first stays as it ended, dimmed, until the other is.

    Args:
        records: Both episodes' records.
        out: Where to; the suffix `.mp4` or `.gif` says what.
        speed: Game seconds a film second; None: 1, or so much that the film takes `LONGEST` seconds.

    Returns:
        The film's length in seconds.

    Raises:
        UsageError: For another suffix, a speed that isn't positive, and episodes that are no match.
        MissingDependencyError: For `.mp4` without the extra `video`.
        RecordError: If a record can't be replayed.
    """
    fps = film_rate(out)
    logs = [read_episode(record) for record in records]
    _check_match(records, logs)
    if speed is None:
        speed = max(1.0, max(_seconds(record) for record in records) / LONGEST)
    check_speed(speed)
    above = heading(logs[0].header, speed)
    sides = [
        _finished(shots(record, log, name, fps / speed), log, _ending(logs, side))
        for side, (record, log, name) in enumerate(zip(records, logs, names_of(logs), strict=True))
    ]
    written, last = 0, None
    with writing(out) as write:
        for last in _together(sides):
            write(_picture(above, last))
            written += 1
        if last is not None:
            still = _picture(above, last)
            for _ in range(int(LAST_FRAME * fps)):
                write(still)
                written += 1
    return written / fps


def names_of(logs: Sequence[EpisodeLog]) -> list[str]:
    """What the players of one-player records are called; told apart by a number where they are called the same."""
    names = []
    for log in logs:
        seats = log.header.get("seats")
        player = seats[0]["player"] if seats else {"model": log.header["model"]}
        names.append(PlayerRecord.model_validate(player).name)
    return numbered(names)


def _check_match(records: Sequence[Path], logs: Sequence[EpisodeLog]) -> None:
    for record, log in zip(records, logs, strict=True):
        if len(log.header.get("seats") or [None]) > 1:
            raise UsageError(f"{record} holds a shared game, with both players in it: give that record alone.")
        card_of(log, record)
    one, other = (log.header for log in logs)
    for key in ("game", "preset", "version", "options", "seed", "clock"):
        if (one.get(key) or None) != (other.get(key) or None):
            raise UsageError(
                f"{records[0].name} and {records[1].name} are no match: the {key} is {one.get(key)!r} in one and "
                f"{other.get(key)!r} in the other. Choose two records of the same game, preset and seed."
            )


def _seconds(record: Path) -> float:
    """Game time of an episode, without drawing it."""
    total: list[float] = []

    def on_step(env: GameEnv[Any, Any], info: Mapping[str, Any]) -> None:
        total.append(info.get("frames", 0) / env.card.fps)

    for _ in walk(record, on_step):
        pass
    return sum(total)


def _ending(logs: Sequence[EpisodeLog], side: int) -> tuple[str, bool]:
    """What is said of a side once its game is over, and whether it has won."""
    mine, others = logs[side].outcome, logs[1 - side].outcome
    if mine is None:
        return "not finished", False
    word = mine["outcome"].replace("_", " ")
    if others is None:
        return word, False
    if mine["score"] == others["score"]:
        return f"{word}: draw", False
    won = mine["score"] > others["score"]
    return f"{word}: {'won' if won else 'lost'}", won


def _finished(side: Iterator[Shot], log: EpisodeLog, ending: tuple[str, bool]) -> Iterator[Shot]:
    """The shots of a side and then, for ever, its last one with how it ended."""
    frame, caption = np.zeros((1, 1, 3), np.uint8), Caption("")
    for frame, caption in side:
        yield frame, caption
    dimmed = (frame.astype(np.uint16) * 3 // 5).astype(np.uint8)
    caption = replace(caption, ending=ending[0], won=ending[1])
    while True:
        yield dimmed, caption


def _together(sides: Sequence[Iterator[Shot]]) -> Iterator[tuple[Shot, ...]]:
    """One shot of each side at a time, until both sides have ended."""
    while True:
        now = tuple(next(side) for side in sides)
        yield now
        if all(caption.ending for _, caption in now):
            return


def _picture(above: str, now: Sequence[Shot]) -> np.ndarray:
    """Both boards, a panel below each, a title above; uint8 of a size that depends on the boards' alone."""
    height = max(frame.shape[0] for frame, _ in now)
    width = max(NARROWEST, *(frame.shape[1] for frame, _ in now))
    columns = []
    for frame, caption in now:
        board = np.full((height, width, 3), BACKGROUND, np.uint8)
        left = (width - frame.shape[1]) // 2
        board[: frame.shape[0], left : left + frame.shape[1]] = frame
        columns.append(np.vstack([board, panel(caption, width)]))
    gap = np.full((height + HEIGHT, GAP, 3), BACKGROUND, np.uint8)
    both = np.hstack([columns[0], gap, columns[1]])
    return np.vstack([title(above, both.shape[1]), both])
