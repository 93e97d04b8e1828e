"""`lmgame results`: into the results store, and out of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lmgame_common import LmgameError, RecordError, UsageError, printable
from lmgame_leaderboards import played_games, result_folders
from lmgame_leaderboards.exchange import form_of, read_games, write_games
from lmgame_leaderboards.published import published_scores

if TYPE_CHECKING:
    from lmgame_leaderboards.store import Merged, Store  # which takes long to import, so functions do it

app = typer.Typer(
    help="The results store: take results in, write them out.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Database = Annotated[
    str | None,
    typer.Option(
        "--db", help="A database's URL or a file (default $LMGAME_DB, or your data folder).", show_default=False
    ),
]


@app.command("import")
def import_(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="DIR",
            help="Folders of runs and arenas, folders that contain such, and files of `lmgame results export`.",
            show_default=False,
        ),
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Also take in the scores that Lmgame-Bench's authors have published.")
    ] = False,
    db: Database = None,
) -> None:
    """Take finished games into the results store. What is there already stays as it is, however often it comes."""
    if not paths and not published:
        raise UsageError("Nothing to import. Name folders or files, or use --published.")
    from lmgame_leaderboards.store import Merged, Store

    console = Console(highlight=False)
    problems = _Problems()
    with Store.open(db) as store:
        if paths:
            merged = Merged()
            for path in paths:
                merged += _take_in(store, path, problems)
            console.print(f"games: {_told(merged)}", markup=False)
        if published:
            console.print(f"published scores: {_told(store.put_published(published_scores()))}", markup=False)
        console.print(f"results store: {printable(store.shown_url)}", markup=False, soft_wrap=True)
    if problems.count:
        raise typer.Exit(RecordError.exit_code)


class _Problems:
    """Names what can't be taken in, and counts it."""

    def __init__(self) -> None:
        self.count = 0
        self._console = Console(stderr=True, highlight=False)

    def __call__(self, problem: LmgameError) -> None:
        self.count += 1
        self._console.print(printable(f"left out: {problem}"), markup=False, style="yellow", soft_wrap=True)


def _take_in(store: "Store", path: Path, problems: _Problems) -> "Merged":
    """All that can be used of one path."""
    from lmgame_leaderboards.store import Merged

    try:
        if not path.is_dir():
            return store.put(read_games(path, problems))
        folders = result_folders(path)
        if not folders:
            raise RecordError(f"{path} holds no run and no arena. Give a folder that `lmgame play` or `arena` named.")
    except RecordError as problem:
        problems(problem)
        return Merged()
    merged = Merged()
    for folder in folders:
        try:
            merged += store.put(played_games(folder, problems))
        except RecordError as problem:
            problems(problem)
    return merged


def _told(merged: "Merged") -> str:
    return f"{merged.added} added, {merged.replaced} replaced, {merged.same} there already"


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="The file, in .jsonl, .csv or .parquet.", show_default=False)],
    game: Annotated[
        str | None, typer.Option("--game", "-g", help="Only this game; NAME or NAME/PRESET.", show_default=False)
    ] = None,
    clock: Annotated[str | None, typer.Option(help="Only this clock: paused or realtime.", show_default=False)] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Only games among these; may be given several times.", show_default=False),
    ] = None,
    db: Database = None,
) -> None:
    """Write results to a file: JSON lines, which `import` takes in again, or a table with a row a seat."""
    from lmgame_leaderboards.store import Store

    form_of(out)
    if clock not in (None, "paused", "realtime"):
        raise UsageError(f"--clock is paused or realtime, not {clock!r}.")
    name, _, preset = (game or "").partition("/")
    with Store.open(db) as store:
        games = store.games(game=name or None, preset=preset or None, clock=clock, models=model or None)
    count = write_games(games, out)
    Console(highlight=False).print(f"{out} ({count} games)", markup=False, soft_wrap=True)
