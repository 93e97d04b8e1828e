"""`lmgame replay`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lmgame.film import film, film_suffix


def replay(
    episode: Annotated[Path, typer.Argument(help="An episode's record, `RUN/episodes/….jsonl`.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="The film, .mp4 or .gif; by default beside the run.", show_default=False)
    ] = None,
    speed: Annotated[float, typer.Option(help="Game seconds a second of film.")] = 1.0,
) -> None:
    """Draw an episode anew from its record, as a film."""
    out = out or replay_path(episode)
    seconds = film(episode, out, speed)
    Console(highlight=False).print(f"{out} ({seconds:.1f} s)", markup=False, soft_wrap=True)


def replay_path(episode: Path) -> Path:
    """Where an episode's film goes unless told otherwise: `RUN/replays/`."""
    return episode.parent.parent / "replays" / (episode.stem + film_suffix())
