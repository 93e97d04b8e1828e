"""The real vLLM, without a GPU: engines on the CPU serve `pico`, which plays Tetris through the whole backend.

`.ci/cpu_engines` installs vLLM for the CPU and runs this.
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import lmgame
from lmgame_serving.backend.metrics import Counters, fetch_counters
from lmgame_serving.backend.profile import load_profile
from lmgame_serving.backend.start import BackendProcess, Order, new_key
from lmgame_serving.backend.state import find
from lmgame_serving.names import served

PYTHON = os.environ.get("LMGAME_TEST_VLLM_PYTHON")
MISSING = os.environ.get("LMGAME_TEST_VLLM_MISSING") or "no LMGAME_TEST_VLLM_PYTHON; .ci/cpu_engines installs one"
pytestmark = pytest.mark.skipif(not PYTHON, reason=MISSING)

SEEDS, DECISIONS = (0, 1), 20
SETTINGS = ('engine.dtype="float32"', "gateway.port=0")
"""In bfloat16 two good moves may be closer than rounding, and engines then differ without anything being wrong."""
LIMIT = 600
"""Seconds for a test. On two cores with nothing else to do, a pair starts in 70."""


async def tetris(model: str, out: Path, **settings: Any) -> Mapping[int, float]:
    """Scores by seed of games whose answers were all legal."""
    result = await lmgame.play_async(
        model, "tetris", seeds=SEEDS, max_decisions=DECISIONS, observation="image", concurrency=2, out=out, **settings
    )
    assert result.complete, result.problem
    for episode in result.episodes:
        assert episode.verdicts == {"ok": DECISIONS}
        assert episode.infrastructure_faults == 0
    return {episode.seed: episode.score for episode in result.episodes}


async def counted(url: str) -> Counters:
    async with aiohttp.ClientSession() as session:
        return await fetch_counters(session, url, 10)


async def test_pico_plays_through_prefill_and_decode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMGAME_STATE", str(tmp_path / "state"))
    model, name = served("pico")
    backend = BackendProcess(
        Order(
            model=model,
            served_name=name,
            profile=load_profile("pd-cpu", SETTINGS),
            python=PYTHON,
            name="cpu",
            api_key=new_key(),
        )
    )
    try:
        async with asyncio.timeout(LIMIT):
            await backend.start()
            engines = {engine.role: f"http://127.0.0.1:{engine.port}" for engine in find("cpu").engines}
            before = {role: await counted(url) for role, url in engines.items()}
            scores = await tetris(f"{backend.url}/v1#{name}", tmp_path / "pair")
            grown = {role: await counted(url) - before[role] for role, url in engines.items()}
            state = find("cpu")
    finally:
        await backend.stop()
    assert scores == await tetris("pico", tmp_path / "reference")

    asked = len(SEEDS) * DECISIONS
    prefill, decode = grown["prefill"], grown["decode"]
    assert prefill.prompts == decode.prompts >= asked  # before it plays, a run tries what the model can do
    assert prefill.generated_tokens == prefill.prompts  # one each
    assert decode.external_tokens == 64 * decode.prompts  # of 68: the whole blocks
    assert decode.local_tokens + decode.external_tokens == decode.prompt_tokens == prefill.prompt_tokens
    assert not state.alarms
    assert all(engine.restarts == 0 for engine in state.engines)


async def test_pico_plays_through_one_engine_that_the_run_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMGAME_STATE", str(tmp_path / "state"))
    async with asyncio.timeout(LIMIT):
        scores = await tetris(
            "vllm/pico",
            tmp_path / "one",
            serve_profile="pd-cpu",
            serve_set=('shape="colocated"', *SETTINGS),
            vllm_python=PYTHON,
        )
    assert scores == await tetris("pico", tmp_path / "reference")
