"""The engine as a server on loopback, for as long as a context lasts."""

import asyncio
import hmac
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from lmgame_serving.endpoint import Endpoint
from lmgame_serving.pico_engine import FOLDER
from lmgame_serving.pico_engine.chat import ChatRequest, Completion, Piece, RefusedError
from lmgame_serving.pico_engine.loaded import Loaded
from lmgame_serving.pico_engine.text import IMAGE

MAX_BODY = 32 * 1024 * 1024
"""Bytes of a request; far more than a frame and a long conversation take."""
MOST_THREADS = 2
"""More gain nothing on matrices of 256 columns."""
KEEP_ALIVE = 75
"""Seconds an idle connection is kept, longer than clients do, so that none sends on one that is being closed."""
AT_ONCE = 0.01
"""Seconds of generation that are sent in one go, a token at least: going from thread to thread for each token takes
longer than making it."""


@asynccontextmanager
async def serve(*, name: str, model: str, folder: Path = FOLDER) -> AsyncIterator[Endpoint]:
    """Run pico in this process while the context lasts.

    Requests are answered one at a time, in the order they come. Generation doesn't hold Python's global lock.

    Args:
        name: The model's name as the user typed it.
        model: The model's name in the API.
        folder: Where its files are.

    Raises:
        EndpointError: If the engine or the model can't be loaded.
    """
    key = secrets.token_urlsafe()
    starting = _Starting(folder, model, key)
    try:
        server = await asyncio.to_thread(starting.run)
    except BaseException:
        starting.call_off()
        raise
    try:
        yield Endpoint(
            name=name, base_url=f"{server.address}/v1", model=model, provider="pico", api_key=key, vision=True
        )
    finally:
        # Handed to a thread at once, where no cancellation of this task reaches it.
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, server.stop))


class _Starting:
    """A server on its way from the thread that starts it to the task that wants it, which may give up meanwhile."""

    def __init__(self, folder: Path, model: str, key: str) -> None:
        self._folder, self._model, self._key = folder, model, key
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._called_off = False

    def run(self) -> "_Server":
        """Start the server; if nobody wants it any more, it is stopped again."""
        server = _Server(Engine(self._folder, self._model), self._key)
        with self._lock:
            self._server, called_off = server, self._called_off
        if called_off:
            server.stop()
        return server

    def call_off(self) -> None:
        """Have the server stopped as soon as it runs. Waits for nothing, so it can't be called off itself."""
        with self._lock:
            self._called_off, server = True, self._server
        if server:
            threading.Thread(target=server.stop, name="pico-stop").start()


