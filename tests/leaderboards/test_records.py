"""Episode records survive whatever cuts them off, and say clearly what else is wrong with them."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmgame_common import RecordError
from lmgame_leaderboards import EpisodeWriter, is_finished, read_episode

from .conftest import make_decision, make_header

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
Written = Callable[[int], Path]


def test_what_is_written_is_read(written: Written) -> None:
    log = read_episode(written(3))
    assert log.header.items() >= make_header().items()
    assert log.header["schema_version"] == 1
    assert log.decisions == [
        {"type": "decision", **make_decision(index, index * 1.5, raw="左へ\n\u2028 ↓ \x00 🎮")} for index in range(3)
    ]
    assert [fault["kind"] for fault in log.faults] == ["reset"] * 3
    assert log.outcome == {"type": "outcome", "outcome": "topped_out", "score": 3.0, "decisions": 3, "time": 2.0}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(raw=TEXT, thought=st.none() | TEXT, score=st.floats(allow_nan=False, allow_infinity=False), number=st.integers())
def test_any_answer_round_trips(tmp_path: Path, raw: str, thought: str | None, score: float, number: int) -> None:
    path = tmp_path / "a.jsonl"
    path.unlink(missing_ok=True)
    decision = make_decision(0, score, raw=raw, thought=thought, waited=number)
    with EpisodeWriter.open(path, make_header()) as writer:
        writer.decision(**decision)
    assert read_episode(path).decisions == [{"type": "decision", **decision}]


def test_a_tail_torn_at_any_byte_costs_only_its_own_line(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # Some hundred files: no need to wait for the disk each time.
    path = written(2)
    whole = path.read_bytes()
    kept = read_episode(path)
    torn = tmp_path / "torn.jsonl"
    lines = [json.loads(line) for line in whole.splitlines()]
    for size in range(len(whole)):
        torn.write_bytes(whole[:size])
        log = read_episode(torn)
        complete = _whole_lines(whole[:size])
        read = [*([log.header] if log.header else []), *_merged(log.faults, log.decisions)]
        assert read == complete == lines[: len(complete)]
        assert log.outcome is None or size == len(whole) - 1
        assert is_finished(torn) is (log.outcome is not None)

        if log.outcome is None:
            with EpisodeWriter.open(torn, make_header()) as writer:
                for line in lines[max(1, len(complete)) :]:
                    fields = {key: value for key, value in line.items() if key != "type"}
                    getattr(writer, line["type"])(**fields)
            assert torn.read_bytes() == whole
    assert kept.outcome is not None


def _whole_lines(content: bytes) -> list[dict[str, Any]]:
    """The header, faults and decisions that stand whole in `content`, with or without their newline."""
    lines = []
    for raw in content.split(b"\n"):
        try:
            lines.append(json.loads(raw))
        except ValueError:
            break
    return [line for line in lines if line["type"] != "outcome"]


def _merged(faults: list[dict[str, Any]], decisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted([*faults, *decisions], key=lambda line: (line["index"], line["type"] == "decision"))


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(tail=st.binary(min_size=1, max_size=40).filter(lambda tail: b"\n" not in tail[:-1]))
def test_rubbish_at_the_end_is_dropped_and_cut_off(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.unlink(missing_ok=True)
    with EpisodeWriter.open(path, make_header()) as writer:
        writer.decision(**make_decision(0))
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    assert len(read_episode(path).decisions) == 1
    EpisodeWriter.open(path, make_header()).close()
    assert path.read_bytes() == whole


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damage_never_passes_for_another_error(written: Written, tmp_path: Path, data: st.DataObject) -> None:
    source = tmp_path / "episodes" / "tetris-standard-0.jsonl"
    content = bytearray((source if source.exists() else written(2)).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    rubbish = data.draw(st.binary(max_size=8))
    content[at : at + data.draw(st.integers(0, 30))] = rubbish
    path = tmp_path / "damaged.jsonl"
    path.write_bytes(content)
    try:
        log = read_episode(path)
    except RecordError as error:
        assert "damaged.jsonl" in str(error)
    else:
        assert [line["index"] for line in log.decisions] == list(range(len(log.decisions)))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (b'{"type":"decision","index":0,"mo', "damaged"),
        (b"", "damaged"),
        (b"[]", "must be a JSON object"),
        (b"{}", "no type"),
        (b'{"type":"decision","index":0}', "moves"),
        (b'{"type":"decision","index":7,"moves":[],"verdict":"ok","score":1}', "decision 7 where 0 was due"),
        (b'{"type":"outcome","outcome":"over","score":1,"decisions":0}', "line 4 is damaged"),
        (b"\x00\x00\x00\x00", "damaged"),
        (
            b'{"type":"header","episode":"a","game":"g","preset":"p","version":1,"seed":0,"model":"m","schema_version":1}',
            "second",
        ),
    ],
)
def test_damage_in_the_middle_names_file_line_and_cure(written: Written, damage: bytes, why: str) -> None:
    path = written(2)
    lines = path.read_bytes().split(b"\n")
    lines[2] = damage
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(RecordError, match=r"line [34] is damaged .*delet") as caught:
        read_episode(path)
    assert str(path) in str(caught.value)
    assert why in str(caught.value)
    with pytest.raises(RecordError, match="is damaged"):
        EpisodeWriter.open(path, make_header())
    assert path.read_bytes() == b"\n".join(lines)


def test_a_lost_line_is_noticed(written: Written) -> None:
    path = written(3)
    lines = path.read_bytes().split(b"\n")
    del lines[2]
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(RecordError, match="decision 1 where 0 was due"):
        read_episode(path)


def test_unknown_fields_and_lines_are_ignored(written: Written) -> None:
    path = written(1)
    lines = path.read_bytes().split(b"\n")
    lines.insert(2, b'{"type":"weather","sun":true}')
    lines[1] = lines[1][:-1] + b',"colour":"blue"}'
    path.write_bytes(b"\n".join(lines))
    log = read_episode(path)
    assert log.faults[0]["colour"] == "blue"
    assert len(log.decisions) == 1


@pytest.mark.parametrize("content", [b'{"type":"decision"}\n{"type":"fault"}\n', b'{"a":1}\n{}\n', b"{}"])
def test_another_file_is_no_record(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(RecordError, match="no episode record: its first line"):
        read_episode(path)


def test_a_missing_record_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="There is no episode record"):
        read_episode(tmp_path / "none.jsonl")
    with pytest.raises(RecordError, match="directory"):
        read_episode(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", 7),
        ("model", "other"),
        ("version", 2),
        ("options", {"stage": "1-2"}),
        ("clock", "realtime"),
        ("observation", None),
    ],
)
def test_a_record_is_continued_only_as_what_it_began(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "a.jsonl"
    EpisodeWriter.open(path, make_header()).close()
    before = path.read_bytes()
    EpisodeWriter.open(path, make_header()).close()
    with pytest.raises(RecordError, match=f"begun with {field}"):
        EpisodeWriter.open(path, make_header() | {field: value})
    assert path.read_bytes() == before


def test_a_finished_record_is_not_continued(written: Written) -> None:
    with pytest.raises(RecordError, match="finished"):
        EpisodeWriter.open(written(1), make_header())


def test_lone_surrogates_and_numpy_numbers_can_be_recorded(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with EpisodeWriter.open(path, make_header()) as writer:
        writer.decision(**make_decision(0, np.int64(3), raw="left \ud83d!", waited=np.int32(2)))  # pyright: ignore[reportArgumentType]
    line = read_episode(path).decisions[0]
    assert (line["raw"], line["score"], line["waited"]) == ("left ?!", 3, 2)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), object()])
def test_what_json_cannot_hold_is_refused_and_nothing_is_written(tmp_path: Path, score: float) -> None:
    path = tmp_path / "a.jsonl"
    with EpisodeWriter.open(path, make_header()) as writer:
        before = path.read_bytes()
        with pytest.raises(RecordError, match="can't be recorded"):
            writer.decision(**make_decision(0, score))
    assert path.read_bytes() == before


def test_a_closed_writer_says_so(tmp_path: Path) -> None:
    writer = EpisodeWriter.open(tmp_path / "a.jsonl", make_header())
    writer.close()
    writer.close()
    with pytest.raises(RecordError, match="closed"):
        writer.decision(**make_decision(0))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_takes_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    path = tmp_path / "a.jsonl"
    write = os.write
    room = [0]

    def limited(descriptor: int, content: bytes) -> int:
        if not room[0]:
            raise OSError(number, os.strerror(number))
        done = write(descriptor, content[: room[0]])
        room[0] -= done
        return done

    with EpisodeWriter.open(path, make_header()) as writer:
        writer.decision(**make_decision(0))
        before = path.read_bytes()
        for room[0] in (0, 1, 50):
            with monkeypatch.context() as patch:
                patch.setattr(os, "write", limited)
                with pytest.raises(RecordError, match=r"disk is full.*Free some space"):
                    writer.decision(**make_decision(1))
            assert path.read_bytes() == before
        writer.decision(**make_decision(1))
    assert len(read_episode(path).decisions) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="folders can't be opened")
def test_the_outcome_reaches_the_disk_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    with EpisodeWriter.open(path, make_header()) as writer:
        writer.decision(**make_decision(0))
        assert synced == []
        writer.outcome(outcome="over", score=0.0, decisions=1)
    assert synced == [path.stat().st_ino, tmp_path.stat().st_ino]


def test_a_failing_sync_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with EpisodeWriter.open(tmp_path / "a.jsonl", make_header()) as writer:
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(RecordError, match="Input/output error"):
            writer.outcome(outcome="over", score=0, decisions=0)


LIMITED = """
import resource, sys
from pathlib import Path
from lmgame_common import RecordError
from lmgame_leaderboards import EpisodeWriter
path = Path(sys.argv[1])
header = dict(episode="a", game="g", preset="p", version=1, seed=0, model="m")
with EpisodeWriter.open(path, header) as writer:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    try:
        for index in range(100):
            writer.decision(index=index, moves=["left"], verdict="ok", score=0.0, raw="x" * 100)
    except RecordError as error:
        print(index, error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX resource limits")
def test_the_systems_own_short_write_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    failed_at, message = done.stdout.split(" ", 1)
    assert "Can't write" in message
    assert len(read_episode(path).decisions) == int(failed_at) > 0
    assert path.read_bytes().endswith(b"}\n")


ENDLESS = """
import itertools, sys
from pathlib import Path
from lmgame_leaderboards import EpisodeWriter, read_episode
path = Path(sys.argv[1])
with EpisodeWriter.open(path, dict(episode="a", game="g", preset="p", version=1, seed=0, model="m")) as writer:
    print("ready", flush=True)
    for index in itertools.count(len(read_episode(path).decisions)):
        writer.decision(index=index, moves=["left"], verdict="ok", score=0.0, raw="x" * 5000)
        if index % 100 == 0:
            print(index, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_again_and_again_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    reached = -1
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", ENDLESS, str(path)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            seen = int(child.stdout.readline())
            child.send_signal(signal.SIGKILL)
            child.wait(10)
        decisions = len(read_episode(path).decisions)
        assert decisions > seen > reached
        reached = seen
