"""Exports hold what the records hold, harmlessly and in the same columns."""

import csv
import errno
import os
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from lmgame_common import MissingDependencyError, RecordError, UsageError
from lmgame_leaderboards import EpisodeWriter, export, read_run

from .conftest import make_decision, make_header


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def parquet_rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path).to_pylist()


def test_one_row_an_episode(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    assert export(run, path) == 3
    rows = rows_of(path)
    assert (
        rows[2].items()
        >= {
            "run": read_run(run).id,
            "model": "stub",
            "reference": "0",
            "clock": "paused",
            "episode": "tetris-standard-2",
            "seed": "2",
            "outcome": "",
            "score": "5.0",
            "decisions": "2",
            "verdict_ok": "1",
            "verdict_unparsable": "1",
            "infrastructure_faults": "1",
            "prompt_tokens": "100",
            "cached_tokens": "",
            "latency_median": "0.5",
        }.items()
    )
    assert [row["outcome"] for row in rows] == ["topped_out", "topped_out", ""]


def test_one_row_a_decision(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    assert export(run, path, decisions=True) == 6
    rows = rows_of(path)
    assert [(row["episode"][-1], row["index"], row["moves"]) for row in rows] == [
        ("0", "0", ""),
        ("0", "1", "left hard_drop"),
        ("1", "0", ""),
        ("1", "1", "left hard_drop"),
        ("2", "0", ""),
        ("2", "1", "left hard_drop"),
    ]
    assert rows[0]["latency_first_token"] == "0.1"
    assert rows[1]["latency_first_token"] == ""


@pytest.mark.parametrize("decisions", [False, True])
def test_parquet_holds_the_same_with_types(run: Path, tmp_path: Path, decisions: bool) -> None:
    export(run, tmp_path / "out.csv", decisions=decisions)
    count = export(run, tmp_path / "out.parquet", "parquet", decisions=decisions)
    rows = parquet_rows(tmp_path / "out.parquet")
    assert len(rows) == count
    as_text = [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    expected = rows_of(tmp_path / "out.csv")
    for row in expected:
        if row.get("raw", "").startswith("'="):
            row["raw"] = row["raw"][1:]
    assert as_text == expected
    assert isinstance(rows[0]["seed"], int)
    assert isinstance(rows[0]["score"], float)

    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.parquet.read_schema(tmp_path / "out.parquet")
    assert schema.field("cost_usd").type == pyarrow.float64()
    assert schema.field("reasoning_tokens").type == pyarrow.int64()


@pytest.mark.parametrize("raw", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_answer_becomes_a_formula(run: Path, tmp_path: Path, raw: str) -> None:
    (run / "episodes" / "tetris-standard-0.jsonl").unlink()
    with EpisodeWriter.open(run / "episodes" / "tetris-standard-0.jsonl", make_header()) as writer:
        writer.decision(**make_decision(0, -5.0, raw=raw, thought='a "quoted",\nbroken = line', problem=" =1"))
    export(run, tmp_path / "out.csv", decisions=True)
    row = rows_of(tmp_path / "out.csv")[0]
    assert row["raw"] == f"'{raw}"
    assert row["thought"] == 'a "quoted",\nbroken = line'
    assert row["problem"] == " =1"
    assert row["score"] == "-5.0"


def test_nothing_is_overwritten(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("mine")
    with pytest.raises(RecordError, match="exists and is not overwritten"):
        export(run, path)
    assert path.read_text() == "mine"


def test_a_full_disk_leaves_no_half_table(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RecordError, match="disk is full"):
        export(run, tmp_path / "out.csv")
    assert list(tmp_path.glob("out*")) == []


def test_a_damaged_record_leaves_no_half_table(run: Path, tmp_path: Path) -> None:
    path = run / "episodes" / "tetris-standard-2.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"index":0', b'"index":x'))
    for to in ("csv", "parquet"):
        with pytest.raises(RecordError, match="line 2 is damaged"):
            export(run, tmp_path / "out", to, decisions=True)
    assert list(tmp_path.glob("out*")) == []


def test_a_missing_folder_and_another_format_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"Can't write .*No such file"):
        export(run, tmp_path / "none" / "out.csv")
    with pytest.raises(UsageError, match="csv or parquet, not 'xlsx'"):
        export(run, tmp_path / "out.xlsx", cast(Any, "xlsx"))


def test_parquet_without_its_extra_names_the_command(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"uv pip install 'lmgame\[parquet\]'"):
        export(run, tmp_path / "out.parquet", "parquet")
    assert export(run, tmp_path / "out.csv") == 3
