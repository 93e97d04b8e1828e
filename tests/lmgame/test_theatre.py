"""Games as the web pages show them: a scene is what replaying the record shows at that decision."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lmgame import play_async
from lmgame.film.shared import spectators_frame, step_seconds
from lmgame.match_header import Entrant, shared_header
from lmgame.match_plan import MatchPlan
from lmgame.match_state import MatchState
from lmgame.replay import walk, walk_match
from lmgame.retry import Stop
from lmgame.shared_match import SharedMatch
from lmgame.theatre import Theatre
from lmgame_common import RecordError
from lmgame_games import card, frame_of, games
from lmgame_leaderboards import PlayerRecord, Versions, read_episode
from lmgame_leaderboards.stills import Stills, stills_path
from lmgame_leaderboards.web import Replay, Scene
from lmgame_leaderboards.web.addresses import slug
from lmgame_leaderboards.web.projection import PART, Projection
from lmgame_leaderboards.web.site import order
from lmgame_leaderboards.web.track import standing

from .conftest import needs_mario
from .test_film_shared import thinker

SHARED: dict[str, dict[str, Any]] = {
    "connect4": {"game": "connect4"},
    "tetris-versus": {"game": "tetris-versus", "max_decisions": 5},
    "tetris-versus in real time": {"game": "tetris-versus", "max_decisions": 5, "realtime": True},
    "holdem": {"game": "holdem", "max_decisions": 8},
}


async def match(path: Path, game: str, *, max_decisions: int = 20, realtime: bool = False) -> Path:
    """A shared match between scripted players, the second of which takes longer."""
    plan = MatchPlan(
        card=card(game),
        seed=3,
        players=(PlayerRecord(model="quick"), PlayerRecord(model="slow")),
        max_decisions=max_decisions,
        observations=("text", "text"),
        realtime=realtime,
    )
    header = shared_header(plan, [Entrant(player=player) for player in plan.players], Versions(lmgame="1", python="3"))
    makers = [thinker(0.4), thinker(1.5)]
    await SharedMatch(plan, path, header, makers, MatchState(plan), lambda *_: None, lambda _: None, Stop()).play()
    return path


async def episode(folder: Path) -> Path:
    result = await play_async("scripted", "tetris", max_decisions=20, out=folder / "run")
    return result.episode_path("tetris-standard-0")


def scenes_of_episode(path: Path) -> list[Scene]:
    """What stood before each decision, and at the end."""
    frames: list[int] = []
    seen: list[tuple[np.ndarray, str]] = []
    found: list[Scene] = []

    def on_step(env: Any, info: Any) -> None:
        frames.append(info.get("frames", 0))
        seen.append((frame_of(env).copy(), env.text()))

    for step in walk(path, on_step):
        found.append(Scene(frame_of(step.env).copy(), step.env.text(), sum(frames) / step.env.card.fps))
    return [*found, Scene(*seen[-1], sum(frames) / card("tetris").fps)]


def scenes_of_match(path: Path) -> list[Scene]:
    """The same of a shared match, where nobody is asked at the end."""
    last: list[np.ndarray] = []
    found: list[Scene] = []
    referee: Any = None
    for step in walk_match(path, lambda game, moves: last.append(spectators_frame(game).copy())):
        referee = step.referee
        frame = spectators_frame(referee.game).copy()
        found.append(Scene(frame, step.observation.text or "", referee.now * step_seconds(referee.game.card)))
    return [*found, Scene(last[-1], "", referee.now * step_seconds(referee.game.card))]


def same(found: Scene, expected: Scene) -> None:
    assert np.array_equal(found.frame, expected.frame)
    assert found.text == expected.text
    assert found.seconds == pytest.approx(expected.seconds)


def check(path: Path, expected: list[Scene]) -> None:
    """Each scene, drawn one after the other and with some passed over."""
    log = read_episode(path)
    assert log.outcome is not None and len(log.decisions) == len(expected) - 1 >= 4
    for every in (1, 3, len(expected)):
        replay: Replay = Theatre().replay(log, path)
        drawn: list[tuple[Scene, np.ndarray]] = []
        for index, decision in enumerate(log.decisions):
            if index % every:
                replay.ask(decision)
            else:
                scene = replay.scene(decision)
                same(scene, expected[index])
                drawn.append((scene, scene.frame.copy()))
            replay.play(decision)
        replay.end(log.outcome)
        same(replay.now(), expected[-1])
        replay.close()
        assert all(np.array_equal(scene.frame, kept) for scene, kept in drawn), "a frame has changed afterwards"


async def test_an_episode(tmp_path: Path):
    path = await episode(tmp_path)
    expected = scenes_of_episode(path)
    check(path, expected)
    assert expected[0].seconds == 0.0 and len({scene.text for scene in expected}) > 10


@pytest.mark.parametrize("kind", SHARED)
async def test_a_match(kind: str, tmp_path: Path):
    path = await match(tmp_path / "match.jsonl", **SHARED[kind])
    expected = scenes_of_match(path)
    check(path, expected)
    assert all(scene.text for scene in expected[:-1]) and len({scene.text for scene in expected}) > 3
    times = [scene.seconds for scene in expected]
    assert times == sorted(times) and times[-1] > 0


@pytest.mark.parametrize("kind", ["tetris", "tetris-versus in real time"])
async def test_parts_of_real_games_in_any_order(kind: str, tmp_path: Path):
    tetris = kind == "tetris"
    path = await (episode(tmp_path) if tetris else match(tmp_path / "match.jsonl", "tetris-versus", realtime=True))
    expected = (scenes_of_episode if tetris else scenes_of_match)(path)
    assert len(expected) > PART
    with ThreadPoolExecutor(2) as pool:
        projection = Projection(path, Theatre(), pool)
        projection.refresh()
        count = len(expected) // PART + (len(expected) % PART > 0)
        for number in reversed(range(count)):
            part = projection.part(number)
            assert part is not None, projection.problem
            own = expected[number * PART : (number + 1) * PART]
            assert part["texts"] == [scene.text for scene in own]
            assert part["seconds"] == pytest.approx([scene.seconds for scene in own], abs=1e-3)
            assert part["frames"][0]
        projection.close()


def changed(path: Path, change: Callable[[dict[str, Any]], None]) -> Any:
    log = read_episode(path)
    change(log.header)
    return log


async def test_records_that_can_not_be_played_again(tmp_path: Path):
    path = await match(tmp_path / "match.jsonl", "connect4")
    theatre = Theatre()
    with pytest.raises(RecordError, match="version 99"):
        theatre.replay(changed(path, lambda header: header.update(version=99)), path)
    with pytest.raises(RecordError, match="two seats"):
        theatre.replay(changed(path, lambda header: header.update(seats=header["seats"] * 2)), path)
    log = read_episode(path)
    replay = theatre.replay(log, path)
    with pytest.raises(RecordError, match="not to decide then"):
        replay.scene({**log.decisions[0], "seat": 1})
    replay.close()


def test_each_game_has_a_sheet_and_a_poster():
    theatre = Theatre()
    sheets = theatre.sheets()
    names = [sheet.name for sheet in sheets]
    assert names == [f"{found.name}/{preset}" for found in games().values() for preset in found.presets]
    assert len({slug(name) for name in names}) == len(names)
    for sheet in sheets:
        assert sheet.title and sheet.prompt and sheet.controls and sheet.score and sheet.max_decisions > 0
        assert dict(sheet.facts)["Score"] == sheet.score and sheet.seats in (1, 2)
        assert all(sheet.game in command for _, command in sheet.commands) and sheet.commands
        poster = theatre.poster(sheet.game, sheet.preset)
        if sheet.game != "mario":  # which needs an extra
            assert poster is not None and poster.dtype == np.uint8 and poster.ndim == 3 and poster.shape[2] == 3
            assert len(np.unique(poster.reshape(-1, 3), axis=0)) > 3
    assert theatre.poster("none", "standard") is None
    cards = order(sheets)
    assert [(one["game"], one["preset"]) for one in cards] == [(sheet.game, sheet.preset) for sheet in sheets]
    assert any(one["baselines"] for one in cards)


@pytest.mark.parametrize("kind", SHARED)
async def test_scores_of_both_seats_stand_in_the_record(kind: str, tmp_path: Path):
    path = await match(tmp_path / "match.jsonl", **SHARED[kind])
    log = read_episode(path)
    assert log.outcome is not None
    told = standing(log.decisions, 2)
    before = [[0.0, 0.0], *told]
    referee = None
    for step in walk_match(path):
        referee = step.referee
        assert referee.scores == before[step.record["index"]]
    assert referee is not None and referee.scores == log.outcome["scores"]
    if kind == "holdem":
        assert len({tuple(scores) for scores in told}) > 1 and all(sum(scores) == 0 for scores in told)


@needs_mario
async def test_stills_of_a_slow_game_are_what_its_record_shows(tmp_path: Path):
    """Even where the episode was cut off and continued."""
    settings: dict[str, Any] = {"game": "mario", "max_decisions": 12, "out": tmp_path / "run"}
    path = (await play_async("scripted", **settings)).episode_path("mario-standard-0")
    whole = stills_path(path).read_bytes()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:6]))
    assert (await play_async("scripted", **settings)).complete and stills_path(path).read_bytes() == whole
    log, stills = read_episode(path), Stills(path)
    scores = [None, *(decision["score"] for decision in log.decisions)]
    kept = [stills.at(moment, score) for moment, score in enumerate(scores)]
    assert stills.at(len(scores), None) is None
    assert Theatre().is_slow(log)
    replay = Theatre().replay(log, path)
    for decision, still in zip([*log.decisions, None], kept, strict=True):
        scene = replay.scene(decision) if decision else replay.now()
        assert still is not None
        assert still.seconds == round(scene.seconds, 3)
        same(Scene(np.asarray(Image.open(BytesIO(still.webp))), still.text, scene.seconds), scene)
        if decision:
            replay.play(decision)
    replay.close()
