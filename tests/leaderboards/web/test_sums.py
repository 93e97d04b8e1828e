"""Records summed up, each read again only when it has changed."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lmgame_common import RecordError
from lmgame_leaderboards import PlayerRecord, read_episode
from lmgame_leaderboards.web import sums as sums_module
from lmgame_leaderboards.web.folders import Shelf
from lmgame_leaderboards.web.sums import Sums, scores_of, sum_of

from .builders import append, decision_line, header_line, line, outcome_line, seats_of, write_record, write_run


def test_a_record_in_numbers(tmp_path: Path):
    path = tmp_path / "x.jsonl"
    append(path, header_line(seed=7), decision_line(0, 50.0), line("restart", why="http_500"))
    append(path, line("fault", index=0, kind="reset", message="x"), decision_line(0, 1.0))
    append(path, decision_line(1, 2.5, verdict="illegal", latency={"total": 1.5}, usage={"cost_usd": 0.25}))
    append(path, decision_line(2, 2.5, verdict="illegal", latency=None, usage=None))
    found = sum_of(read_episode(path), "id")
    assert (found.id, found.names, found.game, found.preset, found.seed) == ("id", ("stub",), "tetris", "standard", 7)
    assert (found.scores, found.decisions, found.outcome, found.faults) == ((2.5,), 3, None, 1)
    assert found.tokens == 2 * 107 and found.cost == 0.25 and found.latency == 1.0, "void decisions cost as well"
    assert found.unusable == "2 illegal" and found.finished == 0.0 and found.problem == ""
    append(path, outcome_line(4.0, 3))
    found = sum_of(read_episode(path), "id")
    assert (found.scores, found.outcome, found.finished) == ((4.0,), "topped out", 9.0)


def test_a_shared_match_has_a_score_for_each_seat(tmp_path: Path):
    header = {"seats": seats_of(PlayerRecord(model="a"), PlayerRecord(model="b"))}
    path = tmp_path / "x.jsonl"
    append(path, header_line(**header))
    assert scores_of(read_episode(path)) == [0.0, 0.0]
    append(path, decision_line(0, 1.0, seat=1), decision_line(1, 3.0, seat=0), decision_line(2, 2.0, seat=1))
    assert scores_of(read_episode(path)) == [3.0, 2.0]
    append(path, outcome_line(5.0, 3, scores=[5.0, 6.0]))
    assert scores_of(read_episode(path)) == [5.0, 6.0] and sum_of(read_episode(path), "x").names == ("a", "b")


@pytest.mark.parametrize("seat", [1, -1, 99])
def test_a_seat_that_there_is_not(seat: int, tmp_path: Path):
    path = write_record(tmp_path / "x.jsonl", 1, over=False, seat=seat)
    with pytest.raises(RecordError, match=f"seat {seat}"):
        sum_of(read_episode(path), "x")


def test_a_record_is_read_again_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    read: list[Path] = []

    def spy(path: Path):
        read.append(path)
        return read_episode(path)

    monkeypatch.setattr(sums_module, "read_episode", spy)
    (folder,) = Shelf([write_run(tmp_path / "run", [1, 2], over=False)]).folders()
    sums = Sums()
    first = sums.of(folder)
    assert [row.decisions for row in first] == [1, 2] and len(read) == 2
    assert all(again is row for again, row in zip(sums.of(folder), first, strict=True)) and len(read) == 2
    append(folder.records_path / "tetris-standard-0.jsonl", decision_line(1))
    assert [row.decisions for row in sums.of(folder)] == [2, 2] and len(read) == 3


def test_what_can_not_be_read_says_why(tmp_path: Path):
    path = tmp_path / "x.jsonl"
    sums = Sums()
    assert "No such file" in sums.record("x", path).problem
    path.write_text("no \x1b[2J record\n" * 2)
    problem = sums.record("x", path).problem
    assert "damaged" in problem and len(problem) <= 401
    path.write_bytes(b"")
    assert "no header" in sums.record("x", path).problem
    path.unlink()
    write_record(path, 1)
    assert sums.record("x", path).problem == ""


def test_no_more_are_kept_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sums_module, "KEPT", 3)
    paths = [write_record(tmp_path / f"{name}.jsonl", 1) for name in range(6)]
    sums, made = Sums(), []
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda path: sums.kept(path, "x", lambda: made.append(path)), paths * 3))
    assert set(made) == set(paths) and len(sums._kept) <= 3
    assert sums.kept(paths[0], "z", lambda: 1) == 1
    assert sums.kept(paths[0], "z", lambda: 2) == 1 and sums.kept(paths[0], "y", lambda: 3) == 3
