"""A run as a table for other tools: CSV or Parquet, one row an episode or one row a decision."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import batched
from pathlib import Path
from typing import IO, Any, Literal

from lmgame_common import MissingDependencyError, RecordError, UsageError
from lmgame_leaderboards.disk import unwritable
from lmgame_leaderboards.records import EpisodeLog
from lmgame_leaderboards.results import LatencySummary, UsageTotals, episode_logs, episode_row
from lmgame_leaderboards.run_folder import read_run
from lmgame_leaderboards.schema import LatencyRecord, RunRecord, UsageRecord

Kind = Literal["text", "integer", "number"]
Column = tuple[str, Kind]
Row = dict[str, Any]
TableWriter = Callable[[Path, Sequence[Column], Iterable[Row]], int]

RUN_COLUMNS: tuple[Column, ...] = (
    ("run", "text"),
    ("model", "text"),
    ("reference", "integer"),
    ("clock", "text"),
    ("episode", "text"),
    ("game", "text"),
    ("preset", "text"),
    ("version", "integer"),
    ("seed", "integer"),
)
"""Columns that every row has. `reference` is 1 where the model was trained on the games, else 0."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes spreadsheets take a cell for a formula (OWASP, CSV Injection)."""

ROWS_A_GROUP = 10_000


def export(run: Path, path: Path, to: Literal["csv", "parquet"] = "csv", *, decisions: bool = False) -> int:
    """Write a run's results to one file.

    In CSV, a text that spreadsheets would take for a formula gets an apostrophe in front, because models write what
    they like; numbers and Parquet are left alone, and the records keep the exact text.

    Args:
        run: The run's folder.
        path: The file to write; it must not exist.
        to: `csv` (UTF-8) or `parquet`.
        decisions: One row a decision in place of one row an episode.

    Returns:
        The number of rows.

    Raises:
        RecordError: If the run can't be read, or the file exists or can't be written.
        UsageError: For another format.
        MissingDependencyError: For Parquet without the extra `parquet`.
    """
    if to not in ("csv", "parquet"):
        raise UsageError(f"Runs are exported to csv or parquet, not {to!r}.")
    write = table_writer(to)
    record = read_run(run)
    columns, rows = (_decision_table if decisions else _episode_table)(run, record)
    return write_new(path, lambda draft: write(draft, columns, rows))


def table_writer(to: Literal["csv", "parquet"]) -> TableWriter:
    """What writes a table to a file and returns the number of its rows.

    Raises:
        MissingDependencyError: For Parquet without the extra `parquet`.
    """
    return _write_csv if to == "csv" else _parquet_writer()


def write_new(path: Path, write: Callable[[Path], int]) -> int:
    """Write a file that must not exist, so that it is there whole or not at all.

    Args:
        path: The file.
        write: Writes a draft of it and returns the number of its rows, which is returned.

    Raises:
        RecordError: If the file exists or can't be written.
    """
    draft = path.with_name(f"{path.name}.draft")
    if os.path.lexists(path):
        raise RecordError(f"{path} exists and is not overwritten. Choose another name, or move it away.")
    try:
        try:
            count = write(draft)
            draft.replace(path)
        except OSError as error:
            raise unwritable(path, error) from error
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    return count


def _episode_table(run: Path, record: RunRecord) -> tuple[list[Column], Iterator[Row]]:
    results = [episode_row(log) for log in episode_logs(run, record)]
    verdicts = sorted({verdict for result in results for verdict in result.verdicts})
    columns: list[Column] = [
        *RUN_COLUMNS,
        ("outcome", "text"),
        ("score", "number"),
        ("decisions", "integer"),
        *((f"verdict_{verdict}", "integer") for verdict in verdicts),
        ("infrastructure_faults", "integer"),
        *_usage_columns(),
        *((f"latency_{name}", "number") for name in LatencySummary.__dataclass_fields__),
    ]
    rows = (
        {
            **_run_cells(record, result.id, result.game, result.preset, result.version, result.seed),
            "outcome": result.outcome,
            "score": result.score,
            "decisions": result.decisions,
            **{f"verdict_{verdict}": result.verdicts.get(verdict, 0) for verdict in verdicts},
            "infrastructure_faults": result.infrastructure_faults,
            **{name: getattr(result.usage, name) for name in UsageTotals.__dataclass_fields__},
            **{f"latency_{name}": getattr(result.latency, name) for name in LatencySummary.__dataclass_fields__},
        }
        for result in results
    )
    return columns, rows


def _decision_table(run: Path, record: RunRecord) -> tuple[list[Column], Iterator[Row]]:
    columns: list[Column] = [
        *RUN_COLUMNS,
        ("index", "integer"),
        ("moves", "text"),
        ("played", "integer"),
        ("verdict", "text"),
        ("raw", "text"),
        ("thought", "text"),
        ("problem", "text"),
        ("finish_reason", "text"),
        *_usage_columns(),
        *((f"latency_{name}", "number") for name in LatencyRecord.__annotations__),
        ("waited", "integer"),
        ("score", "number"),
        ("time", "number"),
    ]
    return columns, (row for log in episode_logs(run, record) for row in _decision_rows(record, log))


def _decision_rows(record: RunRecord, log: EpisodeLog) -> Iterator[Row]:
    header = log.header
    shared = _run_cells(record, header["episode"], header["game"], header["preset"], header["version"], header["seed"])
    for line in log.decisions:
        usage, latency = line.get("usage") or {}, line.get("latency") or {}
        yield {
            **shared,
            **{name: line.get(name) for name in ("index", "played", "verdict", "raw", "thought", "problem")},
            **{name: line.get(name) for name in ("finish_reason", "waited", "score", "time")},
            "moves": " ".join(line["moves"]),
            **{name: usage.get(name) for name in UsageRecord.__annotations__},
            **{f"latency_{name}": latency.get(name) for name in LatencyRecord.__annotations__},
        }


def _run_cells(record: RunRecord, episode: str, game: str, preset: str, version: int, seed: int) -> Row:
    request = record.request
    return {
        "run": record.id,
        "model": request.model,
        "reference": int(record.reference),
        "clock": request.clock,
        "episode": episode,
        "game": game,
        "preset": preset,
        "version": version,
        "seed": seed,
    }


def _usage_columns() -> Iterator[Column]:
    for name in UsageRecord.__annotations__:
        yield name, "number" if name == "cost_usd" else "integer"


def _write_csv(path: Path, columns: Sequence[Column], rows: Iterable[Row]) -> int:
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = [name for name, _ in columns]
        writer.writerow(names)
        for count, row in enumerate(rows, 1):  # noqa: B007 (the count is what is returned)
            writer.writerow([harmless(row[name]) for name in names])
        sync(file)
    return count


def harmless(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: such texts get an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def sync(file: IO[Any]) -> None:
    """See what was written to an open file onto the disk."""
    file.flush()
    os.fsync(file.fileno())


def _parquet_writer() -> TableWriter:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingDependencyError("Parquet export", "parquet") from None
    return partial(_write_parquet, pyarrow)


def _write_parquet(pyarrow: Any, path: Path, columns: Sequence[Column], rows: Iterable[Row]) -> int:
    """Columns keep their types even where they hold nothing but nulls."""
    kinds = {"text": pyarrow.string(), "integer": pyarrow.int64(), "number": pyarrow.float64()}
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in columns])
    count = 0
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for group in batched(rows, ROWS_A_GROUP):
            writer.write_table(pyarrow.Table.from_pylist(list(group), schema=schema))
            count += len(group)
    return count
