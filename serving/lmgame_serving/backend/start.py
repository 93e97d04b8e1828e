"""The backend as a process of its own: started with an order, waited for, and stopped again."""

import asyncio
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from lmgame_common import EndpointError, UsageError, printable, quoted
from lmgame_serving.backend import state
from lmgame_serving.backend.profile import Profile
from lmgame_serving.endpoint import Endpoint
from lmgame_serving.names import BackendModel

MODULE = "lmgame_serving.backend"
"""What is run: `python -m` this."""
KILL_AFTER = 30.0
"""Seconds beyond those of the profile that a backend has to end, before it is killed."""
_LONGEST_LINE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a backend is to serve. It goes to the process as JSON on its standard input, for it holds a key."""

    model: str
    """A folder's path, or a name on the Hugging Face hub."""
    served_name: str
    """What clients call the model."""
    profile: Profile
    python: str | None = None
    """The interpreter that has vLLM; None: this one."""
    name: str
    """The backend's own, among those of this machine's user."""
    api_key: str = field(repr=False)
    """What clients must send."""
    with_parent: bool = True
    """Whether the backend stops when the process that started it ends, however that happens."""

    def document(self) -> str:
        """The order as JSON."""
        return json.dumps(
            {
                "model": self.model,
                "served_name": self.served_name,
                "profile": self.profile.model_dump(mode="json"),
                "python": self.python or sys.executable,
                "name": self.name,
                "api_key": self.api_key,
                "with_parent": self.with_parent,
            }
        )


def new_key() -> str:
    """A key that nobody can guess."""
    return secrets.token_urlsafe(32)


