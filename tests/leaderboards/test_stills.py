"""Stills of an episode: kept while it is played, read as far as they go, and nothing but stills taken for them."""

import base64
import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lmgame_leaderboards import StillsWriter
from lmgame_leaderboards.stills import Still, Stills, picture, stills_path

FRAME = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "tetris-standard-0.jsonl"


def keep(writer: StillsWriter, *moments: int) -> None:
    writer.publish()
    for moment in moments:
        writer.add(FRAME + np.uint8(moment), f"moment {moment} \u2028\ud800", score=moment / 3, seconds=moment / 60)


def expected(moment: int) -> Still:
    return Still(picture(FRAME + np.uint8(moment)), f"moment {moment} \\u2028?", round(moment / 60, 3))


def line(**changed: Any) -> bytes:
    still = {"score": 0.0, "seconds": 0.0, "text": "", "frame": base64.b64encode(picture(FRAME)).decode()} | changed
    return json.dumps(still).encode() + b"\n"


def test_what_was_kept_is_read_in_any_order_as_it_grows(record: Path):
    writer, stills = StillsWriter(record), Stills(record)
    assert stills.at(0, None) is None
    keep(writer, 0, 1, 2)
    assert [stills.at(moment, moment / 3) for moment in (2, 0, 1, 3)] == [expected(2), expected(0), expected(1), None]
    keep(writer, 3)
    assert stills.at(3, 1.0) == expected(3)
    writer.close()
    writer.close()
    assert Stills(record).at(3, 1.0) == expected(3)


def test_a_still_of_another_score_is_that_of_another_episode(record: Path):
    writer, stills = StillsWriter(record), Stills(record)
    keep(writer, 0, 1)
    assert stills.at(1, 1 / 3) and stills.at(1, None) and stills.at(1, 0.3333) is None


def test_begun_anew_they_are_read_anew(record: Path):
    stills = Stills(record)
    keep(StillsWriter(record), 0, 1, 2)
    assert stills.at(2, None)
    keep(StillsWriter(record), 5)
    assert stills.at(0, None) == expected(5) and stills.at(2, None) is None
    stills_path(record).unlink()
    assert stills.at(0, None) is None
    stills_path(record).write_bytes(line(text="another file, and a longer one" * 100))
    assert (found := stills.at(0, None)) and found.text.startswith("another")


def test_a_torn_line_is_none_until_it_is_whole(record: Path):
    whole = line(text="whole")
    stills = Stills(record)
    stills_path(record).write_bytes(whole + whole[:40])
    assert stills.at(0, None) and stills.at(1, None) is None
    with stills_path(record).open("ab") as file:
        file.write(whole[40:])
    assert stills.at(1, None) == stills.at(0, None) != None  # noqa: E711


@pytest.mark.parametrize(
    "raw",
    [
        b"no JSON\n",
        b"[" * 100_000 + b"\n",
        b"[]\n",
        b"\xff\n",
        line(text=7),
        line(text="x" * 20_001),
        line(seconds=-1.0),
        line(seconds=float("nan")),
        line(score="0"),
        line(frame=None),
        line(frame='"><script>alert(1)</script>'),
        line(frame=base64.b64encode(b"<svg onload=alert(1)>").decode()),
        line(frame=base64.b64encode(picture(FRAME)[:22]).decode()),
        line(frame=base64.b64encode(picture(np.zeros((4096, 4096, 3), np.uint8))).decode()),
    ],
)
def test_what_is_no_still_is_none(raw: bytes, record: Path):
    stills_path(record).write_bytes(raw + line(text="the next one"))
    stills = Stills(record)
    assert stills.at(0, None) is None
    assert (found := stills.at(1, None)) and found.text == "the next one"


def test_pictures_of_another_kind_are_no_frames(record: Path, tmp_path: Path):
    for name, options in (("a.png", {}), ("lossy.webp", {}), ("moving.webp", {"save_all": True, "lossless": True})):
        image = Image.fromarray(FRAME)
        more = {"append_images": [Image.fromarray(FRAME[::-1])]} if "save_all" in options else {}
        image.save(tmp_path / name, **options, **more)  # pyright: ignore[reportArgumentType]
        stills_path(record).write_bytes(line(frame=base64.b64encode((tmp_path / name).read_bytes()).decode()))
        assert Stills(record).at(0, None) is None, name


