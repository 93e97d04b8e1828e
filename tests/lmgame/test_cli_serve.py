"""`lmgame serve` and `--model vllm/…`, with stand-ins for the GPUs and for vLLM.

All engines are processes, and after each test none of them runs.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import CompletedProcess

import aiohttp
import psutil
import pytest
from typer.testing import CliRunner

import lmgame as package
from lmgame.cli import app
from lmgame_common import EndpointError, LmgameError, UsageError
from lmgame_serving.backend.state import backends, key_for
from lmgame_serving.testing.machine import Machine, make_machine

from .conftest import Command

Run = Callable[..., "CompletedProcess[str]"]

QUICK = ("supervision.check_interval=0.2", "supervision.stop_seconds=5", "supervision.drain_seconds=5")
SETTINGS = [word for setting in QUICK for word in ("--set", setting)]


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
def machine(tmp_path: Path, bytecode: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine with two GPUs and vLLM, for commands and for this process; nothing of it may be left running."""
    folder = tmp_path / "machine"
    folder.mkdir()
    made = make_machine(folder, bytecode=bytecode)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LMGAME_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("LMGAME_VLLM_PYTHON", str(made.python))
    for name in ("LMGAME_SERVE_KEY", "LMGAME_API_KEY", "OPENAI_API_KEY", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    yield made
    left = running(made)
    for process in left:
        with suppress(psutil.Error):
            process.kill()
    assert not left


def running(machine: Machine) -> list[psutil.Process]:
    """All processes that know the machine, but for this one."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            alive = process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE
            if alive and process.environ().get("LMGAME_STUB") == str(machine.stub):
                found.append(process)
    return found


def behave(machine: Machine, role: str, **behaviour: object) -> None:
    """Have engines of a role do something from their start on."""
    (machine.stub / f"{role}.json").write_text(json.dumps(behaviour))


def typed(*arguments: str) -> str:
    """What a command says that is run in this process."""
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def until(done: Callable[[], object], seconds: float = 60) -> None:
    """Wait for other processes."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def test_it_is_served_used_looked_after_and_stopped(machine: Machine, lmgame: Run, tmp_path: Path):
    up = lmgame("serve", "-m", "pico", "--profile", "pd", "--port", "0", "--detach", *SETTINGS)
    assert up.returncode == 0 and "Traceback" not in up.stderr, up.stderr
    (state,) = backends()
    assert state.alive and f"pico is served at {state.url}/v1" in up.stderr
    assert f"lmgame play --model '{state.url}/v1#pico' --game tetris" in up.stderr

    played = lmgame("play", "-m", f"{state.url}/v1#pico", "--max-decisions", "3", "--out", "here")
    assert played.returncode == 0, played.stderr
    assert "(reference)" in played.stdout

    shown = typed("serve", "status", "--json")
    (document,) = json.loads(shown)
    assert [(e["name"], e["state"], e["gpus"]) for e in document["engines"]] == [
        ("prefill-0", "ready", [0]),
        ("decode-0", "ready", [1]),
    ]
    logged = typed("serve", "logs", "decode-0", "-n", "100")
    assert "kv_consumer" in logged
    assert "decode-0: ready" in typed("serve", "logs")
    assert state.api_key and state.api_key in typed("serve", "status", "--show-key")

    stopped = typed("serve", "stop")
    assert "default is stopped" in stopped
    assert not running(machine)
    assert "No backend runs" in typed("serve", "status")

    # The key reached whoever needed it without being said, shown or written where others can read it.
    texts = [up.stdout, up.stderr, played.stdout, played.stderr, shown, logged, stopped]
    texts += [path.read_text() for path in [*tmp_path.glob("here/**/*.json*"), *state.folder.glob("*.log")]]
    assert not [text for text in texts if state.api_key in text]


def test_ctrl_c_stops_what_runs_in_the_foreground(machine: Machine, command: Command):
    process = command("serve", "-m", "pico", "--port", "0", *SETTINGS)
    try:
        until(lambda: [state for state in backends() if state.status == "ready"])
        (state,) = backends()
        assert key_for(f"{state.url}/v1") == state.api_key
        commands = [" ".join(process.cmdline()) for process in running(machine)]
        assert len(commands) >= 4 and not [line for line in commands if state.api_key and state.api_key in line]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert "is served at" in err and "nothing of it is left running" in err
    assert not backends() and not running(machine)


def test_ctrl_c_before_it_is_ready(machine: Machine, command: Command):
    behave(machine, "colocated", start_delay=60)
    process = command("serve", "-m", "pico", "--port", "0", *SETTINGS)
    try:
        until(lambda: list(machine.stub.glob("*.starts")))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and "Stopped before it was ready" in err, err
    assert not running(machine)


def test_the_last_words_of_an_engine_that_does_not_start(machine: Machine, lmgame: Run):
    behave(machine, "decode", start_fault="torch.OutOfMemoryError: CUDA out of memory.")
    failed = lmgame("serve", "-m", "pico", "--profile", "pd", "--port", "0", *SETTINGS)
    assert failed.returncode == 3
    assert "The engine decode-0" in failed.stderr and "torch.OutOfMemoryError: CUDA out of memory." in failed.stderr
    shown = typed("serve", "status")
    assert "pico, failed" in shown and "CUDA out of memory" in shown
    assert "OutOfMemoryError" in typed("serve", "logs", "decode-0")


def test_a_name_and_a_port_are_one_backend_s(machine: Machine, lmgame: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LMGAME_SERVE_KEY", "sk-of-mine")
    assert lmgame("serve", "-m", "pico", "--port", "0", "--detach", *SETTINGS).returncode == 0
    (state,) = backends()
    assert state.api_key == "sk-of-mine"
    again = CliRunner().invoke(app, ["serve", "-m", "pico", "--port", "0", *SETTINGS])
    assert isinstance(again.exception, UsageError) and "another --name" in str(again.exception)
    port = state.url.rpartition(":")[2]
    taken = CliRunner().invoke(app, ["serve", "-m", "pico", "--name", "other", "--port", port, *SETTINGS])
    assert isinstance(taken.exception, EndpointError) and "--port 0" in str(taken.exception)
    assert "is stopped" in typed("serve", "stop", "--all", "--now")


@pytest.mark.parametrize("profile", ["colocated", "pd"])
async def test_a_run_brings_its_own_backend(machine: Machine, tmp_path: Path, profile: str):
    result = await package.play_async(
        "vllm/pico", max_decisions=4, serve_profile=profile, serve_set=QUICK, vllm_python=str(machine.python),
        out=tmp_path / "here",
    )  # fmt: skip
    assert result.complete and result.run.reference
    assert result.run.request.base_url is None and result.run.versions.weights
    header = json.loads(result.episode_path(result.episodes[0].id).read_text().splitlines()[0])
    engines = {"colocated-0": [0]} if profile == "colocated" else {"prefill-0": [0], "decode-0": [1]}
    assert header["endpoint"] == {
        "model": "pico",
        "provider": "vllm",
        "structured": False,
        "reference": True,
        "backend": header["endpoint"]["backend"],
    }
    about = header["endpoint"]["backend"]
    assert (about["versions"]["vllm"], about["shape"], about["engines"]) == ("0.26.0", profile, engines)
    assert about["gpus"] == ["Stub GPU"] * len(engines)
    assert not backends() and not running(machine)
    assert not [path for path in (tmp_path / "state").rglob("*") if path.suffix == ".log"]


async def test_the_shape_of_the_backend_makes_no_other_run(machine: Machine, tmp_path: Path):
    request = {"max_decisions": 2, "serve_set": QUICK, "vllm_python": str(machine.python), "out": tmp_path / "here"}
    first = await package.play_async("vllm/pico", serve_profile="colocated", **request)
    behave(machine, "prefill", start_fault="RuntimeError: nobody needs this engine")
    again = await package.play_async("vllm/pico", serve_profile="pd", **request)
    assert again.run.id == first.run.id and again.complete


async def test_a_run_that_is_called_off_stops_its_backend(machine: Machine, tmp_path: Path):
    behave(machine, "colocated", gap=0.2)

    async def play() -> None:
        await package.play_async(
            "vllm/pico", serve_set=QUICK, vllm_python=str(machine.python), out=tmp_path / "here"
        )  # fmt: skip

    task = asyncio.create_task(play())
    record = tmp_path / "here" / "episodes" / "tetris-standard-0.jsonl"
    await asyncio.to_thread(until, lambda: record.exists() and '"decision"' in record.read_text())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not running(machine) and not backends()


@pytest.mark.parametrize("started", [False, True])
def test_a_run_that_is_killed_leaves_nothing_running(machine: Machine, command: Command, tmp_path: Path, started: bool):
    behave(machine, "colocated", **({"gap": 0.2} if started else {"start_delay": 60}))
    settings = [word for setting in QUICK for word in ("--serve-set", setting)]
    process = command("play", "-m", "vllm/pico", "--out", "here", *settings)
    record = tmp_path / "here" / "episodes" / "tetris-standard-0.jsonl"
    if started:
        until(lambda: record.exists() and '"decision"' in record.read_text())
    else:
        until(lambda: list(machine.stub.glob("*.starts")))
    process.kill()
    process.communicate(timeout=60)
    until(lambda: not running(machine))


async def test_a_backend_that_is_given_up_ends_the_run_with_its_reason(machine: Machine, tmp_path: Path):
    behave(machine, "colocated", gap=0.02)
    settings = (*QUICK, "supervision.max_restarts=0", "gateway.ready_seconds=2")
    record = tmp_path / "here" / "episodes" / "tetris-standard-0.jsonl"

    async def break_the_engine() -> None:
        await asyncio.to_thread(until, lambda: record.exists() and '"decision"' in record.read_text())
        (state,) = backends()
        engine = f"http://127.0.0.1:{state.engines[0].port}/stub"
        async with aiohttp.ClientSession() as session, session.post(engine, json={"fault": "die_before"}) as answer:
            assert answer.status == 200

    breaking = asyncio.create_task(break_the_engine())
    result = await package.play_async(
        "vllm/pico", serve_set=settings, vllm_python=str(machine.python), out=tmp_path / "here", max_retries=3
    )  # fmt: skip
    await breaking
    assert result.stopped == "infrastructure" and not result.complete
    assert "colocated-0: it was killed by SIGKILL" in str(result.problem) and "given up" in str(result.problem)
    assert not running(machine)


WRONG = [
    (("serve",), "Nothing to serve"),
    (("serve", "-m", "pico", "--profile", "pdd"), "Did you mean 'pd'"),
    (("serve", "-m", "pico", "--set", "engine.max_model=1"), "max_model_len"),
    (("serve", "-m", "pico", "--profile", "pd", "--replicas", "2"), "leave out --replicas"),
    (("serve", "-m", "pico", "--prefill", "2"), "leave out --prefill"),
    (("serve", "-m", "pico", "--gpus", "one"), "--gpus wants numbers"),
    (("serve", "-m", "pico", "--host", "0.0.0.0"), "export LMGAME_SERVE_KEY="),
    (("serve", "-m", "--port"), "is no model for vLLM"),
    (("serve", "-m", "./nowhere"), "isn't there"),
    (("serve", "-m", "file.gguf"), "llamacpp/file.gguf"),
    (("serve", "-m", "pico", "--name", "../there"), "can't be a backend's name"),
    (("serve", "-m", "pico", "--vllm-python", "/nowhere/python"), "--vllm-python wants"),
    (("serve", "-m", "pico", "--profile", "pd", "--prefill", "2"), "--profile pd-shared"),
    (("serve", "status", "nobody"), "Unknown backend 'nobody'"),
    (("serve", "logs", "--name", "nobody"), "Unknown backend 'nobody'"),
    (("serve", "stop"), "No backend runs"),
    (("serve", "stop", "one", "--all"), "not both"),
    (("serve", "profiles", "pdd"), "Did you mean 'pd'"),
    (("play", "-m", "vllm/"), "is no model for vLLM"),
    (("play", "-m", "vllm/pico", "--serve-profile", "pdd"), "Did you mean 'pd'"),
    (("play", "-m", "pico", "--serve-profile", "pd"), "Leave them out"),
    (("play", "-m", "vllm/pico", "--observation", "text"), "reads no text"),
]


@pytest.mark.parametrize(("arguments", "complaint"), WRONG, ids=lambda value: " ".join(value) if value[0] else value)
def test_what_is_wrong_is_said_in_one_message(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...], complaint: str
):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, UsageError), (done.output, done.exception)
    assert complaint in str(done.exception)
    assert not (tmp_path / "runs").exists()


