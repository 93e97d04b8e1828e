"""A backend as a process of its own: its order, its words, its signals, and what is left when it is killed."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import psutil
import pytest

from lmgame_serving.backend import state
from lmgame_serving.backend.process import orphans
from lmgame_serving.backend.state import find
from lmgame_serving.testing.machine import Machine

from .conftest import KEY, MODEL, quick

PARENT = """
import sys
from subprocess import PIPE, Popen
child = Popen([sys.executable, "-m", "lmgame_serving.backend"], stdin=PIPE, stdout=PIPE)
child.stdin.write(sys.stdin.buffer.read())
child.stdin.close()
for line in child.stdout:
    sys.stdout.buffer.write(line)
    sys.stdout.flush()
"""


class Child:
    """The process, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []

    async def until(self, kind: str) -> dict[str, Any]:
        """The next event of a kind."""
        assert self.process.stdout
        while line := await self.process.stdout.readline():
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == kind:
                return self.events[-1]
        raise AssertionError(f"no {kind}: {self.events}")


@asynccontextmanager
async def started(machine: Machine, *command: str, **order: Any) -> AsyncIterator[Child]:
    whole = {
        "model": MODEL,
        "profile": quick("colocated").model_dump(mode="json"),
        "served_name": "stub",
        "python": str(machine.python),
        "name": "child",
        "api_key": KEY,
    }
    process = await asyncio.create_subprocess_exec(
        *(command or (sys.executable, "-m", "lmgame_serving.backend")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    process.stdin.write(json.dumps(whole | order).encode())
    process.stdin.close()
    try:
        async with asyncio.timeout(60):
            yield Child(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def gone(marker: str) -> None:
    """Wait until no process of a backend runs."""
    async with asyncio.timeout(15):
        while orphans(marker):
            await asyncio.sleep(0.05)


async def test_it_tells_how_it_gets_on_and_finishes_what_it_has_when_asked_to_stop(machine: Machine):
    (machine.stub / "colocated.json").write_text(json.dumps({"gap": 0.1}))
    few_files = ("sh", "-c", 'ulimit -S -n 100 && exec "$0" -m lmgame_serving.backend', sys.executable)
    async with started(machine, *few_files) as child, aiohttp.ClientSession() as session:
        ready = await child.until("ready")
        assert ready["about"]["shape"] == "colocated"
        assert ready["about"]["gpus"] == ["Stub GPU"]
        assert ready["about"]["versions"]["vllm"] == "0.26.0"
        marker = find("child").marker
        assert KEY not in " ".join(psutil.Process(child.process.pid).cmdline())
        assert psutil.Process(child.process.pid).rlimit(psutil.RLIMIT_NOFILE)[0] > 100
        headers, body = {"Authorization": f"Bearer {KEY}"}, {"model": "stub", "stream": True, "messages": []}
        body["messages"] = [{"role": "user", "content": "Where to?"}]
        async with session.post(f"{ready['url']}/v1/chat/completions", json=body, headers=headers) as response:
            await response.content.readany()
            child.process.terminate()
            assert (await response.content.read()).endswith(b"data: [DONE]\n\n")
        assert await child.process.wait() == 0
    assert orphans(marker) == []
    assert state.backends() == []


async def test_asked_twice_it_stops_at_once(machine: Machine):
    (machine.stub / "colocated.json").write_text(json.dumps({"gap": 600, "ignore_sigterm": True}))
    slow = quick("colocated", supervision__drain_seconds=600, supervision__stop_seconds=600).model_dump(mode="json")
    async with started(machine, profile=slow) as child, aiohttp.ClientSession() as session:
        ready = await child.until("ready")
        marker = find("child").marker
        headers, body = {"Authorization": f"Bearer {KEY}"}, {"model": "stub", "stream": True, "messages": []}
        body["messages"] = [{"role": "user", "content": "Where to?"}]
        async with session.post(f"{ready['url']}/v1/chat/completions", json=body, headers=headers) as response:
            await response.content.readany()
            child.process.terminate()
            while find("child").status != "draining":
                await asyncio.sleep(0.02)
            child.process.terminate()
            async with asyncio.timeout(15):
                assert await child.process.wait() == 0
    assert orphans(marker) == []


@pytest.mark.parametrize("shape", ["colocated", "pd"])
async def test_killed_it_leaves_nothing_running(machine: Machine, shape: str):
    async with started(machine, profile=quick(shape).model_dump(mode="json")) as child:
        await child.until("ready")
        known = find("child")
        assert len(orphans(known.marker)) >= 3 * len(known.engines)  # each with its keeper and a process of its own
        child.process.kill()
        await gone(known.marker)
    assert not find("child").alive
    async with started(machine) as child:  # its name is free again
        await child.until("ready")
        child.process.send_signal(signal.SIGINT)
        assert await child.process.wait() == 0


async def test_it_ends_with_its_parent_however_that_ends(machine: Machine):
    async with started(machine, sys.executable, "-c", PARENT, with_parent=True) as parent:
        await parent.until("ready")
        known = find("child")
        backend = psutil.Process(known.pid)
        assert backend.ppid() == parent.process.pid
        parent.process.kill()
        await asyncio.to_thread(backend.wait, 20)
        assert orphans(known.marker) == []
        assert state.backends() == []


async def test_it_goes_on_without_its_parent_unless_told_otherwise(machine: Machine):
    async with started(machine, sys.executable, "-c", PARENT) as parent:
        url = (await parent.until("ready"))["url"]
        parent.process.kill()
        await parent.process.wait()
        known = find("child")
        try:
            psutil.Process(known.pid).children()[0].kill()  # it has something to tell, and nobody to tell it to
            async with aiohttp.ClientSession() as session:
                body = {"model": "stub", "messages": [{"role": "user", "content": "Where to?"}]}
                headers = {"Authorization": f"Bearer {KEY}"}
                async with session.post(f"{url}/v1/chat/completions", json=body, headers=headers) as response:
                    assert response.status == 200
        finally:
            assert await asyncio.to_thread(state.stop, known, 20)
        assert orphans(known.marker) == []


async def test_failures_are_told_and_have_the_exit_status_of_their_kind(machine: Machine):
    (machine.stub / "colocated.json").write_text(json.dumps({"start_fault": "no kernel image is available"}))
    async with started(machine) as child:
        failed = await child.until("failed")
        assert "RuntimeError: no kernel image is available" in failed["message"]
        assert await child.process.wait() == 3
    kept = find("child")
    assert kept.status == "failed"
    assert "no kernel image" in kept.why
    assert kept.api_key is None
    assert "no kernel image" in (kept.folder / "backend.log").read_text()


@pytest.mark.parametrize("order", [{"profile": {"shape": "round"}}, {"colour": "blue"}, {"name": 5}])
async def test_an_order_that_makes_no_sense_is_refused(machine: Machine, order: dict[str, Any]):
    async with started(machine, **order) as child:
        failed = await child.until("failed")
        assert next(iter(order)) in failed["message"]
        assert KEY not in failed["message"]
        assert await child.process.wait() == 2


async def test_a_name_that_is_in_use_is_refused(machine: Machine):
    with state.claim("child", print):
        async with started(machine) as child:
            assert "A backend named child runs already" in (await child.until("failed"))["message"]
            assert await child.process.wait() == 2
