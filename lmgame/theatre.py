"""The games as the web pages show them: records played again, cards, pictures."""

import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from lmgame.film.shared import spectators_frame, step_seconds
from lmgame.replay import EpisodeReplay, MatchReplay, is_shared
from lmgame_agents import system_prompt
from lmgame_common import LmgameError
from lmgame_games import Card, Game, GameEnv, card, frame_of, games, make, make_shared
from lmgame_leaderboards import BaselineRecord, EpisodeLog
from lmgame_leaderboards.web import Frame, GameSheet, Replay, Scene


class Theatre:
    """The `Stage` of the web pages."""

    def sheets(self) -> Sequence[GameSheet]:
        """All games under all presets, in the order of their names."""
        return [_sheet(found, card(found.name, preset)) for found in games().values() for preset in found.presets]

    def poster(self, game: str, preset: str) -> Frame | None:
        """The game as it begins on seed 0; None where it can't be made here."""
        return _poster(game, preset)

    def is_slow(self, log: EpisodeLog) -> bool:
        """Whether playing a decision takes longer than drawing the game."""
        found = games().get(str(log.header.get("game")))
        return found is not None and found.threads

    def replay(self, log: EpisodeLog, path: Path) -> Replay:
        """Begin to play a record again."""
        return _MatchScenes(log, path) if is_shared(log) else _EpisodeScenes(log, path)


class _EpisodeScenes:
    """An episode of one player."""

    def __init__(self, log: EpisodeLog, path: Path) -> None:
        self._frames = 0
        self._replay = EpisodeReplay(log, path, self._on_step)

    def _on_step(self, env: GameEnv[Any, Any], info: Mapping[str, Any]) -> None:
        self._frames += info.get("frames", 0)

    def ask(self, decision: Mapping[str, Any]) -> None: ...

    def scene(self, decision: Mapping[str, Any]) -> Scene:
        return self.now()

    def play(self, decision: Mapping[str, Any]) -> None:
        self._replay.play(decision)

    def end(self, outcome: Mapping[str, Any]) -> None: ...

    def now(self) -> Scene:
        env = self._replay.env
        return Scene(frame_of(env), env.text(), self._frames / env.card.fps)

    def close(self) -> None:
        self._replay.close()


class _MatchScenes:
    """A game that two share."""

    def __init__(self, log: EpisodeLog, path: Path) -> None:
        self._replay = MatchReplay(log, path)

    def ask(self, decision: Mapping[str, Any]) -> None:
        self._asked = self._replay.ask(decision)

    def scene(self, decision: Mapping[str, Any]) -> Scene:
        self.ask(decision)
        return self._scene(self._asked.observation.text or "")

    def play(self, decision: Mapping[str, Any]) -> None:
        self._replay.play(decision)

    def end(self, outcome: Mapping[str, Any]) -> None:
        self._replay.end(outcome)

    def now(self) -> Scene:
        return self._scene("")

    def _scene(self, text: str) -> Scene:
        replay = self._replay
        seconds = replay.referee.now * step_seconds(replay.card)
        return Scene(spectators_frame(replay.game), text, seconds)

    def close(self) -> None:
        self._replay.close()


@cache
def _poster(game: str, preset: str) -> Frame | None:
    try:
        if card(game, preset).seats == 1:
            env = make(game, preset)
            try:
                env.reset(seed=0)
                return frame_of(env)
            finally:
                env.close()
        shared = make_shared(game, preset)
        try:
            shared.reset(seed=0)  # type: ignore[attr-defined]
            return spectators_frame(shared)
        finally:
            shared.close()  # type: ignore[attr-defined]
    except LmgameError:
        return None  # such as where the extra that a game needs isn't installed


def _sheet(found: Game, shown: Card) -> GameSheet:
    limit = f"at most {shown.max_decisions:,} {'an episode' if shown.seats == 1 else 'a seat'}"
    facts = {
        "Score": shown.score,
        "Illegal": shown.illegal,
        "Players": _players(shown),
        "Time": f"{shown.fps:g} frames a second; {shown.move_frames}" if shown.timed else shown.move_frames,
        "Decisions": f"{limit}, {shown.max_moves} move{'s' if shown.max_moves > 1 else ''} each at most",
        "Seed": shown.seed,
        "Gymnasium id": shown.env_id,
        "Version": str(shown.version),
        "Notes": shown.notes,
    }
    return GameSheet(
        game=shown.game,
        preset=shown.preset,
        version=shown.version,
        title=shown.title,
        prompt=system_prompt(shown, shown.observation or "both"),
        controls=[(control.name, control.does) for control in shown.controls],
        facts=[(label, text) for label, text in facts.items() if text],
        score=shown.score,
        seats=shown.seats,
        max_decisions=shown.max_decisions,
        baselines={
            player: BaselineRecord.model_validate(score, from_attributes=True)
            for player, score in shown.baselines.items()
        },
        commands=_commands(found, shown),
    )


def _players(shown: Card) -> str:
    if shown.seats == 1:
        return "one; a match is a race on the same seed"
    return "two, who move at once" if shown.simultaneous else "two, who take turns"


def _commands(found: Game, shown: Card) -> list[tuple[str, str]]:
    """What to run, as a shell takes it."""
    named = ["--game", shown.game] + ([] if shown.preset == found.presets[0] else ["--preset", shown.preset])
    commands = []
    if shown.seats == 1:
        commands.append(("Play it yourself", ["lmgame", "play", "--model", "human", *named]))
        commands.append(("Let a model play", ["lmgame", "play", "--model", "MODEL", *named]))
    commands.append(("Let two models meet", ["lmgame", "match", "--model", "A", "--model", "B", *named]))
    return [(purpose, shlex.join(words)) for purpose, words in commands]