def test_a_size_is_read_as_others_read_it(record: Path, tmp_path: Path):
    for height, width in ((1, 1), (240, 256), (3, 16383), (2048, 2048)):
        frame = np.zeros((height, width, 3), np.uint8)
        stills_path(record).write_bytes(line(frame=base64.b64encode(picture(frame)).decode()))
        found = Stills(record).at(0, None)
        assert found, (height, width)
        (tmp_path / "frame.webp").write_bytes(found.webp)
        with Image.open(tmp_path / "frame.webp") as image:
            assert image.size == (width, height)


def test_a_line_that_never_ends_is_not_read_to_its_end(record: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lmgame_leaderboards.stills.LONGEST", 1000)
    stills_path(record).write_bytes(line() + b"x" * 5000 + b"\n" + line())
    stills = Stills(record)
    assert stills.at(0, None) and stills.at(1, None) is None and stills.at(2, None) is None


def test_a_file_that_is_too_large_is_not_read(record: Path, monkeypatch: pytest.MonkeyPatch):
    stills_path(record).write_bytes(line() * 20)
    assert Stills(record).at(19, None)
    monkeypatch.setattr("lmgame_leaderboards.stills.MOST", 1000)
    assert Stills(record).at(0, None) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_nobody_waits_for_a_pipe_or_a_folder(record: Path):
    os.mkfifo(stills_path(record))
    found: list[Still | None] = []
    reader = threading.Thread(target=lambda: found.append(Stills(record).at(0, None)), daemon=True)
    reader.start()
    reader.join(10)
    assert found == [None]
    stills_path(record).unlink()
    stills_path(record).mkdir()
    assert Stills(record).at(0, None) is None
    keep(StillsWriter(record), 0)  # what can't be written is left out


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_nothing_is_written_through_what_lies_there(record: Path, tmp_path: Path):
    """A folder that comes from somebody else may hold links and pipes of those names."""
    other = tmp_path / "other.txt"
    for name in (stills_path(record), stills_path(record).with_name(f"{stills_path(record).name}.draft")):
        for lay in (os.mkfifo, lambda path: path.symlink_to(other)):
            other.write_text("somebody's")
            lay(name)
            writer = StillsWriter(record)
            keep(writer, 0)
            writer.close()
            assert Stills(record).at(0, None) == expected(0) and other.read_text() == "somebody's"
            assert stills_path(record).is_file() and not stills_path(record).is_symlink()
            stills_path(record).unlink()


def test_what_there_was_stays_until_it_is_published(record: Path):
    keep(StillsWriter(record), 0)
    writer = StillsWriter(record)
    writer.add(FRAME + np.uint8(7), "seven", score=0.0, seconds=0.0)
    assert Stills(record).at(0, None) == expected(0)
    writer.publish()
    assert (found := Stills(record).at(0, None)) and found.text == "seven"
    again = StillsWriter(record)
    again.add(FRAME, "eight", score=0.0, seconds=0.0)
    again.close()
    assert (found := Stills(record).at(0, None)) and found.text == "seven"
    assert [path.name for path in record.parent.iterdir()] == [stills_path(record).name]


def test_faults_of_a_disk_are_no_faults_of_the_episode(record: Path, monkeypatch: pytest.MonkeyPatch):
    class Full(io.BytesIO):
        def close(self) -> None:
            if not self.closed:
                super().close()
                raise OSError(122, "Disk quota exceeded")

        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", lambda *_, **__: Full())
    writer = StillsWriter(record)
    keep(writer, 0, 1)
    writer.close()


def test_no_more_lines_are_looked_at_than_are_needed(record: Path):
    stills_path(record).write_bytes(line() * 2 + b"\n" * 100_000)
    stills = Stills(record)
    assert stills.at(1, None) and len(stills._starts) == 3
