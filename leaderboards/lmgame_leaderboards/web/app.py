"""The site as a server."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Header, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp

from lmgame_common import LmgameError, printable
from lmgame_leaderboards.web.guard import Guard
from lmgame_leaderboards.web.keeper import Keeper
from lmgame_leaderboards.web.ledger import CLOCKS, Ledger
from lmgame_leaderboards.web.live import Watches, record_events
from lmgame_leaderboards.web.render import STATIC
from lmgame_leaderboards.web.site import HTML, TEXT, Content, NotThereError, Site

HEARTBEAT = 10.0
"""Seconds of silence after which an event stream says that it is still there."""
PATIENCE = 4.0
"""Seconds that a first page waits for standings; then it says that they are being worked out."""

WAITING = 32
"""Most threads that wait for parts of records to be drawn; all else has threads of its own, and goes on meanwhile."""

LastId = Annotated[str | None, Header(alias="last-event-id")]


def create_app(
    site: Site,
    keeper: Keeper,
    *,
    token: str | None = None,
    hosts: Collection[str] = (),
    heartbeat: float = HEARTBEAT,
    closing: asyncio.Event | None = None,
) -> ASGIApp:
    """The whole server.

    Args:
        site: Makes the pages.
        keeper: Keeps the ledgers that the site looks things up in.
        token: What visitors must know; None: nothing, which is for this machine alone.
        hosts: Names by which it may be reached, beside this machine's.
        heartbeat: Seconds of silence of an event stream, after which one is sent.
        closing: Set when the server is about to stop; then event streams end.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        keeper.start()
        site.pool.submit(site.warm)
        warming = [asyncio.create_task(_warm(site, keeper, clock)) for clock in CLOCKS]
        try:
            yield
        finally:
            for task in warming:
                task.cancel()
            await keeper.stop()
            site.close()
            waiting.shutdown(wait=False, cancel_futures=True)

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    watches = Watches(site)
    waiting = ThreadPoolExecutor(WAITING, thread_name_prefix="wait")

    def stream(events: AsyncIterator[tuple[int, dict[str, Any]] | None], name: str) -> AsyncIterator[ServerSentEvent]:
        async def told() -> AsyncIterator[ServerSentEvent]:
            async for event in _until(closing, events):
                if event is None:
                    yield ServerSentEvent(comment="still here")
                else:
                    # As JSON a text is one line of ASCII, so that nothing in it can end the event or begin another.
                    yield ServerSentEvent(raw_data=json.dumps(event[1]), event=name, id=str(event[0]), retry=2000)

        return told()

    @app.get("/events/standings/{clock}", response_class=EventSourceResponse)
    async def standings_events(clock: str, last_event_id: LastId = None) -> AsyncIterator[ServerSentEvent]:
        if clock in CLOCKS:
            async for event in stream(_standings_news(keeper, clock, heartbeat), "standings"):
                yield event

    @app.get("/events/runs/{folder}", response_class=EventSourceResponse)
    async def folder_events(folder: str, last_event_id: LastId = None) -> AsyncIterator[ServerSentEvent]:
        if found := await asyncio.to_thread(site.shelf.folder, folder):
            watch = watches.of(found)
            async for event in stream(watch.events(_number(last_event_id), heartbeat), "folder"):
                yield event

    @app.get("/events/runs/{folder}/{record}", response_class=EventSourceResponse)
    async def episode_events(
        folder: str, record: str, last_event_id: LastId = None, known: int = -1
    ) -> AsyncIterator[ServerSentEvent]:
        since = known if last_event_id is None else _number(last_event_id)
        try:
            async for event in stream(record_events(site, folder, record, since, heartbeat), "record"):
                yield event
        except LmgameError:
            return

    @app.api_route("/", methods=["GET", "HEAD"])
    async def front() -> Response:
        return RedirectResponse("/index.html", 307)

    @app.api_route("/{address:path}", methods=["GET", "HEAD"])
    async def page(address: str, request: Request) -> Response:
        clock = "realtime" if "/realtime" in address else "paused"
        ranked = address.startswith(("index.html", "boards/", "models/", "versus/"))
        if ranked and await keeper.first(clock, PATIENCE) is None:
            return _response(_waiting(site, keeper, clock, address))
        threads = waiting if "/part-" in address else None
        content = await asyncio.get_running_loop().run_in_executor(threads, _got, site, address)
        return _response(content)

    return Guard(app, token=token, hosts=hosts, login=lambda path, wrong: _login(site, path, wrong))


