"""`lmgame export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from lmgame_leaderboards import export as write


def export(
    run: Annotated[Path, typer.Argument(help="A run's folder.", show_default=False)],
    to: Annotated[Literal["csv", "parquet"], typer.Option(help="The format.")] = "csv",
    out: Annotated[
        Path | None, typer.Option(help="The file; by default in the run's folder.", show_default=False)
    ] = None,
    decisions: Annotated[bool, typer.Option("--decisions", help="One row a decision instead of an episode.")] = False,
) -> None:
    """Write a run as a table for pandas, R or a spreadsheet."""
    out = out or run / f"{'decisions' if decisions else 'episodes'}.{to}"
    rows = write(run, out, to=to, decisions=decisions)
    Console(highlight=False).print(f"{out} ({rows} rows)", markup=False, soft_wrap=True)
