"""A site with real games in it, and a real browser.

The browser is Debian's Chromium, or what `LMGAME_TEST_CHROMIUM` names. Nothing here waits for an idle network: pages
that are live keep a connection open.
"""

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from lmgame import arena, play
from lmgame.web import export_pages, make_server
from lmgame_leaderboards.web.folders import Shelf

CHROMIUM = os.environ.get("LMGAME_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of a module: as long as there is one an event loop runs in this thread, so that nothing else may use asyncio."""
    if not CHROMIUM:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium; .ci/run installs it")
        pytest.skip("there is no Chromium: apt-get install chromium, or name one in LMGAME_TEST_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visitor:
    """A page, and everything that went wrong in it."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.asked: list[str] = []
        """Addresses of all requests."""
        page = self.page
        page.on("console", lambda told: told.type in ("error", "warning") and self.complaints.append(told.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self.asked.append(request.url))
        page.set_default_timeout(20_000)


Visit = Callable[..., Visitor]
Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves sites of a test's own until it is over, and its pages are closed; the arguments are those of `serving`."""
    with ExitStack() as stack:
        yield lambda *arguments, **named: stack.enter_context(serving(*arguments, **named))


@pytest.fixture
def visit(browser: Browser, serve: Serve) -> Iterator[Visit]:
    """Opens pages; fails the test if one of them complained about anything."""
    contexts: list[BrowserContext] = []
    visitors: list[Visitor] = []

    def opened(address: str, *, width: int = 1280, dark: bool = False) -> Visitor:
        context = browser.new_context(
            viewport={"width": width, "height": 850}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        visitor = Visitor(context)
        visitors.append(visitor)
        visitor.page.goto(address, wait_until="load")
        return visitor

    yield opened
    for context in contexts:
        context.close()
    assert [complaint for visitor in visitors for complaint in visitor.complaints] == []


@contextmanager
def serving(roots: list[Path], db: Path, token: str | None = None) -> Iterator[str]:
    """The site's address, as long as it is served."""
    server = make_server(roots, db=str(db), token=token, rounds=50)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        _wait_for_standings(address, token)
        yield address
    finally:
        server.should_exit = True
        thread.join(20)


def _wait_for_standings(address: str, token: str | None) -> None:
    """Until then a page stands in their place."""
    for _ in range(300):
        headers = {"authorization": f"Bearer {token}"} if token else {}
        if httpx2.get(f"{address}/index.html", timeout=30, headers=headers).status_code != 503:
            return
    raise TimeoutError(f"no standings at {address}")


@dataclass(frozen=True)
class Played:
    """Games that were really played: runs, arenas, and the store that they went into."""

    roots: list[Path]
    db: Path

    def address(self, record: Path) -> str:
        """Where a record's page is."""
        place = Shelf(self.roots).place(str(record.absolute()))
        assert place is not None
        return f"runs/{place[0].id}/{place[1]}.html"

    def records(self, run: str) -> list[Path]:
        """All records of a run or an arena, by the name of its folder."""
        return sorted((self.roots[0] / run).glob("*/*.jsonl"))


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("played")
    db = folder / "results.sqlite"
    runs = folder / "runs"

    def with_all(**settings: Any) -> dict[str, Any]:
        return {"db": str(db), "concurrency": 2, **settings}

    both = ["scripted", "random"]
    play("random", "tetris", episodes=2, seed=10, **with_all(out=runs / "tetris", max_decisions=120))
    if find_spec("nes_py"):
        play("scripted", "mario", **with_all(out=runs / "mario", max_decisions=20))
    board_games = ["connect4", "tic-tac-toe", "tetris"]
    arena(both, board_games, pairs=2, **with_all(out=runs / "board", max_decisions=120))
    arena(both, "holdem", pairs=1, **with_all(out=runs / "cards"))
    arena(both, "tetris-versus", pairs=1, clock="realtime", **with_all(out=runs / "timed", max_decisions=40))
    return Played([runs], db)


@pytest.fixture(scope="session")
def site(played: Played) -> Iterator[str]:
    with serving(played.roots, played.db) as address:
        yield address


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory, played: Played) -> Path:
    out = tmp_path_factory.mktemp("export") / "site"
    told = export_pages(played.roots, out, db=str(played.db), rounds=50)
    assert "left out" not in told
    return out
