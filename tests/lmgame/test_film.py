from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lmgame import play, play_async
from lmgame.film import film
from lmgame.replay import walk
from lmgame_common import RecordError, UsageError

from .conftest import needs_mario


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = play(model="scripted", game="tetris", max_decisions=12, out=tmp_path_factory.mktemp("run") / "run")
    return result.episode_path("tetris-standard-0")


def frames_of(path: Path) -> list[np.ndarray]:
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_a_film_shows_the_game_at_its_own_pace(record: Path, tmp_path: Path):
    game_frames: list[int] = []
    last: list[np.ndarray] = []

    def on_step(env, info):
        game_frames.append(info.get("frames", 0))
        last[:] = [env.render()]

    for _ in walk(record, on_step):
        pass
    seconds = film(record, tmp_path / "game.mp4")
    shown = frames_of(tmp_path / "game.mp4")
    assert seconds == pytest.approx(sum(game_frames) / 60 + 1, abs=0.1)
    assert len(shown) == pytest.approx(seconds * 30, abs=2)
    # Compressed, but the last picture is the game's last state.
    difference = np.abs(shown[-1][: last[0].shape[0], : last[0].shape[1]].astype(int) - last[0].astype(int))
    assert difference.mean() < 6
    assert film(record, tmp_path / "fast.mp4", speed=4.0) == pytest.approx((seconds - 1) / 4 + 1, abs=0.1)


def test_gif(record: Path, tmp_path: Path):
    seconds = film(record, tmp_path / "game.gif")
    with Image.open(tmp_path / "game.gif") as picture:
        lengths = []
        for index in range(getattr(picture, "n_frames", 1)):
            picture.seek(index)
            lengths.append(picture.info["duration"])
    assert len(lengths) > 10
    assert sum(lengths) / 1000 == pytest.approx(seconds, rel=0.05)


def test_wrong_requests(record: Path, tmp_path: Path):
    with pytest.raises(UsageError, match=r"\.mp4 or \.gif"):
        film(record, tmp_path / "game.avi")
    with pytest.raises(UsageError, match="--speed"):
        film(record, tmp_path / "game.gif", speed=0)
    with pytest.raises(RecordError, match="no episode record"):
        film(tmp_path / "nothing.jsonl", tmp_path / "game.gif")


def test_a_record_whose_scores_do_not_fit_its_moves_is_refused(record: Path, tmp_path: Path):
    lines = record.read_text().splitlines()
    lines[3] = lines[3].replace('"score":', '"score":1')
    (tmp_path / "forged.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(RecordError, match="damaged or was made by other rules"):
        film(tmp_path / "forged.jsonl", tmp_path / "game.gif")


@needs_mario
def test_mario_is_filmed_within_its_moves(tmp_path: Path):
    result = play(model="random", game="mario", max_decisions=3, out=tmp_path / "run")
    record = result.episode_path(result.episodes[0].id)
    total: list[int] = []
    for _ in walk(record, lambda env, info: total.append(info["frames"])):
        pass
    seconds = film(record, tmp_path / "game.mp4")
    shown = frames_of(tmp_path / "game.mp4")
    assert seconds == pytest.approx(sum(total[1:]) / 60 + 1, abs=0.1)
    changes = sum(not np.array_equal(a, b) for a, b in pairwise(shown))
    assert changes > 2 * 3, "only the last frame of each move was filmed"


def test_a_film_that_can_not_be_written_leaves_nothing(record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Can't write"):
        film(record, tmp_path / "file" / "game.gif")
    with pytest.raises(UsageError, match="--speed"):
        film(record, tmp_path / "game.gif", speed=float("nan"))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lmgame.film.camera.Camera.linger", interrupted)
    with pytest.raises(KeyboardInterrupt):
        film(record, tmp_path / "game.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_long_gif_lets_pictures_go_but_keeps_its_time(record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lmgame.film.writers.GIF_PICTURES", 8)
    seconds = film(record, tmp_path / "short.gif")
    with Image.open(tmp_path / "short.gif") as picture:
        assert picture.n_frames <= 8  # pyright: ignore[reportAttributeAccessIssue]
        lengths = []
        for index in range(picture.n_frames):  # pyright: ignore[reportAttributeAccessIssue]
            picture.seek(index)
            lengths.append(picture.info["duration"])
    assert sum(lengths) / 1000 == pytest.approx(seconds, rel=0.1)


def edited(record: Path, target: Path, old: str, new: str) -> Path:
    text = record.read_text()
    assert old in text
    target.write_text(text.replace(old, new, 1))
    return target


def test_foreign_and_damaged_records_are_errors_with_a_name(record: Path, tmp_path: Path):
    unknown = edited(record, tmp_path / "verdict.jsonl", '"verdict":"ok"', '"verdict":"splendid"')
    illegal = edited(record, tmp_path / "move.jsonl", '"hard_drop"', '"fly"')
    unreadable = edited(record, tmp_path / "unreadable.jsonl", '"hard_drop"', '"left:x"')
    (tmp_path / "empty.jsonl").write_text("")
    for path in (unknown, illegal, unreadable, tmp_path / "empty.jsonl"):
        with pytest.raises(RecordError, match=path.name):
            list(walk(path))
    later = edited(record, tmp_path / "later.jsonl", '"usage":{', '"usage":{"audio_tokens":3,')
    assert len(list(walk(later))) == 12


async def test_a_run_whose_record_holds_an_illegal_move_names_it(tmp_path: Path):
    settings = {"game": "tetris", "max_decisions": 5, "out": tmp_path / "run"}
    result = await play_async("scripted", **settings)
    record = result.episode_path("tetris-standard-0")
    lines = record.read_text().splitlines()[:4]  # cut off, so that it is picked up
    record.write_text("\n".join([*lines[:3], lines[3].replace('"hard_drop"', '"fly"')]) + "\n")
    with pytest.raises(RecordError, match=r"tetris-standard-0\.jsonl: decision 2 .*'fly' is not a move"):
        await play_async("scripted", **settings)
