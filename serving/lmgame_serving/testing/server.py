"""The stub server itself: raw asyncio, so that it stays far cheaper than what it is used to measure."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from lmgame_serving.testing.reply import Reply, Wire, encode, whole

type Script = Reply | str | Sequence[Reply | str] | Callable[[dict[str, Any], int], Reply | str]
"""What is answered: always the same; one after the other, the last again and again; or what a function of the
request's JSON and its number (from 0) says. A string stands for `Reply(text)`."""

_RESETS = {"reset", "reset_headers", "reset_stream"}
_HALVES = {"reset_stream", "stall", "cut", "cut_clean"}


@dataclass(frozen=True)
class Request:
    """A request as the server received it. Names of headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    json: dict[str, Any]


class StubServer:
    """An OpenAI-compatible server on loopback.

    Use it as `async with StubServer("left") as server:` and send requests to `server.base_url`.

    Args:
        script: What to answer to chat completions.
        models: Names that exist; others get a 404. None: every name exists and the list shows `stub`.
        api_key: The key that requests must carry; others get a 401. None: none is asked for.
        vision: Whether requests with images are answered; they get a 400 otherwise.
        record: Whether to keep requests in `requests`; benchmarks switch it off to keep memory flat.
        port: TCP port; 0 takes a free one.
    """

    def __init__(
        self,
        script: Script = Reply(),
        *,
        models: Sequence[str] | None = None,
        api_key: str | None = None,
        vision: bool = True,
        record: bool = True,
        port: int = 0,
    ) -> None:
        self.script, self.models, self.api_key, self.vision, self.record = script, models, api_key, vision, record
        self.port = port
        self.requests: list[Request] = []
        """All chat requests so far, oldest first."""
        self.count = 0
        """Number of chat requests so far."""
        self.in_flight = 0
        """Chat requests being answered now."""
        self.most_in_flight = 0
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._wires: dict[tuple[Reply, bool, bool, str], Wire] = {}
        self._scripted = [Reply(item) if isinstance(item, str) else item for item in _items(script)]

    @property
    def base_url(self) -> str:
        """The URL to give to a client, ending in `/v1`."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.refuse()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def listen(self) -> None:
        """Take connections, on the same port as before if there was one. No-op while listening."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port, backlog=2048)
            self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Reset all connections and refuse new ones."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for connection in list(self._connections):
            connection.reset()

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _next_reply(self, request: dict[str, Any]) -> Reply:
        index, self.count = self.count, self.count + 1
        if callable(self.script):
            reply = self.script(request, index)
            return Reply(reply) if isinstance(reply, str) else reply
        return self._scripted[min(index, len(self._scripted) - 1)]

    def _answer(self, request: Request) -> tuple[Reply, Wire]:
        """The reply to a request, with the bytes of it; recorded if it is a chat request."""
        asked = request.json
        model = str(asked.get("model", "stub"))
        if self.api_key is not None and request.headers.get("authorization") != f"Bearer {self.api_key}":
            reply = Reply(fault="http_401")
        elif request.method == "GET" and request.path.endswith("/models"):
            listed = [{"id": name, "object": "model"} for name in self.models or ["stub"]]
            return Reply(), whole(200, json.dumps({"object": "list", "data": listed}).encode())
        elif not (request.method == "POST" and request.path.endswith("/chat/completions")):
            return Reply(), whole(404, b'{"error":{"message":"No such path."}}')
        elif self.models is not None and model not in self.models:
            reply = Reply(fault="http_404")
        elif not self.vision and _has_image(asked):
            reply = Reply(fault="no_vision")
        else:
            if self.record:
                self.requests.append(request)
            reply = self._next_reply(asked)
        stream = bool(asked.get("stream"))
        include_usage = bool((asked.get("stream_options") or {}).get("include_usage"))
        key = (reply, stream, include_usage, model)
        wire = self._wires.get(key)
        if wire is None:
            wire = encode(reply, model=model, stream=stream, include_usage=include_usage)
            if not callable(self.script) and len(self._wires) < 1000:  # a function's replies seldom come again
                self._wires[key] = wire
        return reply, wire


class _Connection(asyncio.Protocol):
    """One connection: reads requests, writes replies, one at a time."""

    def __init__(self, server: StubServer) -> None:
        self.server = server
        self.buffer = bytearray()
        self.busy = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server._connections.discard(self)

    def reset(self) -> None:
        """End the connection with a TCP reset: what closing does when asked to linger for no time."""
        with contextlib.suppress(OSError):
            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.busy:
            self._serve()

    def _serve(self) -> None:
        while not self.busy and (request := self._take_request()) is not None:
            try:
                reply, wire = self.server._answer(request)
            except Exception:
                self.transport.close()  # a script that raises must not leave the client waiting
                raise
            if reply.fault is None and reply.delay == 0 and reply.gap == 0:
                self.transport.write(b"".join((wire.head, *wire.parts)))
                continue
            self.busy = True
            self.server.in_flight += 1
            self.server.most_in_flight = max(self.server.most_in_flight, self.server.in_flight)
            if reply.fault is None and reply.gap == 0:
                asyncio.get_running_loop().call_later(reply.delay, self._finish, b"".join((wire.head, *wire.parts)))
            else:
                self.server._spawn(self._play(reply, wire))

    def _finish(self, data: bytes = b"") -> None:
        self.busy = False
        self.server.in_flight -= 1
        if not self.transport.is_closing():
            self.transport.write(data)
            self._serve()

    def _take_request(self) -> Request | None:
        """The next whole request in the buffer, or None."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        first, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(self.buffer) < end + 4 + length:
            return None
        body = bytes(self.buffer[end + 4 : end + 4 + length])
        del self.buffer[: end + 4 + length]
        method, path, _ = first.split(" ", 2)
        return Request(method, path, headers, json.loads(body) if body else {})

    async def _play(self, reply: Reply, wire: Wire) -> None:
        """Write a reply that takes its time or goes wrong."""
        transport, fault = self.transport, reply.fault
        try:
            if fault == "refuse":
                await self.server.refuse()
                if reply.delay:
                    await asyncio.sleep(reply.delay)
                    await self.server.listen()
                return
            await asyncio.sleep(reply.delay)
            if fault != "reset":
                transport.write(wire.head)
                for part in [] if fault == "reset_headers" else wire.parts[: wire.half if fault in _HALVES else None]:
                    transport.write(part)
                    if reply.gap:
                        await asyncio.sleep(reply.gap)
            if fault in _RESETS:
                await asyncio.sleep(0.02)  # a reset throws away what the peer hasn't read yet
                self.reset()
            elif fault == "cut":
                transport.close()
            elif fault == "cut_clean":
                transport.write(wire.parts[-1])
            while fault == "stall" and not transport.is_closing():
                await asyncio.sleep(0.05)
        finally:
            self._finish()


def _items(script: Script) -> Sequence[Reply | str]:
    if callable(script):
        return []
    return [script] if isinstance(script, Reply | str) else list(script)


def _has_image(request: dict[str, Any]) -> bool:
    contents = (message.get("content") for message in request.get("messages", ()))
    return any(part.get("type") == "image_url" for content in contents if isinstance(content, list) for part in content)
