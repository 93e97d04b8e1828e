"""`lmgame leaderboard`."""

import csv
import json
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from lmgame.cli.results import Database
from lmgame.standings import leaderboard as standings
from lmgame_common import UsageError, printable

if TYPE_CHECKING:
    from lmgame_leaderboards.standings import Standings, Table

Game = Annotated[
    str | None, typer.Option("--game", "-g", help="Of this game alone: NAME or NAME/PRESET.", show_default=False)
]
Preset = Annotated[str | None, typer.Option(help="Of this preset alone.", show_default=False)]
Clock = Annotated[str, typer.Option(help="paused or realtime; the two are never ranked together.")]
PLAIN_WIDTH = 120
"""Characters of a line where tables go into a file or a pipe."""

Format = Literal["table", "markdown", "csv", "json"]


def leaderboard(
    game: Game = None,
    preset: Preset = None,
    clock: Clock = "paused",
    db: Database = None,
    to: Annotated[
        Format, typer.Option("--format", "-f", envvar="LMGAME_LEADERBOARD_FORMAT", help="How it is written.")
    ] = "table",
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
        for row in flat_rows(found):
            writer.writerow([harmless(shown(cell)) if isinstance(cell, str) else cell for cell in row])
        return
    if not found.rows:
        typer.echo(nothing_yet(game, clock), err=True)
        return
    if to == "markdown":
        from lmgame_leaderboards.standings import markdown

        print(printable(markdown(found)), end="")
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    _show(console, found)


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
    """The tables as a terminal shows them; wide ones as several below each other."""
    from lmgame_leaderboards.standings import matrix_table, notes_of, published_table, rating_table, score_table

    rated = rating_table(found)
    for part in rated.within(console.width, rated.head.index("Model") + 1):
        _print(console, part)
    _print(console, score_table(found.rows))
    for part in matrix_table(found).within(console.width, 1):
        _print(console, part)
    _print(console, published_table(found))
    for note in notes_of(found):
        console.print(Text(shown(f"· {note}"), style="dim"))


def _print(console: Console, table: "Table") -> None:
    """A table, if it has rows."""
    if not table:
        return
    drawn = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name, right in zip(table.head, table.right, strict=True):
        drawn.add_column(name, justify="right" if right else "left", overflow="fold", no_wrap=right)
    for row in table.rows:
        drawn.add_row(*(Text(shown(cell)) for cell in row))
    console.print(drawn)
    for line in table.below:
        console.print(Text(shown(line), style="dim"))
    console.print()


def shown(text: str) -> str:
    """Somebody else's words on one line of a terminal."""
    return printable(" ".join(text.split()))
