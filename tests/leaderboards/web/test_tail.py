"""Records that are read while they are written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from lmgame_common import RecordError
from lmgame_leaderboards import EpisodeLog, EpisodeWriter, read_episode
from lmgame_leaderboards import tail as tail_module
from lmgame_leaderboards.tail import RecordTail
from tests.leaderboards.conftest import make_decision, make_header

from .builders import append, decision_line, header_line, line, outcome_line, write_record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "record.jsonl"


def same(found: EpisodeLog, path: Path) -> None:
    """Reading in pieces comes to what reading at once does."""
    whole = read_episode(path)
    assert (found.header, found.decisions, found.faults, found.outcome, found.void) == (
        whole.header,
        whole.decisions,
        whole.faults,
        whole.outcome,
        whole.void,
    )


def test_it_grows_line_by_line(path: Path):
    lines = [
        header_line(),
        decision_line(0, 1.0, raw="左へ \U0001f3ae \x00"),
        line("fault", index=1, kind="reset", message="x"),
        line("later", about="a kind of line that we don't know"),
        decision_line(1, 2.0),
        outcome_line(2.0, 2),
    ]
    tail = RecordTail(path)
    seen = []
    for one in lines:
        append(path, one)
        assert tail.read()
        assert not tail.read()
        same(tail.log, path)
        seen.append((len(tail.log.decisions), len(tail.log.faults), tail.log.outcome is not None))
    assert seen == [(0, 0, False), (1, 0, False), (1, 1, False), (1, 1, False), (2, 1, False), (2, 1, True)]


def test_a_torn_line_is_left_until_it_is_whole(path: Path):
    append(path, header_line())
    tail = RecordTail(path)
    tail.read()
    whole = decision_line(0, 5.0, raw="µ 模型")
    for end in range(1, len(whole)):
        path.write_bytes(header_line() + whole[:end])
        assert not tail.read() and not tail.log.decisions
    append(path, whole[-1:])
    assert tail.read() and tail.log.decisions[0]["raw"] == "µ 模型"


def test_a_record_that_is_continued_where_a_torn_line_was_cut_off(path: Path):
    with EpisodeWriter.open(path, make_header()) as writer:
        writer.decision(**make_decision(0, 1.0))
    append(path, decision_line(1, 2.0, raw="lost")[:-30])
    tail = RecordTail(path)
    assert tail.read() and len(tail.log.decisions) == 1
    with EpisodeWriter.open(path, make_header()) as writer:
        assert not tail.read()
        writer.decision(**make_decision(1, 3.0, raw="kept"))
        assert tail.read()
        writer.outcome(outcome="over", score=3.0, decisions=2)
    assert tail.read()
    assert tail.log.decisions[1]["raw"] == "kept"
    same(tail.log, path)


def test_a_restart_makes_decisions_void_in_a_new_list(path: Path):
    append(path, header_line(), decision_line(0, 1.0, raw="first"), decision_line(1, 2.0))
    tail = RecordTail(path)
    tail.read()
    before = tail.log.decisions
    append(path, line("restart", why="http_500", seat=1))
    tail.read()
    assert tail.log.decisions == [] and tail.log.decisions is not before and len(before) == 2
    append(path, decision_line(0, 4.0, raw="again"))
    tail.read()
    assert [one["raw"] for one in tail.log.decisions] == ["again"]
    assert tail.log.void[0]["raw"] == "first" and len(tail.log.void) == 2
    same(tail.log, path)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([b'{"type": "dec\n'], "line 1 is damaged"),
        ([b"\xff\xfe\n"], "line 1 is damaged"),
        ([b"[1]\n"], "must be a JSON object"),
        ([b"[" * 100_000 + b"\n"], "line 1 is damaged"),
        ([decision_line(0)], "first line must be a header"),
        ([header_line(), b"\n"], "line 2 is damaged"),
        ([header_line(), header_line()], "second header"),
        ([header_line(), decision_line(1)], "decision 1 where 0 was due"),
        ([header_line(), line("decision", index=0)], "line 2 is damaged"),
        ([header_line(), decision_line(0, score="5")], "line 2 is damaged"),
        ([header_line(), decision_line(0, latency={"total": "0.5"})], "line 2 is damaged"),
        ([header_line(), outcome_line(), decision_line(0)], "line 3 is damaged"),
        ([line("header", **({"schema_version": 999} | make_header()))], "999"),
    ],
)
def test_damage_is_told_each_time(lines: list[bytes], complaint: str, path: Path):
    append(path, *lines)
    tail = RecordTail(path)
    for _ in range(2):
        with pytest.raises(RecordError, match=complaint):
            tail.read()


def test_what_stood_before_damage_stays(path: Path):
    append(path, header_line(), decision_line(0, 1.0), b"{}\n")
    tail = RecordTail(path)
    with pytest.raises(RecordError, match="line 3"):
        tail.read()
    assert len(tail.log.decisions) == 1
    with pytest.raises(RecordError, match="line 3"):
        tail.read()
    assert len(tail.log.decisions) == 1


def test_what_is_not_there(tmp_path: Path):
    with pytest.raises(RecordError, match="No such file"):
        RecordTail(tmp_path / "none.jsonl").read()
    with pytest.raises(RecordError, match="directory"):
        RecordTail(tmp_path).read()


class CountingPath:
    """A path whose files say which bytes were read."""

    def __init__(self, path: Path) -> None:
        self.path, self.read = path, 0

    def open(self, mode: str) -> Any:
        file = self.path.open(mode)
        read: Callable[[int], bytes] = file.read
        outer = self

        class Counting:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            def fileno(self) -> int:
                return file.fileno()

            def seek(self, at: int) -> None:
                file.seek(at)

            def read(self, size: int) -> bytes:
                chunk = read(size)
                outer.read += len(chunk)
                return chunk

        return Counting()


def test_each_byte_is_read_once(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tail_module, "HEADROOM", 64)  # so that lines lie across chunks
    counting = CountingPath(path)
    tail = RecordTail(cast(Path, counting))
    append(path, header_line())
    tail.read()
    for index in range(20):
        append(path, decision_line(index, 1.0))
        tail.read()
        tail.read()
    assert len(tail.log.decisions) == 20
    assert counting.read == path.stat().st_size


def test_large_lines_and_many_of_them(path: Path, monkeypatch: pytest.MonkeyPatch):
    write_record(path, 50, raw="µ" * 3000)
    for size in (1 << 22, 1000):
        monkeypatch.setattr(tail_module, "HEADROOM", size)
        tail = RecordTail(path)
        assert tail.read()
        same(tail.log, path)
