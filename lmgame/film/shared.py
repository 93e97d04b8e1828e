"""The film of a shared match: the game as spectators see it, and below it both players."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lmgame.film.panel import BACKGROUND, NARROWEST, Caption, heading, panel, title
from lmgame.film.raced import GAP, LAST_FRAME, LONGEST
from lmgame.film.single import check_speed
from lmgame.film.writers import Sink, film_rate, writing
from lmgame.replay import card_of, walk_match
from lmgame_common import GameError
from lmgame_games import Card, Move, SharedGame
from lmgame_leaderboards import EpisodeLog, PlayerRecord, numbered, read_episode


def film_shared(record: Path, out: Path, speed: float | None = None) -> float:
    """Write the film of a shared match, step by step of the game.

    Args:
        record: The match's record.
        out: Where to; the suffix `.mp4` or `.gif` says what.
        speed: Game seconds a film second; None: 1, or so much that the film takes `LONGEST` seconds.

    Returns:
        The film's length in seconds.

    Raises:
        UsageError: For another suffix or a speed that isn't positive.
        MissingDependencyError: For `.mp4` without the extra `video`.
        RecordError: If the record can't be replayed.
    """
    fps = film_rate(out)
    log = read_episode(record)
    card_of(log, record)  # complains before anything is written
    if speed is None:
        speed = max(1.0, _seconds(record) / LONGEST)
    check_speed(speed)
    with writing(out) as write:
        projector = _Projector(
            write, fps / speed, heading(log.header, speed), [Caption(name) for name in seat_names(log)]
        )
        for replayed in walk_match(record, projector.on_step):
            line = replayed.record
            projector.answered(
                replayed.seat,
                moves=tuple(line["moves"]),
                latency=(line.get("latency") or {}).get("total"),
                verdict=line["verdict"],
                at=line.get("at"),
            )
        projector.end(log, LAST_FRAME * speed)
    return projector.written / fps


def seat_names(log: EpisodeLog) -> list[str]:
    """What the players of a shared match are called, by seat."""
    return numbered([PlayerRecord.model_validate(seat["player"]).name for seat in log.header["seats"]])


def step_seconds(card: Card) -> float:
    """Seconds of the game's own time that a step takes."""
    return card.tap_frames / card.fps


def _seconds(record: Path) -> float:
    """Game time of a match, without drawing it."""
    total: list[float] = []

    def on_step(game: SharedGame, moves: Mapping[str, Move]) -> None:
        total.append(step_seconds(game.card) if moves else 0.0)

    for _ in walk_match(record, on_step):
        pass
    return sum(total)


class _Projector:
    """Turns steps of the game into frames of the film, at a steady rate."""

    def __init__(self, write: Sink, rate: float, above: str, captions: Sequence[Caption]) -> None:
        self.written = 0
        self._write, self._rate, self._above = write, rate, above
        self._captions = list(captions)
        self._seconds, self._steps = 0.0, 0
        self._to_come: list[tuple[int, int, dict[str, Any]]] = []
        """Answers that are known and haven't arrived yet: their step, the seat, what the panel is to say."""
        self._picture: np.ndarray | None = None
        self._frame: np.ndarray | None = None

    def answered(
        self, seat: int, *, moves: tuple[str, ...], latency: float | None, verdict: str, at: int | None = None
    ) -> None:
        """A seat has answered; its moves come next, or under the real-time clock from step `at` on."""
        changes = {"moves": moves, "latency": latency, "verdict": verdict}
        if at is None:
            self._say(seat, changes)
        else:
            self._to_come.append((at, seat, changes))

    def _say(self, seat: int, changes: Mapping[str, Any]) -> None:
        caption = self._captions[seat]
        self._captions[seat] = replace(caption, **changes, decisions=caption.decisions + 1)

    def on_step(self, game: SharedGame, moves: Mapping[str, Move]) -> None:
        """The game has moved on, or begins or ends, where there are no moves."""
        self._steps += bool(moves)
        for answer in [answer for answer in self._to_come if answer[0] < self._steps]:
            self._to_come.remove(answer)
            self._say(answer[1], answer[2])
        due = self._picture is None or game.over or self._due(step_seconds(game.card))
        if due:
            self._captions = [
                replace(caption, score=score)
                for caption, score in zip(self._captions, game.scores().values(), strict=True)
            ]
            self._frame = spectators_frame(game)
            self._picture = _compose(self._above, self._frame, self._captions)
        if moves:
            self._linger(step_seconds(game.card))

    def _due(self, seconds: float) -> bool:
        """Whether a frame of the film falls into the next seconds of the game."""
        return int((self._seconds + seconds) * self._rate) > self.written

    def _linger(self, seconds: float) -> None:
        self._seconds += seconds
        while self._picture is not None and self.written < int(self._seconds * self._rate):
            self._write(self._picture)
            self.written += 1

    def end(self, log: EpisodeLog, seconds: float) -> None:
        """Show how it ended."""
        if self._frame is None:
            return
        if log.outcome:
            word, scores = log.outcome["outcome"].replace("_", " "), log.outcome["scores"]
            results = [(f"{word}: {_result(scores, seat)}", _result(scores, seat) == "won") for seat in (0, 1)]
        else:
            scores, results = [caption.score for caption in self._captions], [("not finished", False)] * 2
        self._captions = [
            replace(caption, score=score, ending=ending, won=won)
            for caption, score, (ending, won) in zip(self._captions, scores, results, strict=True)
        ]
        self._picture = _compose(self._above, self._frame, self._captions)
        self._linger(seconds)


def _result(scores: Sequence[float], seat: int) -> str:
    own, other = scores[seat], scores[1 - seat]
    return "draw" if own == other else "won" if own > other else "lost"


def spectators_frame(game: SharedGame) -> np.ndarray:
    """What spectators see, uint8 (height, width, 3). Raises GameError where the game renders nothing."""
    frame = game.render()  # type: ignore[attr-defined]
    if not isinstance(frame, np.ndarray):
        raise GameError(f"{type(game).__name__}.render() must return a frame; it returned {type(frame).__name__}.")
    return frame


def _compose(above: str, frame: np.ndarray, captions: Sequence[Caption]) -> np.ndarray:
    """Title, game, and a panel a player; uint8 of a size that depends on the game's frame alone."""
    width = max(frame.shape[1], 2 * NARROWEST + GAP)
    width += width % 2
    board = np.full((frame.shape[0], width, 3), BACKGROUND, np.uint8)
    left = (width - frame.shape[1]) // 2
    board[:, left : left + frame.shape[1]] = frame
    side = (width - GAP) // 2
    panels = [panel(caption, side) for caption in captions]
    gap = np.full((panels[0].shape[0], width - 2 * side, 3), BACKGROUND, np.uint8)
    return np.vstack([title(above, width), board, np.hstack([panels[0], gap, panels[1]])])
