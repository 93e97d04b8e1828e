import json
from pathlib import Path

import numpy as np
import pytest

from lmgame import play
from lmgame.film import film_raced
from lmgame.film.panel import HEIGHT, TITLE_HEIGHT, Caption, panel
from lmgame.film.raced import GAP, LAST_FRAME, names_of
from lmgame.replay import walk
from lmgame_common import RecordError, UsageError
from lmgame_leaderboards import read_episode

from .test_film import frames_of


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The scripted player, cut off by the limit, and the random one, which needs more answers for less time."""
    folder = tmp_path_factory.mktemp("match")
    made = []
    for model, limit in (("scripted", 12), ("random", 30)):
        result = play(model=model, game="tetris", max_decisions=limit, out=folder / model)
        made.append(result.episode_path("tetris-standard-0"))
    return made


def game_seconds(record: Path) -> tuple[float, np.ndarray]:
    """Seconds of the game's own time, and its last frame."""
    frames: list[int] = []
    last: list[np.ndarray] = []

    def on_step(env, info):
        frames.append(info.get("frames", 0))
        last[:] = [env.render()]

    for _ in walk(record, on_step):
        pass
    return sum(frames) / 60, last[0]


def test_both_boards_stand_side_by_side_in_step(records: list[Path], tmp_path: Path):
    (one, one_last), (other, other_last) = map(game_seconds, records)
    seconds = film_raced(records, tmp_path / "match.mp4")
    assert seconds == pytest.approx(max(one, other) + LAST_FRAME, abs=0.2)
    shown = frames_of(tmp_path / "match.mp4")
    assert len(shown) == pytest.approx(seconds * 30, abs=2)
    height, width = one_last.shape[:2]
    assert shown[-1].shape[0] >= TITLE_HEIGHT + height + HEIGHT
    for left, last in ((0, one_last), (width + GAP, other_last)):
        board = shown[-1][TITLE_HEIGHT : TITLE_HEIGHT + height, left : left + width].astype(int)
        dimmed = last.astype(int) * 3 // 5
        assert np.abs(board - dimmed).mean() < 6, "the last picture shows how both have ended, dimmed"
    # While the slower one still plays, the quicker one has ended and is dimmed.
    first_over = int(min(one, other) * 30) + 3
    quick = 0 if one < other else width + GAP
    board = shown[first_over][TITLE_HEIGHT : TITLE_HEIGHT + height, quick : quick + width].astype(int)
    assert np.abs(board - (one_last if one < other else other_last).astype(int) * 3 // 5).mean() < 6


def test_a_long_match_is_sped_up_to_what_somebody_will_watch(
    records: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("lmgame.film.raced.LONGEST", 1.0)
    assert film_raced(records, tmp_path / "match.gif") == pytest.approx(1.0 + LAST_FRAME, abs=0.3)
    slow = film_raced(records, tmp_path / "slow.gif", speed=1.0)
    assert slow == pytest.approx(max(game_seconds(record)[0] for record in records) + LAST_FRAME, abs=0.3)


def test_what_is_no_match_is_refused(records: list[Path], tmp_path: Path):
    other_seed = play(model="random", game="tetris", seed=1, max_decisions=2, out=tmp_path / "run")
    foreign = other_seed.episode_path("tetris-standard-1")
    with pytest.raises(UsageError, match="no match: the seed is 0 in one and 1 in the other"):
        film_raced([records[0], foreign], tmp_path / "match.gif")
    with pytest.raises(UsageError, match="--speed"):
        film_raced(records, tmp_path / "match.gif", speed=0.0)
    with pytest.raises(UsageError, match=r"\.mp4 or \.gif"):
        film_raced(records, tmp_path / "match.mov")
    with pytest.raises(RecordError, match="no episode record"):
        film_raced([records[0], tmp_path / "nothing.jsonl"], tmp_path / "match.gif")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_who_is_called_the_same_is_numbered(records: list[Path], tmp_path: Path):
    logs = [read_episode(record) for record in records]
    assert names_of(logs) == ["scripted", "random"]
    assert names_of([logs[0], logs[0]]) == ["scripted (1)", "scripted (2)"]
    header = json.loads(records[0].read_text().splitlines()[0])
    header |= {"seats": [{"player": {"model": "http://localhost:1/v1#strong", "copy_number": 1}}]}
    (tmp_path / "copy.jsonl").write_text(json.dumps(header) + "\n")
    assert names_of([read_episode(tmp_path / "copy.jsonl")]) == ["strong (copy)"]


def test_a_panel_says_what_happened_and_keeps_its_size():
    plain = panel(Caption("model", 12.0, ("left",), 0.5, decisions=3), 300)
    assert plain.shape == (HEIGHT, 300, 3)
    for changed in (
        Caption("model", 13.0, ("left",), 0.5, decisions=3),
        Caption("other", 12.0, ("left",), 0.5, decisions=3),
        Caption("model", 12.0, ("right",), 0.5, decisions=3),
        Caption("model", 12.0, ("left",), 0.6, decisions=3),
        Caption("model", 12.0, ("left",), 0.5, verdict="illegal", decisions=3),
        Caption("model", 12.0, ("left",), 0.5, decisions=3, ending="topped out: lost"),
    ):
        assert not np.array_equal(panel(changed, 300), plain)
    hostile = panel(Caption("x" * 10_000 + "\x1b[31m\n‮", 1.0, ("\n" * 50, "y" * 9_000)), 300)
    assert hostile.shape == (HEIGHT, 300, 3)
    edge = hostile[:, -4:]
    assert (edge == edge[0, 0]).all(), "texts end before the edge"
