"""Played games as files: JSON lines, which can be taken in again, and tables for other tools."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from lmgame_common import RecordError, UsageError
from lmgame_leaderboards.export import Column, Row, sync, table_writer, write_new
from lmgame_leaderboards.intake import Damaged, check_storable
from lmgame_leaderboards.migrations import check_version
from lmgame_leaderboards.played import PlayedGame
from lmgame_leaderboards.results import LatencySummary, UsageTotals
from lmgame_leaderboards.schema import canonical_json

RESULTS_VERSION = 1
"""Version of the form that played games have as JSON lines."""

Form = Literal["jsonl", "csv", "parquet"]

COLUMNS: tuple[Column, ...] = (
    ("key", "text"),
    ("game", "text"),
    ("preset", "text"),
    ("version", "integer"),
    ("options", "text"),
    ("clock", "text"),
    ("max_decisions", "integer"),
    ("rom", "text"),
    ("seed", "integer"),
    ("outcome", "text"),
    ("finished", "number"),
    ("run", "text"),
    ("episode", "text"),
    ("seat", "integer"),
    ("player", "text"),
    ("model", "text"),
    ("copy_number", "integer"),
    ("reference", "integer"),
    ("settings", "text"),
    ("observation", "text"),
    ("prompt_hash", "text"),
    ("score", "number"),
    ("decisions", "integer"),
)
"""Columns of a table before those of verdicts, usage and latency. `player` is the player's key, and `settings` its
record as JSON; `reference` is 1 where the model was trained on the game, else 0."""


def form_of(path: Path) -> Form:
    """The form of a file, by the end of its name. Raises UsageError for another."""
    form = path.suffix.removeprefix(".").lower()
    if form not in ("jsonl", "csv", "parquet"):
        raise UsageError(f"Results are exported to names in .jsonl, .csv or .parquet; {path.name} is none.")
    return form


def write_games(games: Sequence[PlayedGame], path: Path) -> int:
    """Write games to a new file whose name ends in `.jsonl` (one line a game), `.csv` or `.parquet` (one row a seat).

    Where records lie on this machine is left out. In CSV, texts that spreadsheets take for formulas are guarded, as in
    `export`.

    Returns:
        The number of games.

    Raises:
        UsageError: For another ending.
        RecordError: If the file exists or can't be written.
        MissingDependencyError: For Parquet without the extra `parquet`.
    """
    form = form_of(path)
    if form == "jsonl":
        write_new(path, lambda draft: _write_lines(draft, games))
    else:
        write = table_writer(form)
        columns, rows = _table(games)
        write_new(path, lambda draft: write(draft, columns, rows))
    return len(games)


def _write_lines(path: Path, games: Iterable[PlayedGame]) -> int:
    adapter, count = _adapter(), 0
    with path.open("wb") as file:
        head = {"type": "results", "schema_version": RESULTS_VERSION, "lmgame": _own_version()}
        file.write(json.dumps(head).encode() + b"\n")
        for count, game in enumerate(games, 1):  # noqa: B007 (the count is what is returned)
            line = adapter.dump_python(game, mode="json", exclude={"source"}, exclude_none=True)
            file.write(json.dumps({"type": "game", **line}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        sync(file)
    return count


def read_games(path: Path, damaged: Damaged | None = None) -> list[PlayedGame]:
    """The games of a file that `write_games` has written as JSON lines; lines of kinds that we don't know are skipped.

    Args:
        path: The file.
        damaged: Told of each line that can't be used, which is then left out; None: the first one is raised.

    Raises:
        RecordError: If the file can't be read, is another one, or was written by a newer lmgame.
    """
    return list(_read(path, damaged))


def _read(path: Path, damaged: Callable[[RecordError], None] | None) -> Iterator[PlayedGame]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise RecordError(f"Can't read {path}: {error.strerror}.") from error
    for number, raw in enumerate(lines, 1):
        try:
            line = json.loads(raw)
            if not isinstance(line, dict):
                raise ValueError("a line must be a JSON object")
            if number > 1 and line.pop("type", None) == "game":
                yield check_storable(_adapter().validate_python(line), f"{path}, line {number}")
        except (ValueError, RecursionError) as error:
            problem = RecordError(f"{path}, line {number} is damaged ({_why(error)}). Export the results anew.")
            if number == 1:
                raise _foreign(path) from error
            if damaged is None:
                raise problem from error
            damaged(problem)
            continue
        except RecordError as error:
            if damaged is None:
                raise
            damaged(error)
            continue
        if number == 1:
            if line.get("type") != "results":
                raise _foreign(path)
            check_version(line.get("schema_version"), str(path), line.get("lmgame"), newest=RESULTS_VERSION)
    if not lines:
        raise _foreign(path)


def _foreign(path: Path) -> RecordError:
    return RecordError(
        f"{path} is no file of `lmgame results export --out ….jsonl`. Give one, or the folder of a run or an arena."
    )


def _why(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


@cache
def _adapter() -> TypeAdapter[PlayedGame]:
    return TypeAdapter(PlayedGame)


@cache
def _own_version() -> str | None:
    try:
        return version("lmgame")
    except PackageNotFoundError:
        return None


def _table(games: Sequence[PlayedGame]) -> tuple[list[Column], Iterator[Row]]:
    verdicts = sorted({verdict for game in games for seat in game.seats for verdict in seat.verdicts})
    columns: list[Column] = [
        *COLUMNS,
        *((f"verdict_{verdict}", "integer") for verdict in verdicts),
        ("infrastructure_faults", "integer"),
        *((name, "number" if name == "cost_usd" else "integer") for name in UsageTotals.__dataclass_fields__),
        *((f"latency_{name}", "number") for name in LatencySummary.__dataclass_fields__),
    ]
    return columns, (row for game in games for row in _rows(game, verdicts))


def _rows(game: PlayedGame, verdicts: Sequence[str]) -> Iterator[Row]:
    shared = {
        "key": game.key,
        **game.conditions,
        "options": canonical_json(game.options),
        **{name: getattr(game, name) for name in ("seed", "outcome", "finished", "run", "episode")},
    }
    for number, seat in enumerate(game.seats):
        player, counted = seat.player, Counter(seat.verdicts)
        yield {
            **shared,
            "seat": number,
            "player": player.key,
            "model": player.model,
            "copy_number": player.copy_number,
            "reference": int(player.reference),
            "settings": canonical_json(player.model_dump(mode="json", exclude={"model", "reference", "copy_number"})),
            **{name: getattr(seat, name) for name in ("observation", "prompt_hash", "score", "decisions")},
            **{f"verdict_{verdict}": counted[verdict] for verdict in verdicts},
            "infrastructure_faults": seat.infrastructure_faults,
            **{name: getattr(seat.usage, name) for name in UsageTotals.__dataclass_fields__},
            **{f"latency_{name}": getattr(seat.latency, name) for name in LatencySummary.__dataclass_fields__},
        }