class Engine:
    """The loaded model and the application that answers for it.

    Args:
        folder: The model's.
        name: What the model is called in the API.

    Raises:
        EndpointError: If it can't be loaded.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._name = name
        self._loaded = Loaded.of(folder, _threads())
        self._warm_up()
        self._turn = asyncio.Lock()  # whose turn it is: one answer at a time, first come, first served
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="pico")
        self.stopping = threading.Event()
        routes = [
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/models", self._models),
            Route("/health", self._health),
        ]
        handlers: Any = {RefusedError: _refusal, HTTPException: _http_error, Exception: _fault}
        self.application = Starlette(routes=routes, exception_handlers=handlers)

    def close(self) -> None:
        """Let go of the worker."""
        self._worker.shutdown(wait=True)

    def _warm_up(self) -> None:
        """The first answer takes several times as long as the others; nobody should wait for it."""
        loaded = self._loaded
        picture = np.zeros((1, 3, *[loaded.sight.side] * 2), np.float32)
        answer = loaded.model.read(loaded.text.prompt(f"{IMAGE}tetris\n"), picture)
        answer.go_on(loaded.model.end)

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": self._name, "object": "model", "owned_by": "lmgame"}]})

    async def _chat(self, request: Request) -> Response:
        asked = ChatRequest.read(await _body(request))
        completion = Completion(self._loaded, self._name, asked)
        pieces = self._generate(completion)
        made = await anext(pieces, [])  # so that a picture that can't be read is an error and no stream
        if made and asked.stream:
            return _Stream(_events(completion, made, pieces, asked.wants_usage))
        async with aclosing(pieces):
            async for more in pieces:
                made += more
                if await request.is_disconnected():
                    break
        if not made or not made[-1].finish_reason:
            raise RefusedError("The server is being stopped.", 503)  # or there is nobody left to read this
        return JSONResponse(completion.document("".join(piece.text for piece in made), made[-1].finish_reason))

    async def _generate(self, completion: Completion) -> AsyncGenerator[list[Piece]]:
        """The pieces of an answer, some at a time, as they are made; whoever reads them slowly holds nobody up."""
        made: asyncio.Queue[list[Piece]] = asyncio.Queue()
        making = asyncio.create_task(self._make(completion, made))
        try:
            while some := await made.get():
                yield some
            await making
        finally:
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)

    async def _make(self, completion: Completion, made: asyncio.Queue[list[Piece]]) -> None:
        """Generate an answer when it is its turn; after its pieces come none."""
        loop = asyncio.get_running_loop()
        try:
            async with self._turn:
                pieces = completion.pieces()
                while not self.stopping.is_set():
                    if not (some := await loop.run_in_executor(self._worker, _some, pieces)):
                        break
                    made.put_nowait(some)
        finally:
            made.put_nowait([])


class _Stream(StreamingResponse):
    """A stream that is closed whatever becomes of its client, so that the next request gets its turn at once."""

    def __init__(self, events: AsyncGenerator[bytes]) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._events.aclose()


def _some(pieces: Iterator[Piece]) -> list[Piece]:
    """The next few pieces; none after the last."""
    until, made = time.perf_counter() + AT_ONCE, []
    for piece in pieces:
        made.append(piece)
        if time.perf_counter() > until:
            break
    return made


async def _events(
    completion: Completion, first: list[Piece], rest: AsyncGenerator[list[Piece]], usage: bool
) -> AsyncGenerator[bytes]:
    """An answer as server-sent events."""
    try:
        yield b"".join(_event(completion.chunk(piece)) for piece in (None, *first))
        made = first
        async for made in rest:
            yield b"".join(_event(completion.chunk(piece)) for piece in made)
        if not made[-1].finish_reason:
            return  # the server is being stopped; whoever reads sees a stream without an end
        if usage:
            yield _event(completion.usage_chunk())
        yield b"data: [DONE]\n\n"
    finally:
        await rest.aclose()


def _event(content: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(content, separators=(",", ":")).encode() + b"\n\n"


async def _body(request: Request) -> bytes:
    """The body of a request. Raises RefusedError if it is too long."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise RefusedError(f"The request is longer than {MAX_BODY:,} bytes.", 413)
        parts.append(part)
    return b"".join(parts)


async def _refusal(request: Request, error: RefusedError) -> Response:
    return JSONResponse(error.body(), error.status)


async def _http_error(request: Request, error: HTTPException) -> Response:
    return JSONResponse(RefusedError(error.detail, error.status_code).body(), error.status_code, error.headers)


async def _fault(request: Request, error: Exception) -> Response:
    return JSONResponse(RefusedError(f"Internal error: {type(error).__name__}.", 500).body(), 500)


def _threads() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_THREADS)


class _Guard:
    """Lets in who has the key; other users of this machine, and web pages, are kept out."""

    def __init__(self, application: ASGIApp, key: str) -> None:
        self._application, self._expected = application, f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] != "/health":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                refusal = RefusedError("The API key is missing or wrong.", 401, "invalid_api_key")
                await JSONResponse(refusal.body(), refusal.status)(scope, receive, send)
                return
        await self._application(scope, receive, send)


class _Server:
    """An HTTP server in a thread of its own, answering once the constructor is through."""

    def __init__(self, engine: Engine, key: str) -> None:
        self._engine = engine
        # The protocol is named because asyncio turns Nagle's algorithm off only where it is; the algorithm would hold
        # the end of each answer back by 40 ms.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(128)
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            _Guard(engine.application, key),
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="pico", daemon=True)
        self._thread.start()
        # The socket listens already; what comes now is answered once the thread has begun.

    def stop(self) -> None:
        """End what is being generated, close all connections, and wait until nothing is left running."""
        self._engine.stopping.set()
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
        self._engine.close()
