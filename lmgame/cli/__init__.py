"""The command line. One file a command; the roof's Python API does the work."""

import io
import logging
import os
import sys

import typer
from rich.console import Console

from lmgame.cli.arena import arena
from lmgame.cli.catalogue import games, models
from lmgame.cli.compare import compare
from lmgame.cli.doctor import doctor
from lmgame.cli.export import export
from lmgame.cli.leaderboard import leaderboard
from lmgame.cli.match import match
from lmgame.cli.play import play
from lmgame.cli.replay import replay
from lmgame.cli.results import app as results
from lmgame.cli.serve import app as serve
from lmgame.cli.show import show
from lmgame.cli.view import view
from lmgame_common import LmgameError, printable

app = typer.Typer(
    name="lmgame",
    help="Find out how well language and vision-language models play games.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"auto_envvar_prefix": "LMGAME", "help_option_names": ["-h", "--help"]},
)
for command in (play, match, arena, leaderboard, compare, view, replay, show, export, games, models, doctor):
    app.command()(command)
app.add_typer(results, name="results")
app.add_typer(serve, name="serve")


def main() -> None:
    """Entry point of the `lmgame` command: errors become one message and an exit code, never a traceback."""
    # pygame greets on standard output when it is imported, which would spoil --json.
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a code page without arrows must not cost the result
    level = logging.getLevelNamesMapping().get(os.environ.get("LMGAME_LOG_LEVEL", "ERROR").upper(), logging.ERROR)
    logging.basicConfig(level=level, stream=sys.stderr)
    try:
        app()
    except LmgameError as error:
        message = printable(f"lmgame: {error}")  # servers have their say in some of them
        Console(stderr=True, highlight=False).print(message, markup=False, style="red", soft_wrap=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader (head, less) has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