async def _warm(site: Site, keeper: Keeper, clock: str) -> None:
    """Make the boards of each new ledger before anybody asks for them."""
    while True:
        if await keeper.news(clock, HEARTBEAT):
            await asyncio.to_thread(site.warm_boards, clock)


async def _until[T](closing: asyncio.Event | None, events: AsyncIterator[T]) -> AsyncIterator[T]:
    """The events that come before the server closes."""
    if closing is None:
        async for event in events:
            yield event
        return
    closed = asyncio.ensure_future(closing.wait())
    try:
        while True:
            event = asyncio.ensure_future(anext(events))
            try:
                await asyncio.wait({event, closed}, return_when=asyncio.FIRST_COMPLETED)
                if not event.done():
                    return
                yield event.result()
            except StopAsyncIteration:
                return
            finally:
                event.cancel()
                await asyncio.gather(event, return_exceptions=True)
    finally:
        closed.cancel()


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 12 else 0


def _got(site: Site, address: str) -> Content:
    """A page, or one that says why there is none."""
    try:
        return site.get(address)
    except NotThereError as error:
        return site.problem(address, "Not found", str(error))
    except LmgameError as error:
        return site.problem(address, "This can't be shown", str(error), status=500)


def _waiting(site: Site, keeper: Keeper, clock: str, address: str) -> Content:
    """What stands where standings will be."""
    if failure := keeper.failure(clock):
        hint = "lmgame doctor tells what may be wrong; `--db` names another store."
        return site.problem(address, "The standings can't be shown", failure, hint, 500)
    context = {"title": "Leaderboard", "clock": clock, "seconds": keeper.making(clock) or 0.0}
    return Content(site.pages.page("waiting.html", address, context), status=503)


def _login(site: Site, path: str, wrong: bool) -> bytes:
    """The form for the token, in the place of any page."""
    return site.pages.page("login.html", path.removeprefix("/"), {"title": "Token", "wrong": wrong})


def _response(content: Content) -> Response:
    headers = {}
    kind = content.kind
    if kind in (HTML, TEXT):
        kind += "; charset=utf-8"
    if content.kind == TEXT:
        headers["content-disposition"] = "attachment; filename=answer.txt"
    return Response(content.body, content.status, headers, kind)


async def _standings_news(
    keeper: Keeper, clock: str, heartbeat: float
) -> AsyncIterator[tuple[int, dict[str, Any]] | None]:
    """Whenever there is a newer ledger; None for a heartbeat."""
    count, before = 0, keeper.ledger(clock)
    yield 0, _told_of(keeper, clock)
    while True:
        if not await keeper.news(clock, heartbeat):
            yield None
            continue
        now = keeper.ledger(clock)
        if now is not before or keeper.failure(clock):
            count, before = count + 1, now
            yield count, _told_of(keeper, clock)


def _told_of(keeper: Keeper, clock: str) -> dict[str, Any]:
    """How standings stand."""
    making = keeper.making(clock) is not None
    return {"state": _state_of(keeper.ledger(clock)), "making": making, "failure": printable(keeper.failure(clock))}


def _state_of(ledger: Ledger | None) -> str:
    """What tells a ledger from others; empty where there is none."""
    return "" if ledger is None else f"{ledger.state}{' rough' if ledger.rough else ''}"
