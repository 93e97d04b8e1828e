"""`lmgame leaderboard`."""

import csv
import json
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lmgame.cli.results import Database
from lmgame.standings import leaderboard as standings
from lmgame_common import UsageError, printable

if TYPE_CHECKING:
    from lmgame_leaderboards.standings import Standings

Game = Annotated[
    str | None, typer.Option("--game", "-g", help="Of this game alone: NAME or NAME/PRESET.", show_default=False)
]
Preset = Annotated[str | None, typer.Option(help="Of this preset alone.", show_default=False)]
Clock = Annotated[str, typer.Option(help="paused or realtime; the two are never ranked together.")]
Format = Literal["table", "markdown", "csv", "json"]


def leaderboard(
    game: Game = None,
    preset: Preset = None,
    clock: Clock = "paused",
    db: Database = None,
    to: Annotated[Format, typer.Option("--format", "-f", help="How it is written.")] = "table",
    min_games: Annotated[int, typer.Option(help="Leave out who has finished fewer games than this.")] = 1,
) -> None:
    """Who plays how well: ratings with intervals, scores, and who took points from whom."""
    check_clock(clock)
    found = standings(game, preset=preset, clock=clock, db=db, min_games=min_games)
    if to == "json":
        print(json.dumps(found.document(), ensure_ascii=False, indent=1))
        return
    if to == "csv":
        from lmgame_leaderboards.export import harmless
        from lmgame_leaderboards.standings import CSV_HEAD, flat_rows

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(CSV_HEAD)
        writer.writerows([[harmless(cell) for cell in row] for row in flat_rows(found)])
        return
    if not found.rows:
        typer.echo(nothing_yet(game, clock), err=True)
        return
    if to == "markdown":
        from lmgame_leaderboards.standings import markdown

        print(printable(markdown(found)), end="")
        return
    _show(Console(highlight=False), found)


def check_clock(clock: str) -> None:
    """Raise UsageError for a clock that there isn't."""
    if clock not in ("paused", "realtime"):
        raise UsageError(f"--clock is paused or realtime, not {clock!r}.")


def nothing_yet(game: str | None, clock: str) -> str:
    """What to run where the store holds nothing of what was asked for."""
    name = game or "tetris"
    timed = "" if clock == "paused" else f" --clock {clock}"
    return (
        f"Nothing is in the results store yet{f' of {game}' if game else ''}. "
        f"Play: lmgame arena --model A --model B --game {name}{timed}. "
        "Or take in what was played elsewhere: lmgame results import DIR…"
    )


def _show(console: Console, found: "Standings") -> None:
    """The tables as a terminal shows them."""
    from lmgame_leaderboards.standings import matrix_table, notes_of, published_table, rating_table, score_table

    for table in (rating_table(found), score_table(found.rows), matrix_table(found), published_table(found)):
        if table:
            _print(console, table)
            console.print()
    for note in notes_of(found):
        console.print(Text(printable(f"· {note}"), style="dim"))


def _print(console: Console, markdown: str) -> None:
    """A Markdown table in the terminal's own lines, and what stands below it."""
    lines = markdown.splitlines()
    rows = [_cells(line) for line in lines if line.startswith("|")]
    rule = rows[1]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, dashes in zip(rows[0], rule, strict=True):
        right = dashes.endswith(":")
        table.add_column(Text(printable(name)), justify="right" if right else "left", overflow="fold", no_wrap=right)
    for row in rows[2:]:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table)
    for line in lines:
        if not line.startswith("|"):
            console.print(Text(printable(line), style="dim"))


def _cells(line: str) -> list[str]:
    """The cells of a line that `markdown_of` wrote, whose bars within cells are escaped."""
    return [cell.strip().replace("\0", "|") for cell in line.replace("\\|", "\0").strip().strip("|").split("|")]