def test_what_a_run_s_backend_advises_is_what_play_understands(machine: Machine, tmp_path: Path):
    with pytest.raises(UsageError) as caught:
        package.play("vllm/pico", serve_profile="pd", serve_set=("prefill=2",), vllm_python=str(machine.python))
    assert "--serve-profile pd-shared" in str(caught.value) and "--serve-set replicas=2" in str(caught.value)
    assert " --profile" not in str(caught.value) and " --replicas" not in str(caught.value)


def test_a_machine_without_gpus_or_vllm_says_what_works(machine: Machine, tmp_path: Path):
    (machine.programs / "nvidia-smi").unlink()
    os.environ["PATH"] = str(machine.programs)  # put back by the fixture's monkeypatch
    with pytest.raises(LmgameError, match=r"--model pico.*run on the CPU"):
        package.play("vllm/pico", out=tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_the_dry_run_shows_commands_and_no_key(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LMGAME_SERVE_KEY", "sk-hush")
    done = CliRunner().invoke(app, ["serve", "-m", "pico", "--profile", "pd", "--dry-run"])
    assert done.exit_code == 0, done.exception
    assert "prefill-0  GPU 0" in done.output and "decode-0  GPU 1" in done.output
    assert done.output.count("-m vllm.entrypoints.cli.main serve") == 2
    assert "sk-hush" not in done.output
    assert not running(machine)


def test_profiles_are_listed_and_can_be_copied(machine: Machine, tmp_path: Path):
    listed = CliRunner().invoke(app, ["serve", "profiles"]).output
    assert "colocated" in listed and "pd-shared" in listed
    copied = tmp_path / "mine.toml"
    copied.write_text(CliRunner().invoke(app, ["serve", "profiles", "pd"]).output)
    done = CliRunner().invoke(app, ["serve", "-m", "pico", "--profile", str(copied), "--dry-run"])
    assert done.exit_code == 0 and "decode-0" in done.output


def test_a_profile_is_written_for_dynamo(tmp_path: Path):
    done = CliRunner().invoke(app, ["serve", "export", "pd", "-m", "/models/qwen", "--out", str(tmp_path / "there")])
    assert done.exit_code == 0, done.exception
    written = [Path(line) for line in done.output.split()]
    assert written and all(path.is_file() and path.parent == tmp_path / "there" for path in written)


def test_the_doctor_looks_for_gpus_and_vllm(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "500")
    seen = CliRunner().invoke(app, ["doctor"]).output
    assert "GPU 1, for vllm/MODEL" in seen and "Stub GPU" in seen and f"0.26.0 in {machine.python}" in seen
    monkeypatch.setenv("LMGAME_VLLM_PYTHON", sys.executable)
    seen = CliRunner().invoke(app, ["doctor"]).output
    assert f"uv pip install --python {sys.executable} 'vllm>=0.26,<0.27'" in seen
