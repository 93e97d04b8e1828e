"""`python -m lmgame_serving.backend`: a backend as a process of its own.

Its order comes as JSON on standard input, for it holds a key: `model`, `profile`, `served_name`, `python`, `name`,
`api_key` and `with_parent`, which mean what they mean in `run_backend`; with `with_parent` it stops when its parent
ends, however that happens. How it gets on goes to standard output, an object a line:

- `{"event": "progress", "text": …}`
- `{"event": "ready", "url": …, "about": {…}}`
- `{"event": "failed", "message": …}`: the last one; the exit status is the error's.

SIGTERM, SIGINT and SIGHUP have it finish what is in flight and stop; a second one stops it at once.
"""

import asyncio
import ctypes
import json
import os
import resource
import select
import signal
import sys
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lmgame_common import LmgameError, UsageError
from lmgame_serving.backend.profile import Profile

_PR_SET_PDEATHSIG = 1
_FILES = 65_536
"""Open files that suffice: a request has two connections, and the usual 1024 are fewer than requests let in."""


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: str
    profile: Profile
    served_name: str
    python: str = sys.executable
    name: str
    api_key: str | None = Field(default=None, repr=False)
    with_parent: bool = False


def main() -> int:
    """Carry out the order on standard input. Returns the exit status."""
    try:
        order = _Order.model_validate_json(sys.stdin.read())
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, issue["loc"])) or "all of it" for issue in error.errors())
        _emit("failed", message=f"The order for a backend can't be read: wrong is {fields}.")
        return UsageError.exit_code
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    many = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < many:
        resource.setrlimit(resource.RLIMIT_NOFILE, (many, hard))
    try:
        asyncio.run(_run(order))
    except LmgameError as error:
        _emit("failed", message=str(error))
        return error.exit_code
    return 0


async def _run(order: _Order) -> None:
    from lmgame_serving.backend.run import run_backend  # slow to load, and an order may be wrong

    stop, stop_now = asyncio.Event(), asyncio.Event()

    def asked() -> None:
        (stop_now if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, asked)
    if order.with_parent and not _stops_with_parent():
        return
    await run_backend(
        model=order.model,
        profile=order.profile,
        served_name=order.served_name,
        python=order.python,
        name=order.name,
        api_key=order.api_key,
        tell=lambda text: _emit("progress", text=text),
        stop=stop,
        stop_now=stop_now,
        on_ready=lambda url, about: _emit("ready", url=url, about=about),
    )


def _stops_with_parent() -> bool:
    """Have SIGTERM sent when the parent ends; False if it has ended already, so that nobody reads what is written."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    return not any(what & select.POLLERR for _, what in output.poll(0))


def _emit(event: str, **more: Any) -> None:
    line = json.dumps({"event": event, **more}) + "\n"
    with suppress(OSError):  # whoever started it has gone, and it may have been told to go on
        os.write(sys.stdout.fileno(), line.encode())


if __name__ == "__main__":
    sys.exit(main())
