"""An engine's answer on its way to the client: whole lines of server-sent events, watched for silence and for cuts."""

import asyncio
import re
from typing import Self

from aiohttp import ClientError, ClientResponse, web

from lmgame_serving.gateway.errors import FaultError, error_event
from lmgame_serving.gateway.pool import Engine

LONGEST_LINE = 4 * 1024 * 1024
"""Bytes of one event, far above a token with its most likely alternatives."""
_DONE = b"data: [DONE]"
_ERROR = re.compile(rb'^data: (\{"error".*)', re.MULTILINE)
_REASON = re.compile(rb'"finish_reason":\s*"(\w+)"')
"""Within a text, its quotes would be escaped."""
BROKEN_OFF = (b"abort", b"error")
"""vLLM's finish reasons of answers that it didn't finish, as when it is stopped."""


class Watch:
    """Ends what a context does with TimeoutError when nothing has happened for too long.

    It has one timer, which looks whenever the time could be over: a timeout around each wait for an event costs a
    tenth of the CPU that a request does.

    Args:
        seconds: How long that is.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self.beat()
        self._look()
        return self

    async def __aexit__(self, *exc: object) -> bool | None:
        self._timer.cancel()
        return await self._timeout.__aexit__(*exc)  # type: ignore[arg-type]

    def beat(self) -> None:
        """Something has happened."""
        self._last = self._loop.time()

    def _look(self) -> None:
        over = self._last + self._seconds
        if over <= self._loop.time():
            self._timeout.reschedule(over)
        else:
            self._timer = self._loop.call_at(over, self._look)


class Events:
    """The stream of an engine's answer.

    An answer that has come to its end says why it ends, by a finish reason. vLLM 0.26 ends the stream of a request
    whose KV cache didn't arrive with `[DONE]` and without one, after an empty answer: that is no model's doing.

    Args:
        response: What the engine answers.
        engine: Who it is, to name it.
    """

    def __init__(self, response: ClientResponse, engine: Engine) -> None:
        self.engine = engine
        self._content = response.content
        self._rest = b""
        self._done = False
        self._ended = False

    async def first(self, silence: float) -> bytes:
        """The first two events, or all where there are fewer: vLLM's first one comes with any answer, good or bad.

        Raises FaultError as `read`, and for silence.
        """
        lines = b""
        try:
            async with asyncio.timeout(silence):
                while lines.count(b"\n\n") < 2 and not self._ended and (more := await self.read()):
                    lines += more
        except TimeoutError:
            raise self.silent(silence) from None
        return lines

    async def read(self) -> bytes:
        """The next lines, whole ones, as many as are there; nothing at the end of an answer.

        Half a line never reaches the client, so that what is said in its place can be read.

        Raises:
            FaultError: If the engine breaks off, or ends the stream without `[DONE]` or a finish reason.
        """
        while True:
            try:
                data = await self._content.readany()
            except (ClientError, OSError):
                data, words = b"", "broke off in an answer"
            else:
                words = "ended an answer in its middle"
            if not data:
                end = self.end()
                if end is None:
                    raise FaultError(self.engine, "cut", f"{self.engine.name} {words}.")
                return end
            if lines := self._lines(data):
                return lines

    @staticmethod
    def error_in(lines: bytes) -> bytes | None:
        """The error that an engine sent for an event, as JSON."""
        found = _ERROR.search(lines)
        return found[1] if found else None

    def end(self) -> bytes | None:
        """What is left to send of an answer that has come to its end; None if it has not."""
        if not self._done and self._rest.rstrip() == _DONE and self._ended:
            self._done = True
            return _DONE + b"\n\n"
        return b"" if self._done else None

    def silent(self, seconds: float) -> FaultError:
        """The fault that it is to say nothing for so long."""
        return FaultError(self.engine, "silent", f"{self.engine.name} said nothing for {seconds:g} s.")

    def _lines(self, data: bytes) -> bytes:
        """Whole lines out of what has come so far."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        if not data.endswith(b"\n"):
            end = data.rfind(b"\n") + 1
            data, self._rest = data[:end], data[end:]
            if len(self._rest) > LONGEST_LINE:
                raise FaultError(self.engine, "cut", f"{self.engine.name} sent an event that is too long.")
        if (reasons := _REASON.findall(data)) or _ERROR.search(data):
            if any(reason in BROKEN_OFF for reason in reasons):
                raise FaultError(self.engine, "cut", f"{self.engine.name} gave up an answer in its middle.")
            self._ended = True
        if data[-32:].rstrip().endswith(_DONE):
            if not self._ended:
                raise FaultError(self.engine, "unfinished", f"{self.engine.name} ended an answer without finishing it.")
            self._done = True
        return data


def check_finished(content: bytes, engine: Engine) -> None:
    """Raise FaultError for an answer, sent in one piece, that its engine gave up."""
    if any(reason in BROKEN_OFF for reason in _REASON.findall(content)):
        raise FaultError(engine, "cut", f"{engine.name} gave up an answer in its middle.")


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
        silence: Seconds that the engine may say nothing, or the client read nothing.

    Returns:
        What the engine did wrong, if it did.

    Raises:
        ConnectionError: If the client is gone or reads nothing.
    """
    fault: FaultError | None = None
    lines, last, reading = first, b"", False
    try:
        try:
            async with Watch(silence) as watch:
                await answer.prepare(client)
                while lines:
                    await answer.write(lines)
                    watch.beat()
                    reading = True
                    lines = await events.read()
                    watch.beat()
                    reading = False
        except FaultError as error:
            fault = error
        except TimeoutError:
            if not reading:
                raise
            if (end := events.end()) is None:
                fault = events.silent(silence)
            else:
                last = end
        if fault:
            answer.force_close()
            last = error_event(fault)
        async with asyncio.timeout(silence):
            if last:
                await answer.write(last)
            await answer.write_eof()
    except TimeoutError:
        if client.transport is not None:
            client.transport.abort()
        raise ConnectionResetError("The client reads nothing.") from None
    return fault
