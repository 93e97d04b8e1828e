"""`lmgame view`."""

import os
import socket
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lmgame.cli.results import Database
from lmgame_common import UsageError

OUTPUT, SERVER = "A copy as files", "The server"
EVERYWHERE = ("0.0.0.0", "::")
"""What a socket that listens on all addresses of this machine calls its own."""


def view(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="Where to look for runs and arenas, at any depth (default runs).", show_default=False),
    ] = None,
    db: Database = None,
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.", rich_help_panel=SERVER)] = 7860,
    host: Annotated[str, typer.Option(help="The address to listen on.", rich_help_panel=SERVER)] = "127.0.0.1",
    allow_remote: Annotated[
        bool,
        typer.Option(
            "--allow-remote",
            help="Let other machines visit; they are asked for a token, $LMGAME_VIEW_TOKEN or one that is made up.",
            rich_help_panel=SERVER,
        ),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A name by which visitors reach it.", rich_help_panel=SERVER, show_default=False),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export",
            help="Write the pages into this folder instead, to be opened from disk or published.",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None,
    max_size: Annotated[
        float, typer.Option(help="Megabytes of frames at most in a copy.", rich_help_panel=OUTPUT)
    ] = 200.0,
) -> None:
    """Look at standings and watch games in the browser."""
    from lmgame.web import TOKEN_ENVIRONMENT, check_host, export_pages, folders_of, make_server  # slow to load
    from lmgame_leaderboards.web.keeper import cache_folder

    console = Console(highlight=False, stderr=True)
    roots = folders_of(folders or [])
    if export is not None:
        with console.status("") as status:
            done = export_pages(roots, export, db=db, megabytes=max_size, note=status.update)
        Console(highlight=False).print(done, markup=False, soft_wrap=True)
        return
    given = os.environ.get(TOKEN_ENVIRONMENT) or None
    token = check_host(host, allow_remote, given)
    visited = make_server(roots, db=db, token=token, hosts=[host, *(allow_host or [])], cache=cache_folder())
    listening = _listen(host, port)
    bound, where = listening.getsockname()[:2]
    name = socket.gethostname() if bound in EVERYWHERE else host  # nobody can visit "all addresses"
    name = f"[{name}]" if ":" in name else name
    console.print(f"http://{name}:{where}/  (Ctrl-C stops it)", markup=False, soft_wrap=True)
    if token is not None and given is None:
        console.print(f"Token for visitors: {token}", markup=False, soft_wrap=True)
    visited.run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """A socket at that address. Raises UsageError where it is taken or isn't this machine's."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"Can't listen on {host} port {port}: {getattr(error, 'strerror', None) or error}. Choose another --port; "
            "0 takes a free one."
        ) from error
