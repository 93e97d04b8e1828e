"""Real processes: engines that behave, and engines, keepers and backends that don't."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from lmgame_common import EndpointError
from lmgame_serving.backend import process
from lmgame_serving.backend.plan import EngineSpec
from lmgame_serving.backend.process import EngineProcess, orphans, reap
from lmgame_serving.gateway.pool import Role

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the backend runs on Linux only")

# A server's main process, a child that left its session, and that one's child.
FAMILY = """
    import subprocess, sys, time
    child = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    child += "print('family', flush=True); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
    time.sleep(600)
"""
STUBBORN = """
    import signal, time
    signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True))
    print("stubborn", flush=True)
    while True: time.sleep(600)
"""

type Make = Callable[..., EngineProcess]


@pytest.fixture
def marker(tmp_path: Path) -> str:
    return f"test-{os.getpid()}-{tmp_path.name}"


@pytest.fixture
async def make(tmp_path: Path, marker: str) -> AsyncIterator[Make]:
    def engine(code: str = "", argv: tuple[str, ...] = ()) -> EngineProcess:
        argv = argv or (sys.executable, "-c", textwrap.dedent(code))
        return EngineProcess(spec(tmp_path, argv), marker=marker)

    async with asyncio.timeout(30):
        yield engine
    left = orphans(marker)
    await asyncio.to_thread(reap, marker, 0)
    assert not left


def spec(folder: Path, argv: tuple[str, ...]) -> EngineSpec:
    return EngineSpec(
        name="prefill-0",
        role=Role.PREFILL,
        argv=argv,
        env=dict(os.environ),
        port=1,
        gpus=(),
        log=folder / "logs/prefill-0.log",
        block_size=64,
    )


async def said(engine: EngineProcess, word: str) -> None:
    await asyncio.to_thread(_wait_for, lambda: word in engine.spec.log.read_text().split("\n"), word)


async def until(what: str, true: Callable[[], bool]) -> None:
    await asyncio.to_thread(_wait_for, true, what)


def _wait_for(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 15
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


async def test_an_engine_that_ends_by_itself_gives_its_exit_code(make: Make) -> None:
    engine = make("import sys; print('no luck', flush=True); sys.exit(3)")
    assert engine.pid is None
    await engine.start()
    assert await engine.wait() == 3
    assert engine.returncode == 3
    assert engine.root_cause() == ["no luck"]
    await engine.stop(1)


async def test_a_signal_that_ended_an_engine_is_told_as_a_negative_number(make: Make) -> None:
    engine = make("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    await engine.start()
    assert await engine.wait() == -signal.SIGSEGV


async def test_a_command_that_is_not_there_is_told_in_the_log(make: Make) -> None:
    engine = make(argv=("/nowhere/python", "serve"))
    await engine.start()
    assert await engine.wait() == 127
    assert engine.root_cause() == ["/nowhere/python can't be started: No such file or directory"]


async def test_stop_ends_processes_of_other_sessions_too(make: Make, marker: str) -> None:
    engine = make(FAMILY)
    await engine.start()
    await said(engine, "family")
    await until("all are up", lambda: len(orphans(marker)) == 4)
    assert engine.engine_pid in [each.pid for each in orphans(marker)]
    assert engine.returncode is None
    await engine.stop(10)
    assert engine.returncode == -signal.SIGTERM
    assert engine.engine_pid is None


async def test_an_engine_that_ignores_sigterm_is_killed_after_the_time_given(make: Make) -> None:
    engine = make(STUBBORN)
    await engine.start()
    await said(engine, "stubborn")
    await engine.stop(0.3)
    assert engine.returncode == -signal.SIGKILL
    assert "asked" in engine.spec.log.read_text()


async def test_what_an_engine_leaves_when_it_dies_is_ended(make: Make) -> None:
    engine = make(FAMILY)
    await engine.start()
    await said(engine, "family")
    assert engine.engine_pid
    os.kill(engine.engine_pid, signal.SIGKILL)
    assert await engine.wait() == -signal.SIGKILL


SHARED = """
    import multiprocessing, signal, time
    from multiprocessing.shared_memory import SharedMemory

    def stay():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("shared", flush=True)
        time.sleep(600)

    if __name__ == "__main__":
        memory = SharedMemory(create=True, size=4096)
        print("name=" + memory.name, flush=True)
        multiprocessing.get_context("fork").Process(target=stay).start()
        time.sleep(600)
