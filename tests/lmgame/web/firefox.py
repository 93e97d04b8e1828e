"""Just enough of a real Firefox: opens addresses and evaluates scripts, over WebDriver BiDi, which it speaks itself."""

import asyncio
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp

FIREFOX = os.environ.get("LMGAME_TEST_FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")


class Firefox:
    """One page of a running browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._last = socket, 0
        self._page = ""

    @classmethod
    @asynccontextmanager
    async def running(cls, profile: Path) -> AsyncIterator[Self]:
        """A browser without a window, with a profile of its own."""
        assert FIREFOX is not None
        process = await asyncio.create_subprocess_exec(
            *(FIREFOX, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"),
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        assert process.stderr is not None
        try:
            async with asyncio.timeout(90):
                while not (found := re.search(rb"BiDi listening on (ws://\S+)", await process.stderr.readline())):
                    assert process.returncode is None, "Firefox has ended"
            async with aiohttp.ClientSession() as session:
                address = f"{found[1].decode()}/session"
                async with session.ws_connect(address, max_msg_size=0) as socket:
                    browser = cls(socket)
                    await browser.call("session.new", capabilities={})
                    tree = await browser.call("browsingContext.getTree")
                    browser._page = tree["contexts"][0]["context"]
                    yield browser
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command; AssertionError if it failed."""
        self._last += 1
        await self._socket.send_str(json.dumps({"id": self._last, "method": method, "params": params}))
        while True:
            told = json.loads(await self._socket.receive_str())
            if told.get("id") == self._last:
                assert told["type"] == "success", told
                return told["result"]

    async def open(self, address: str) -> None:
        """Open a page, and wait until it is loaded."""
        await self.call("browsingContext.navigate", context=self._page, url=address, wait="complete")

    async def value(self, expression: str) -> Any:
        """What an expression in the page comes to: a text, a number or a boolean."""
        result = await self.call(
            "script.evaluate", expression=expression, target={"context": self._page}, awaitPromise=True
        )
        assert result["type"] == "success", result
        return result["result"].get("value")

    async def until(self, expression: str, patience: float = 30.0) -> None:
        """Wait until an expression is true."""
        async with asyncio.timeout(patience):
            while not await self.value(f"Boolean({expression})"):
                await asyncio.sleep(0.05)
