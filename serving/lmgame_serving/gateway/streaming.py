"""An engine's answer on its way to the client: whole lines of server-sent events, watched for silence and for cuts."""

import asyncio

from aiohttp import ClientError, ClientResponse, web

from lmgame_serving.gateway.errors import FaultError, error_event
from lmgame_serving.gateway.pool import Engine

LONGEST_LINE = 4 * 1024 * 1024
"""Bytes of one event, far above a token with its most likely alternatives."""
_DONE = b"data: [DONE]"


class Events:
    """The stream of an engine's answer.

    Args:
        response: What the engine answers.
        engine: Who it is, to name it.
        silence: Seconds without a byte after which the rest is taken for lost.
    """

    def __init__(self, response: ClientResponse, engine: Engine, silence: float) -> None:
        self._content, self._engine, self._silence = response.content, engine, silence
        self._rest = b""
        self.done = False
        """Whether the answer's end was read."""

    async def read(self) -> bytes:
        """The next lines, whole ones, as many as are there; nothing at the end of an answer.

        Half a line never reaches the client, so that what is said in its place can be read.

        Raises:
            FaultError: If the engine is silent or breaks off, or ends the stream without `[DONE]`.
        """
        while True:
            try:
                async with asyncio.timeout(self._silence):
                    data = await self._content.readany()
            except TimeoutError:
                fault = FaultError(self._engine, "silent", f"{self._engine.name} said nothing for {self._silence:g} s.")
            except (ClientError, OSError):
                fault = FaultError(self._engine, "cut", f"{self._engine.name} broke off.")
            else:
                fault = FaultError(self._engine, "cut", f"{self._engine.name} ended an answer in its middle.")
                if data:
                    if lines := self._lines(data):
                        return lines
                    continue
            if self.done:
                return b""
            if self._rest.rstrip() == _DONE:
                self.done = True
                return _DONE + b"\n\n"
            raise fault

    def _lines(self, data: bytes) -> bytes:
        """Whole lines out of what has come so far."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        if not data.endswith(b"\n"):
            end = data.rfind(b"\n") + 1
            data, self._rest = data[:end], data[end:]
            if len(self._rest) > LONGEST_LINE:
                raise FaultError(self._engine, "cut", f"{self._engine.name} sent an event that is too long.")
        if data[-32:].rstrip().endswith(_DONE):
            self.done = True
        return data


async def first_event(events: Events) -> bytes:
    """The first lines of a stream, a whole event at least if it is an error.

    Raises:
        FaultError: As for `Events.read`.
    """
    lines = await events.read()
    while b"\n\n" not in lines and lines.startswith(b'data: {"error"') and (more := await events.read()):
        lines += more
    return lines


async def relay(
    answer: web.StreamResponse, client: web.BaseRequest, first: bytes, events: Events, silence: float
) -> FaultError | None:
    """Send a stream to the client, as it comes.

    An engine that breaks off has an error for the last event and no `[DONE]` after it; then the connection ends.

    Args:
        answer: What is sent, not yet prepared.
        client: Whose request it is.
        first: The stream's first lines.
        events: The rest.
        silence: Seconds that a client may read nothing.

    Returns:
        What the engine did wrong, if it did.

    Raises:
        ConnectionError: If the client is gone or reads nothing.
    """
    fault: FaultError | None = None
    lines = first
    try:
        async with asyncio.timeout(silence):
            await answer.prepare(client)
        while lines:
            async with asyncio.timeout(silence):
                await answer.write(lines)
            if fault:
                break
            try:
                lines = await events.read()
            except FaultError as error:
                fault, lines = error, error_event(error)
                answer.force_close()
        async with asyncio.timeout(silence):
            await answer.write_eof()
    except TimeoutError:
        if client.transport is not None:
            client.transport.abort()
        raise ConnectionResetError("The client reads nothing.") from None
    return fault