class BackendProcess:
    """A backend that runs as a child of this process, in a session of its own: Ctrl-C reaches it through here alone."""

    def __init__(self, order: Order, tell: Callable[[str], None] | None = None) -> None:
        """Args:
        order: What it is to serve.
        tell: Told in words how it is getting on, line by line, as long as it runs.
        """
        self.order = order
        self.url = ""
        """Where it answers, without a path; known once it has started."""
        self.about: Mapping[str, Any] = {}
        """What records say of it: vLLM's version, the shape, the GPUs."""
        self._tell = tell or (lambda text: None)
        self._process: subprocess.Popen[bytes] | None = None
        """Not asyncio's kind, which kills its process when it is forgotten: a backend may be left running."""
        self._pipes: list[asyncio.ReadTransport] = []
        self._listening: list[asyncio.Task[None]] = []
        self._ready, self._ended = asyncio.Event(), asyncio.Event()
        self._failed: str | None = None
        self._said = b""
        """The end of its standard error, for when it ends without a word."""

    async def start(self) -> None:
        """Start it, and wait until it can serve.

        Raises:
            UsageError: If the order can't be carried out as it is.
            EndpointError: If it fails; nothing of it is left running.
        """
        if sys.platform != "linux":
            raise UsageError(
                "lmgame serves with vLLM on Linux alone. On this machine --model pico, smollm2 and llamacpp/FILE.gguf "
                "run on the CPU, and http://HOST:PORT/v1#MODEL is a server elsewhere."
            )
        # Without -P, modules that lie in the folder where the user happens to be would go before Python's own.
        self._process = process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._notice_end(process)
        assert process.stdin
        with suppress(BrokenPipeError), process.stdin as order:  # if it died at once, that is found out below
            order.write(self.order.document().encode())
        for pipe, listen in ((process.stdout, self._listen), (process.stderr, self._overhear)):
            assert pipe
            stream = asyncio.StreamReader(limit=_LONGEST_LINE)
            protocol = asyncio.StreamReaderProtocol(stream)
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda made=protocol: made, pipe)
            self._pipes.append(transport)
            self._listening.append(asyncio.create_task(listen(stream)))
        ready, ended = asyncio.create_task(self._ready.wait()), asyncio.create_task(self.wait())
        try:
            await asyncio.wait((ready, ended), return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                await ended  # raises what went wrong
                raise EndpointError("The backend was stopped before it was ready.")
        finally:
            ready.cancel()
            ended.cancel()

    async def wait(self) -> None:
        """Wait until it ends.

        Raises:
            UsageError, EndpointError: If it failed; the message is its own.
        """
        assert self._process
        await self._ended.wait()
        code = self._process.returncode
        if self._listening:
            await asyncio.wait(self._listening, timeout=5)  # what outlives it might hold its pipes open
        if self._failed is not None:
            raise (UsageError if code == UsageError.exit_code else EndpointError)(self._failed)
        if code and -code not in (signal.SIGTERM, signal.SIGINT):
            said = quoted(self._said.decode(errors="replace"), 2_000) or "none"
            how = f"exit status {code}" if code > 0 else f"killed by {signal.Signals(-code).name}"
            raise EndpointError(f"The backend ended unexpectedly ({how}). Its last words: {said}")

    async def check(self) -> None:
        """Do nothing if it runs. Raises as `wait` does if it failed."""
        if self._ended.is_set():
            await self.wait()

    def ask_to_stop(self) -> None:
        """Ask it to finish what it has and to end; asked a second time, it ends at once."""
        if self._process:
            self._process.terminate()

    async def stop(self) -> None:
        """Ask it to end, and wait until it has; kill it if it takes far too long. Its engines end with it."""
        if self._process is None:
            return
        self.ask_to_stop()
        supervision = self.order.profile.supervision
        patience = supervision.drain_seconds + 2 * supervision.stop_seconds + KILL_AFTER
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), patience)
        finally:
            self._process.kill()  # nothing happens if it has ended; else its engines' keepers notice, and end them
            self.leave()

    def leave(self) -> None:
        """Hear no more of it. One that wasn't told to stop with its parent goes on."""
        for task in self._listening:
            task.cancel()
        for pipe in self._pipes:
            pipe.close()

    def _notice_end(self, process: "subprocess.Popen[bytes]") -> None:
        loop, handle = asyncio.get_running_loop(), os.pidfd_open(process.pid)

        def over() -> None:
            loop.remove_reader(handle)
            os.close(handle)
            process.wait()
            self._ended.set()

        loop.add_reader(handle, over)

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            try:
                event = json.loads(line)
                kind = event["event"]
            except (ValueError, TypeError, KeyError):
                continue  # not the backend's own words, but something that a library printed
            if kind == "progress":
                self._tell(printable(str(event.get("text", ""))))
            elif kind == "ready":
                self.url, self.about = str(event["url"]), event.get("about") or {}
                self._ready.set()
            elif kind == "failed":
                self._failed = str(event.get("message", "The backend failed and didn't say why."))

    async def _overhear(self, stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(1 << 16):
            self._said = (self._said + chunk)[-2_000:]


@asynccontextmanager
async def open_backend(model: BackendModel, note: Callable[[str], None] | None = None) -> AsyncIterator[Endpoint]:
    """Serve a model while the context lasts, to this machine alone, on a port that is free.

    Args:
        model: What is to be served, and how.
        note: Told in words how the engines are getting on.

    Raises:
        UsageError: If the model can't be served so.
        EndpointError: If the backend can't be started; at the end of the context, if it had failed by then.
    """
    gateway = model.profile.gateway.model_copy(update={"host": "127.0.0.1", "port": 0})
    order = Order(
        model=model.source,
        served_name=model.model,
        profile=model.profile.model_copy(update={"gateway": gateway}),
        python=model.python,
        name=f"play-{os.getpid()}-{secrets.token_hex(2)}",
        api_key=new_key(),
    )
    stages, ready, forget = _Stages(), False, False

    def tell(text: str) -> None:
        if note and (line := text if ready else stages.line(text)):
            note(line)

    backend = BackendProcess(order, tell)
    try:
        tell("looking at this machine's GPUs and vLLM")
        try:
            await backend.start()
        except (UsageError, EndpointError) as error:
            error.args = (_as_play_has_it(str(error)),)
            raise
        ready = True
        yield Endpoint(
            name=model.name,
            base_url=f"{backend.url}/v1",
            model=model.model,
            provider=model.provider,
            api_key=order.api_key,
            structured_outputs=model.structured_outputs,
            vision=model.vision,
            reads_text=model.reads_text,
            trained_on=model.trained_on,
            backend=backend.about,
        )
        await backend.check()
        forget = True
    finally:
        await backend.stop()
        await asyncio.to_thread(_forget, order.name, logs=forget)


def _forget(name: str, *, logs: bool) -> None:
    """Remove a backend that has ended from those that are listed, and end what it should have ended itself.

    Its logs are kept where they may tell of trouble.
    """
    with suppress(UsageError):  # it has forgotten itself, as it should
        state.stop(state.find(name), 0)
    if logs:
        shutil.rmtree(state.folder_of(name), ignore_errors=True)


def _as_play_has_it(advice: str) -> str:
    """A backend's advice, which names the options of `lmgame serve`, with those that `lmgame play` has for the same."""
    for pattern, replacement in (
        (r"--set\b", "--serve-set"),
        (r"--profile\b", "--serve-profile"),
        (r"--(?:replicas|prefill|decode|tensor-parallel-size)\b(?: (?=\d))?", lambda found: _setting(found[0])),
        (r"--gpus\b", "--serve-set gpus=[0]"),
    ):
        advice = re.sub(pattern, replacement, advice)
    return advice


def _setting(option: str) -> str:
    name = option.strip().removeprefix("--").replace("-", "_")
    return f"--serve-set {name}{'=' if option.endswith(' ') else '=N'}"


class _Stages:
    """Turns lines about one engine each, such as `decode-0: loading weights (34 s)`, into lines about all of them."""

    def __init__(self) -> None:
        self._latest: dict[str, str] = {}

    def line(self, text: str) -> str | None:
        """What all engines are doing, without the seconds; None if that hasn't changed.

        A line about no engine, or of several lines, is given back as it is.
        """
        if not (told := re.fullmatch(r"([a-z]+-\d+): (.+?)(?: \(\d+ s\))?", text)):
            return text
        if self._latest.get(told[1]) == told[2]:
            return None
        self._latest[told[1]] = told[2]
        return " · ".join(f"{engine}: {stage}" for engine, stage in sorted(self._latest.items()))