"""


async def test_shared_memory_of_a_killed_engine_is_removed(make: Make) -> None:
    engine = make(SHARED)
    await engine.start()
    await said(engine, "shared")
    text = engine.spec.log.read_text()
    memory = Path("/dev/shm") / text.rpartition("name=")[2].partition("\n")[0]
    assert memory.exists() and engine.engine_pid
    os.kill(engine.engine_pid, signal.SIGKILL)
    await engine.wait()
    assert not memory.exists()


async def test_a_keeper_that_is_killed_takes_its_engine_along(make: Make) -> None:
    engine = make(FAMILY)
    await engine.start()
    await said(engine, "family")
    assert engine.pid
    os.kill(engine.pid, signal.SIGKILL)
    assert await engine.wait() == -signal.SIGKILL


BACKEND = """
    import asyncio, os, sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from test_process import spec
    from lmgame_serving.backend.process import EngineProcess

    async def main():
        await EngineProcess(spec(Path({folder!r}), (sys.executable, "-c", {code!r})), marker={marker!r}).start()
        await asyncio.sleep(600)

    asyncio.run(main())
"""


@pytest.mark.parametrize("code", [FAMILY, STUBBORN], ids=["family", "stubborn"])
async def test_nothing_is_left_when_the_backend_is_killed(
    code: str, make: Make, tmp_path: Path, marker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    word = "family" if code == FAMILY else "stubborn"
    source = textwrap.dedent(BACKEND).format(
        tests=str(Path(__file__).parent), folder=str(tmp_path), code=textwrap.dedent(code), marker=marker
    )
    source = source.replace(
        "asyncio.run", "from lmgame_serving.backend import process; process.ORPHANED_SECONDS = 1; asyncio.run"
    )
    backend = subprocess.Popen([sys.executable, "-c", source])
    log = tmp_path / "logs/prefill-0.log"
    try:
        await until(word, lambda: log.exists() and word in log.read_text().split("\n"))
    finally:
        backend.kill()
        backend.wait()
    await until("nothing is left", lambda: not orphans(marker))


async def test_reap_ends_what_killed_keepers_left(make: Make, marker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_kill", lambda find, seconds=0.0: None)
    engine = make(FAMILY)
    await engine.start()
    await said(engine, "family")
    await until("all are up", lambda: len(orphans(marker)) == 4)
    assert engine.pid
    os.kill(engine.pid, signal.SIGKILL)
    await engine.wait()
    await until("the engine died with its keeper", lambda: len(orphans(marker)) == 2)
    monkeypatch.undo()
    assert await asyncio.to_thread(reap, marker, 5) == 2
    assert not orphans(marker)
    assert await asyncio.to_thread(reap, marker, 5) == 0


async def test_processes_of_another_backend_are_left_alone(make: Make, marker: str) -> None:
    engine = make(STUBBORN)
    await engine.start()
    await said(engine, "stubborn")
    assert not orphans(marker + "-other")
    assert await asyncio.to_thread(reap, marker + "-other", 0) == 0
    assert engine.engine_pid and psutil.pid_exists(engine.engine_pid)
    await engine.stop(0)


async def test_an_engine_can_be_started_again_and_only_its_last_start_is_looked_at(make: Make) -> None:
    engine = make("import os; print('start', os.environ['LMGAME_ENGINE'], flush=True); raise ValueError('again')")
    await engine.start()
    await engine.wait()
    first = engine.spec.log.read_text()
    await engine.start()
    await engine.wait()
    text = engine.spec.log.read_text()
    assert text.startswith(first) and text.count("start prefill-0\n") == 2
    assert engine.root_cause() == ["ValueError: again"]
    assert engine.spec.log.stat().st_mode & 0o777 == 0o600
    assert engine.spec.log.parent.stat().st_mode & 0o777 == 0o700


async def test_a_running_engine_is_not_started_twice(make: Make) -> None:
    engine = make(STUBBORN)
    await engine.start()
    with pytest.raises(RuntimeError, match="is running"):
        await engine.start()
    await engine.stop(0)


async def test_a_long_log_is_put_aside_at_the_next_start(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LONGEST_LOG", 1000)
    engine = make("print('x' * 2000, flush=True)")
    await engine.start()
    await engine.wait()
    await engine.start()
    await engine.wait()
    assert "x" * 2000 in engine.spec.log.with_name("prefill-0.log.1").read_text()
    assert engine.spec.log.read_text().count("x" * 2000) == 1
    assert engine.root_cause() == ["x" * 400 + "…"]


async def test_a_log_that_cannot_be_written_is_an_error_in_words(make: Make) -> None:
    engine = make("pass")
    engine.spec.log.mkdir(parents=True)
    with pytest.raises(EndpointError, match="prefill-0 can't be started"):
        await engine.start()


async def test_the_command_of_an_engine_and_its_keeper_hold_no_marker_and_no_environment(
    make: Make, marker: str
) -> None:
    engine = make(STUBBORN)
    engine.spec.env["VLLM_API_KEY"] = "secret-key"
    await engine.start()
    await said(engine, "stubborn")
    for each in orphans(marker):
        assert "secret-key" not in " ".join(each.cmdline())
    assert "secret-key" not in repr(engine.spec) + engine.spec.log.read_text()
    await engine.stop(0)
