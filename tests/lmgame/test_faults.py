"""A misbehaving server: faults are retried and never scored."""

import asyncio
import json
from pathlib import Path

import pytest

import lmgame.retry
from lmgame import play_async
from lmgame_agents import InfrastructureError
from lmgame_common import UsageError
from lmgame_serving.testing import Reply, StubServer

from .conftest import deterministic, stable_run

SETTINGS = {"game": "tetris", "episodes": 2, "concurrency": 2, "idle_timeout": 1.5, "max_decisions": 60}
FAULTS = (
    *("reset", "reset_headers", "reset_stream", "stall", "cut", "cut_clean"),
    *("empty", "malformed", "http_429", "http_500"),
)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lmgame.retry, "pause_before", lambda attempt, retry_after: 0.001)


async def test_no_fault_of_the_server_changes_a_score(tmp_path: Path):
    def flaky(request: dict, n: int) -> Reply:
        text = deterministic(request, n)
        # The preflight is left alone; after it, every third request meets a fault.
        if n > 2 and n % 3 == 0:
            return Reply(text, fault=FAULTS[n // 3 % len(FAULTS)])
        return Reply(text)

    async with StubServer(deterministic) as good, StubServer(flaky) as bad:
        clean = await play_async(f"{good.base_url}#stub", out=tmp_path / "clean", **SETTINGS)
        faulty = await play_async(f"{bad.base_url}#stub", out=tmp_path / "faulty", **SETTINGS)
    assert clean.complete and faulty.complete
    assert sum(row.infrastructure_faults for row in clean.episodes) == 0
    assert sum(row.infrastructure_faults for row in faulty.episodes) >= len(FAULTS)
    kinds = {
        json.loads(line)["kind"]
        for path in (tmp_path / "faulty" / "episodes").iterdir()
        for line in path.read_text().splitlines()
        if '"type":"fault"' in line
    }
    assert {"rate_limited", "stalled", "malformed", "empty"} <= kinds
    records = [stable_run(tmp_path / name) for name in ("clean", "faulty")]
    for run in records:
        for lines in run.values():
            lines[0].pop("model")
    assert records[0] == records[1]


async def test_a_server_that_goes_down_leaves_the_run_incomplete_and_resumable(tmp_path: Path):
    async with StubServer(lambda r, n: Reply(deterministic(r, n), fault="http_500" if n > 30 else None)) as server:
        model = f"{server.base_url}#stub"
        settings = {**SETTINGS, "episodes": 4, "max_retries": 1, "out": tmp_path / "run"}
        down = await play_async(model, **settings)
        assert not down.complete
        assert down.stopped == "infrastructure"
        assert down.problem and "500" in down.problem
        server.script = deterministic
        up = await play_async(model, **settings)
        assert up.complete
    async with StubServer(deterministic, port=server.port):
        whole = await play_async(model, **{**settings, "out": tmp_path / "whole"})
    assert [row.score for row in up.episodes] == [row.score for row in whole.episodes]


@pytest.mark.parametrize(
    ("server", "settings", "complaint"),
    [
        ({"api_key": "right"}, {}, "key"),
        ({"models": ["llama"]}, {}, "llama"),
        ({"vision": False}, {"observation": "image"}, "image"),
    ],
)
async def test_the_preflight_catches_what_can_never_work(tmp_path: Path, server: dict, settings: dict, complaint: str):
    async with StubServer(deterministic, **server) as stub:
        with pytest.raises((InfrastructureError, UsageError), match=complaint):
            await play_async(f"{stub.base_url}#stub", out=tmp_path / "run", **settings)
        assert not list((tmp_path / "run").glob("episodes/*"))


async def test_nobody_there(tmp_path: Path):
    async with StubServer(deterministic) as server:
        pass
    with pytest.raises(InfrastructureError, match=str(server.port)):
        await asyncio.wait_for(play_async(f"{server.base_url}#stub", out=tmp_path / "run"), timeout=30)


async def test_text_only_models_get_text(tmp_path: Path):
    async with StubServer(deterministic, vision=False) as server:
        result = await play_async(f"{server.base_url}#stub", out=tmp_path / "run", max_decisions=3)
    header = json.loads(result.episode_path(result.episodes[0].id).read_text().splitlines()[0])
    assert header["observation"] == "text"


async def test_a_key_is_in_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LMGAME_API_KEY", "sk-very-secret")
    leaky = Reply(status=500, body='{"error": {"message": "bad key sk-very-secret"}}')
    async with StubServer(lambda r, n: leaky if n == 4 else deterministic(r, n), api_key="sk-very-secret") as server:
        result = await play_async(f"{server.base_url}#stub", out=tmp_path / "run", max_decisions=8)
    assert result.episodes[0].infrastructure_faults == 1
    everything = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert b"fault" in everything
    assert b"very-secret" not in everything


async def test_a_corrected_request_may_use_the_folder_of_one_that_never_began(tmp_path: Path):
    async with StubServer(deterministic, models=["llama"]) as server:
        with pytest.raises(InfrastructureError, match="llama"):
            await play_async(f"{server.base_url}#lama", out=tmp_path / "run")
        assert not (tmp_path / "run").exists()
        done = await play_async(f"{server.base_url}#llama", out=tmp_path / "run", max_decisions=2)
    assert done.complete


async def test_a_run_that_ends_waits_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lmgame.retry, "pause_before", lambda attempt, retry_after: retry_after or 0.001)

    def script(request: dict, n: int) -> Reply:
        if n == 3:
            return Reply(fault="http_429", headers={"Retry-After": "300"})
        return Reply(deterministic(request, n), fault="http_401" if n > 12 else None)

    async with StubServer(script) as server:
        run = play_async(f"{server.base_url}#stub", episodes=2, out=tmp_path / "run")
        result = await asyncio.wait_for(run, timeout=30)
    assert result.stopped == "infrastructure"
