"""The web pages: a local server over the results store and the folders of runs, or the same as files."""

import asyncio
import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from lmgame.theatre import Theatre
from lmgame_common import UsageError, is_loopback
from lmgame_leaderboards.store import Store
from lmgame_leaderboards.store.place import database_url
from lmgame_leaderboards.web.app import create_app
from lmgame_leaderboards.web.export import check_target, export_site
from lmgame_leaderboards.web.folders import Shelf
from lmgame_leaderboards.web.keeper import Keeper
from lmgame_leaderboards.web.ledger import CLOCKS, Ledger, ledger_document
from lmgame_leaderboards.web.site import Site, order

TOKEN_ENVIRONMENT = "LMGAME_VIEW_TOKEN"
"""The variable that holds the token which visitors of other machines must know."""


def folders_of(given: Sequence[Path]) -> list[Path]:
    """The folders to look for runs in: those given, else `runs`. Raises UsageError for one that isn't there."""
    for folder in given:
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder. Give folders that hold runs, such as runs/.")
    return list(given) or [Path("runs")]


def check_host(host: str, allow_remote: bool, token: str | None) -> str | None:
    """The token that visitors must know, or None where only this machine can visit.

    Args:
        host: The address to listen on.
        allow_remote: Whether other machines may visit.
        token: As given; None: one is made up, where one is needed.

    Raises:
        UsageError: For an address that others can reach without `allow_remote`, and for a token that is easily guessed.
    """
    if not allow_remote:
        if not is_loopback(host):
            raise UsageError(
                f"--host {host} can be reached from other machines. Add --allow-remote, and visitors will be asked for "
                "a token; or leave --host out."
            )
        return None
    if token is not None and len(token) < 16:
        raise UsageError(f"The token in {TOKEN_ENVIRONMENT} is too short: give at least 16 characters, or none.")
    return token or secrets.token_urlsafe(24)


class _Server(uvicorn.Server):
    """Ends event streams before it waits for connections to end."""

    def __init__(self, closing: asyncio.Event, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._closing = closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing.set()
        await super().shutdown(sockets)


def make_server(
    roots: Sequence[Path],
    *,
    db: str | None = None,
    token: str | None = None,
    hosts: Sequence[str] = (),
    cache: Path | None = None,
    rounds: int = 1000,
) -> uvicorn.Server:
    """The server of the pages, not yet running: `run(sockets=[…])` serves until the process is told to stop.

    Args:
        roots: Folders to look for runs in.
        db: The results store, as `--db`.
        token: What visitors must know; None: nothing.
        hosts: Names by which it may be reached, beside this machine's.
        cache: The folder where standings are kept for the next time; None: nowhere.
        rounds: Of the bootstrap behind the intervals.

    Raises:
        UsageError: For a store that there can't be.
    """
    url = database_url(db).render_as_string(hide_password=False)
    theatre = Theatre()
    keeper = Keeper(url, order(theatre.sheets()), cache=cache, rounds=rounds)
    site = Site(Shelf(roots), theatre, keeper.ledger, live=True)
    closing = asyncio.Event()
    app = create_app(site, keeper, token=token, hosts=hosts, closing=closing)
    return _Server(
        closing,
        uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=1),
    )


def export_pages(
    roots: Sequence[Path],
    out: Path,
    *,
    db: str | None = None,
    megabytes: float = 200.0,
    rounds: int = 1000,
    note: Callable[[str], None] = lambda _: None,
) -> str:
    """Write the pages as files.

    Args:
        roots: Folders to look for runs in.
        out: The folder to write: new, empty, or an earlier export, which is replaced.
        db: The results store, as `--db`.
        megabytes: Of frames, at most.
        rounds: Of the bootstrap behind the intervals.
        note: Told how far it is.

    Returns:
        What was written and what was left out, in words.

    Raises:
        UsageError: If the folder holds something else, or can't be written.
        StoreError: If the store can't be read.
    """
    if not megabytes >= 0:
        raise UsageError(f"--max-size is megabytes, zero or more, not {megabytes}.")
    check_target(out)
    theatre = Theatre()
    cards = order(theatre.sheets())
    ledgers: dict[str, Ledger] = {}
    with Store.open(db) as store:
        note("working out standings")
        for clock in CLOCKS:
            published = store.published() if clock == "paused" else []
            games = store.games(clock=clock)
            document = ledger_document(games, clock=clock, cards=cards, published=published, rounds=rounds)
            ledgers[clock] = Ledger.of(document)
    shelf = Shelf(roots)
    for ledger in ledgers.values():
        shelf.take(ledger.games.places())
    site = Site(shelf, theatre, ledgers.get, live=False)
    try:
        done = export_site(site, out, megabytes=megabytes, note=note)
    except OSError as error:
        raise UsageError(
            f"Can't write {out}: {error.strerror or error}. Choose another folder for --export."
        ) from error
    finally:
        site.close()
    return f"{out / 'index.html'}: {done.told(megabytes)}"
