"""Films of shared matches."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmgame.cli.show import show
from lmgame.film import film_shared, shared
from lmgame.film.panel import Caption
from lmgame.match_header import Entrant, shared_header
from lmgame.match_plan import MatchPlan
from lmgame.match_state import MatchState
from lmgame.retry import Stop
from lmgame.shared_match import SharedMatch
from lmgame_agents import Agent, Decision, Latency, ScriptedAgent
from lmgame_common import RecordError
from lmgame_games import card
from lmgame_leaderboards import PlayerRecord, Versions

SECONDS = (0.4, 2.0)
"""What the answers of each seat take, by what they say."""


class Thinker:
    """The scripted player, slower."""

    def __init__(self, env: Any, seconds: float) -> None:
        self._scripted, self._seconds = ScriptedAgent(env), seconds

    async def act(self, observation: Any) -> Decision:
        return replace(await self._scripted.act(observation), latency=Latency(total=self._seconds))

    def recall(self, observation: Any, decision: Decision) -> None:
        self._scripted.recall(observation, decision)


def thinker(seconds: float) -> Callable[[Any, Any], Agent]:
    return lambda plan, env: Thinker(env, seconds)


async def match(path: Path, **settings: Any) -> Path:
    plan = MatchPlan(
        card=card("tetris-versus"),
        seed=0,
        players=(PlayerRecord(model="quick\x1b[2J\n" + "W" * 900), PlayerRecord(model="slow")),
        max_decisions=6,
        observations=("text", "text"),
        **settings,
    )
    header = shared_header(plan, [Entrant(player=player) for player in plan.players], Versions(lmgame="1", python="3"))
    makers = [thinker(seconds) for seconds in SECONDS]
    state = MatchState(plan)
    await SharedMatch(plan, path, header, makers, state, lambda *_: None, lambda _: None, Stop()).play()
    return path


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[list[Caption]]:
    """What the panels of each picture say, as pictures are made."""
    said: list[list[Caption]] = []
    compose = shared._compose

    def composed(heading: str, frame: np.ndarray, captions: list[Caption]) -> np.ndarray:
        said.append(list(captions))
        return compose(heading, frame, captions)

    monkeypatch.setattr(shared, "_compose", composed)
    return said


async def test_an_answer_is_shown_when_it_arrives(tmp_path: Path, told: list[list[Caption]]):
    path = await match(tmp_path / "match.jsonl", realtime=True)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    arrivals = {seat: [line["at"] for line in lines if line.get("seat") == seat] for seat in (0, 1)}
    assert arrivals[1][0] == 30
    seconds = film_shared(path, tmp_path / "match.mp4", speed=1.0)
    assert seconds == pytest.approx(lines[-1]["steps"] / 15 + 3, abs=0.1)
    # A picture stands before the first step, one after each, and two for the end.
    assert len(told) == lines[-1]["steps"] + 3
    for step, captions in enumerate(told[:-2]):
        for seat, caption in enumerate(captions):
            assert caption.decisions == sum(at < step for at in arrivals[seat]), (step, seat)
    assert [caption.ending.partition(":")[0] for caption in told[-1]] == ["decision limit"] * 2


async def test_both_answers_are_shown_before_they_are_played(tmp_path: Path, told: list[list[Caption]]):
    path = await match(tmp_path / "match.jsonl")
    film_shared(path, tmp_path / "match.gif", speed=0.5)
    assert [caption.decisions for caption in told[1]] == [1, 1]
    assert [caption.latency for caption in told[1]] == list(SECONDS)
    assert [caption.decisions for caption in told[-1]] == [6, 6]


async def test_a_match_that_was_cut_off_is_shown_so_far(tmp_path: Path, told: list[list[Caption]]):
    path = await match(tmp_path / "match.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:6]) + lines[6][:20])
    film_shared(path, tmp_path / "match.gif")
    assert [(caption.decisions, caption.ending) for caption in told[-1]] == [(3, "not finished"), (2, "not finished")]
    path.write_bytes(lines[0])
    assert film_shared(path, tmp_path / "begun.gif") == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("line", "change", "complaint"),
    [
        (-1, {"scores": [1.0]}, "a score for each"),
        (0, {"seats": [{"player": {"model": "a"}}] * 3}, "two seats"),
        (0, {"seats": [{"player": {}}] * 2}, "no player that can be read"),
        (0, {"endpoints": [{}]}, "an endpoint"),
    ],
)
async def test_what_does_not_say_who_played_is_refused(
    line: int, change: dict[str, Any], complaint: str, tmp_path: Path
):
    path = await match(tmp_path / "match.jsonl")
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    lines[line] |= change
    path.write_text("".join(json.dumps(changed) + "\n" for changed in lines))
    with pytest.raises(RecordError, match=complaint):
        film_shared(path, tmp_path / "match.gif")
    with pytest.raises(RecordError, match=complaint):
        show(path, None)
    assert [found.name for found in tmp_path.iterdir()] == ["match.jsonl"]
