"""The proof that a pair of engines hands KV caches over, and that it can't be had where they don't."""

from pathlib import Path

import aiohttp
import pytest

from lmgame_serving.backend.probe import ProbeError, Proof, prove
from lmgame_serving.gateway.pool import Role

from .conftest import InProcess, MakeEngine


async def probe(prefill: InProcess, decode: InProcess, *, nixl: bool = True, block_size: int = 64) -> Proof:
    async with aiohttp.ClientSession() as session:
        return await prove(
            session,
            prefill.engine,
            decode.engine,
            model="stub",
            block_size=block_size,
            nixl=nixl,
            within=0.3,
        )


async def test_a_pair_that_works_is_proven_each_time_anew(make_engine: MakeEngine):
    prefill, decode = await make_engine(Role.PREFILL), await make_engine(Role.DECODE)
    for _ in range(2):  # were prompts the same, the second one would be in decode's own cache
        proof = await probe(prefill, decode)
        assert proof.proven
        assert proof.tokens == proof.grown.external_tokens + 1
        assert proof.grown.moved_bytes > 0


async def test_a_prompt_is_three_blocks_long(make_engine: MakeEngine):
    prefill, decode = await make_engine(Role.PREFILL), await make_engine(Role.DECODE)
    proof = await probe(prefill, decode, block_size=128)
    assert proof.tokens >= 3 * 128


async def test_models_that_read_no_text_are_shown_a_picture(make_engine: MakeEngine):
    seen = {"text_tokens": 0, "image_tokens": 81}
    proof = await probe(await make_engine(Role.PREFILL, **seen), await make_engine(Role.DECODE, **seen))
    assert proof.proven
    assert proof.tokens == 85


async def test_a_local_prefill_is_no_transfer(make_engine: MakeEngine):
    prefill, decode = await make_engine(Role.PREFILL), await make_engine(Role.DECODE, fault="local_prefill")
    with pytest.raises(ProbeError, match=r"0 tokens were taken over and \d+ computed anew, NIXL moved 0 bytes") as info:
        await probe(prefill, decode)
    assert info.value.engine is decode.engine


async def test_a_failed_transfer_is_said_to_be_one(make_engine: MakeEngine):
    prefill, decode = await make_engine(Role.PREFILL), await make_engine(Role.DECODE, fault="fail_transfer")
    with pytest.raises(ProbeError, match=r"decode-0 answered a probe with status 500") as info:
        await probe(prefill, decode)
    assert info.value.engine is decode.engine


async def test_a_prefill_engine_without_a_connector_is_found_out(make_engine: MakeEngine):
    prefill, decode = await make_engine(Role.PREFILL, connector=None), await make_engine(Role.DECODE)
    with pytest.raises(ProbeError, match="without kv_transfer_params") as info:
        await probe(prefill, decode)
    assert info.value.engine is prefill.engine


async def test_prompts_shorter_than_a_block_can_prove_nothing_where_whole_blocks_are_moved(make_engine: MakeEngine):
    seen = {"connector": None, "text_tokens": 0, "image_tokens": 20}
    prefill, decode = await make_engine(Role.PREFILL, **seen), await make_engine(Role.DECODE, **seen)
    proof = await probe(prefill, decode, nixl=False)
    assert not proof.proven
    assert proof.tokens == 24


async def test_an_engine_that_is_gone_is_the_one_to_blame(make_engine: MakeEngine):
    prefill, decode = await make_engine(Role.PREFILL), await make_engine(Role.DECODE)
    prefill.engine.url = "http://127.0.0.1:9"
    with pytest.raises(ProbeError, match="prefill-0 didn't answer a probe") as info:
        await probe(prefill, decode)
    assert info.value.engine is prefill.engine


async def test_a_model_with_too_short_a_context_for_a_text_is_shown_a_picture(make_engine: MakeEngine):
    limits = {"longest": 100, "image_tokens": 81}
    proof = await probe(await make_engine(Role.PREFILL, **limits), await make_engine(Role.DECODE, **limits))
    assert proof.proven
    assert proof.tokens == 86


async def test_a_refusal_is_told_in_the_engines_words(make_engine: MakeEngine):
    prefill, decode = await make_engine(Role.PREFILL, longest=10), await make_engine(Role.DECODE)
    with pytest.raises(ProbeError, match=r"prefill-0 answered a probe with status 400: .*longer than 10 tokens"):
        await probe(prefill, decode)


async def test_prompts_that_the_example_connector_never_finds_are_followed_by_others(
    make_engine: MakeEngine, tmp_path: Path
):
    shared = {"connector": "ExampleConnector", "folder": tmp_path, "missed_tokens": 3 * 64 + 5}
    proof = await probe(await make_engine(Role.PREFILL, **shared), await make_engine(Role.DECODE, **shared), nixl=False)
    assert proof.proven
    assert proof.tokens == 3 * 64 + 32 + 5
