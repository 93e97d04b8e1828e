"""`lmgame replay`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lmgame.film import film_of, film_suffix


def replay(
    records: Annotated[
        list[Path],
        typer.Argument(
            help="An episode's record, `RUN/episodes/….jsonl`; the two of a raced match; or that of a shared game.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The film, .mp4 or .gif; by default beside the run.", show_default=False)
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            help="Game seconds a second of film; by default 1, or more where a match would take over two minutes.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Draw an episode or a match anew from its records, as a film."""
    out = out or replay_path(*records)
    seconds = film_of(records, out, speed)
    Console(highlight=False).print(f"{out} ({seconds:.1f} s)", markup=False, soft_wrap=True)


def replay_path(*records: Path) -> Path:
    """Where the film goes unless told otherwise: `RUN/replays/`."""
    name = "-vs-".join(record.stem for record in records)
    return records[0].parent.parent / "replays" / (name + film_suffix())
