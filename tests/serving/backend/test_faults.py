"""Engines that fail in every way there is, as whoever plays sees it: gateway, supervisor and real processes."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

import lmgame
from lmgame_common import EndpointError
from lmgame_serving.backend.metrics import read_counters
from lmgame_serving.testing.machine import Machine

from .conftest import RunBackend, quick


def text_of(stream: str) -> str:
    """The answer in a stream, which must be whole."""
    lines = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


async def test_a_pair_serves_and_nothing_is_left_when_it_stops(backend: RunBackend):
    async with backend() as running:
        assert {engine.state for engine in running.state().engines} == {"ready"}
        status, body = await running.ask()
        assert status == 200
        assert json.loads(body)["choices"][0]["message"]["content"] == '{"moves": ["hard_drop"]}'
        status, body = await running.ask(stream=True)
        assert text_of(body) == '{"moves": ["hard_drop"]}'
        assert 'lmgame_gateway_requests_total{status="200"} 2.0' in await running.metrics()


async def test_each_pair_of_several_is_proven(backend: RunBackend):
    shape = quick("pd-shared", prefill=2, decode=2, engine__kv_cache_memory_bytes="2G")
    async with backend(shape) as running:
        for engine in running.state().engines:
            async with running.session.get(f"http://127.0.0.1:{engine.port}/metrics") as response:
                counters = read_counters(await response.text())
            assert counters.prompts == 2
            assert (counters.moved_bytes > 0) == (engine.role == "decode")


async def test_decode_engines_stay_where_they_are_said_to_survive_the_loss_of_a_prefill_engine(backend: RunBackend):
    async with backend(quick(supervision__restart_decode_with_prefill=False)) as running:
        running.process("prefill-0").kill()
        await running.until("prefill-0: ready", since=len(running.told))
        assert (await running.ask())[0] == 200
        assert running.engine("decode-0").restarts == 0


@pytest.mark.parametrize("fault", ["die_before", "die_during", "die_after"])
async def test_a_prefill_engine_that_dies_costs_no_answer(backend: RunBackend, fault: str):
    async with backend() as running:
        await running.behave("prefill-0", fault=fault)
        decode = running.process("decode-0")
        status, body = await running.ask(stream=True)
        assert status == 200
        assert text_of(body) == '{"moves": ["hard_drop"]}'
        assert running.heard("prefill-0: it was killed by SIGKILL") == 1
        # NIXL in a decode engine that knew the dead one may crash when it meets the new one.
        assert not decode.is_running()
        assert running.engine("prefill-0").restarts == running.engine("decode-0").restarts == 1
        assert {engine.state for engine in running.state().engines} == {"ready"}


async def test_a_decode_engine_that_dies_before_it_answers_costs_no_answer(backend: RunBackend):
    async with backend() as running:
        await running.behave("decode-0", fault="die_before")
        assert text_of((await running.ask(stream=True))[1]) == '{"moves": ["hard_drop"]}'
        assert running.engine("decode-0").restarts == 1
        assert running.engine("prefill-0").restarts == 0


async def test_a_decode_engine_that_dies_in_a_stream_cuts_it_audibly(backend: RunBackend):
    async with backend() as running:
        await running.behave("decode-0", fault="die_in_stream")
        status, body = await running.ask(stream=True)
        assert status == 200
        assert '"moves' not in body.rpartition("data: ")[2]
        assert "[DONE]" not in body
        assert "error" in json.loads(body.strip().rpartition("data: ")[2])
        status, body = await running.ask(stream=True)  # as the runner does: again, whole
        assert text_of(body) == '{"moves": ["hard_drop"]}'
        assert running.engine("prefill-0").restarts == 0


async def test_streams_end_whole_before_a_decode_engine_starts_anew(backend: RunBackend):
    async with backend() as running:
        await running.behave("decode-0", gap=0.2)
        slow = asyncio.create_task(running.ask(stream=True))
        while 'lmgame_gateway_engine_in_flight{engine="decode-0"} 1.0' not in await running.metrics():
            await asyncio.sleep(0.01)
        running.process("prefill-0").kill()
        await running.until("decode-0: starting anew")
        assert not slow.done()
        assert text_of((await slow)[1]) == '{"moves": ["hard_drop"]}'
        assert (await running.ask())[0] == 200


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("stall", "passes its health checks and answers no request"),
        ("hang_health", "doesn't pass its health checks"),
    ],
)
async def test_an_engine_that_hangs_is_started_anew(backend: RunBackend, fault: str, words: str):
    async with backend(quick("colocated")) as running:
        stuck = running.process("colocated-0")
        await running.behave("colocated-0", fault=fault)
        if fault == "stall":
            assert (await running.ask(stream=True))[0] == 200
        else:
            told = await running.until(words)
            await running.until("colocated-0: ready", since=told)
        assert running.heard(words) == 1
        assert not stuck.is_running()


async def test_the_other_replica_serves_meanwhile(backend: RunBackend):
    async with backend(
        quick("colocated", replicas=2, supervision__first_backoff=60, supervision__longest_backoff=60)
    ) as running:
        running.process("colocated-0").kill()
        statuses = [status for status, _ in await asyncio.gather(*(running.ask(stream=True) for _ in range(8)))]
        assert statuses == [200] * 8
        await running.until("colocated-0: it was killed by")  # which may be seen later than all that was asked
        assert running.engine("colocated-0").state == "down"


async def test_a_silent_local_prefill_raises_an_alarm_as_long_as_it_lasts(backend: RunBackend):
    async with backend() as running:
        prompt = [{"role": "user", "content": "word " * 500}]
        await running.behave("decode-0", fault="local_prefill")
        while not running.heard("ALARM: decode-0: it computes"):
            prompt[0]["content"] += "more "  # another prompt, or it would be cached
            assert (await running.ask(messages=prompt))[0] == 200
            await asyncio.sleep(0.02)
        assert [(alarm.engine, alarm.kind) for alarm in running.state().alarms] == [("decode-0", "local_prefill")]
        assert 'lmgame_backend_alarm{engine="decode-0",kind="local_prefill"} 1.0' in await running.metrics()
        await running.behave("decode-0", fault=None)
        while not running.heard("the alarm (local prefill) is over"):
            prompt[0]["content"] += "more "
            assert (await running.ask(messages=prompt))[0] == 200
            await asyncio.sleep(0.02)
        assert running.state().alarms == []
        assert running.heard("ALARM") == 1


async def test_an_engine_that_takes_its_time_is_waited_for_and_told_of(backend: RunBackend, machine: Machine):
    (machine.stub / "decode.json").write_text(json.dumps({"start_delay": 1.5}))
    async with backend() as running:
        assert running.heard("prefill-0: waiting for its partner") or running.heard("decode-0: ")
        assert (await running.ask())[0] == 200


async def test_an_engine_that_fails_to_start_ends_the_backend_in_its_own_words(backend: RunBackend, machine: Machine):
    (machine.stub / "decode.json").write_text(json.dumps({"start_fault": "CUDA out of memory"}))
    with pytest.raises(EndpointError, match=r"The engine decode-0: it ended with 1\n") as info:
        async with backend():
            pass
    assert "RuntimeError: CUDA out of memory" in str(info.value)
    assert "decode-0.log" in str(info.value)


async def test_an_engine_that_is_never_up_ends_the_backend(backend: RunBackend, machine: Machine):
    (machine.stub / "prefill.json").write_text(json.dumps({"fault": "ill_health"}))
    with pytest.raises(EndpointError, match=r"prefill-0: it wasn't up within 2 s"):
        async with backend(quick(supervision__start_seconds=2)):
            pass


async def test_a_pair_that_moves_nothing_is_not_let_loose(backend: RunBackend, machine: Machine):
    (machine.stub / "decode.json").write_text(json.dumps({"fault": "local_prefill"}))
    with pytest.raises(EndpointError, match="didn't get from prefill-0 to decode-0: 0 tokens were taken over"):
        async with backend():
            pass


async def test_a_backend_whose_engine_fails_again_and_again_gives_up_and_says_why(
    backend: RunBackend, machine: Machine
):
    with pytest.raises(EndpointError, match=r"It failed 2 times in a row") as info:
        async with backend(quick(supervision__max_restarts=1)) as running:
            (machine.stub / "decode.json").write_text(
                json.dumps({"start_fault": "CUDA error: uncorrectable ECC error"})
            )
            running.process("decode-0").kill()
            status, body = await running.ask()
            assert status == 503
            assert "uncorrectable ECC" in json.loads(body)["error"]["message"]
            assert running.task is not None
            await running.task
    assert "uncorrectable ECC" in str(info.value)


async def test_one_replica_that_is_given_up_leaves_its_work_to_the_other(backend: RunBackend, machine: Machine):
    async with backend(quick("colocated", replicas=2, supervision__max_restarts=0)) as running:
        running.process("colocated-0").kill()
        await running.until("ALARM: colocated-0: it failed again and again")
        assert [engine.state for engine in running.state().engines] == ["given up", "ready"]
        assert (await running.ask())[0] == 200


async def test_a_taken_port_is_said_to_be_one_before_any_engine_starts(backend: RunBackend, machine: Machine):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EndpointError, match=f"127.0.0.1:{port}"):
            async with backend(quick(gateway__port=port)):
                pass
    assert not list(machine.stub.glob("*.starts"))


async def test_games_go_on_to_their_end_while_engines_die(backend: RunBackend, machine: Machine, tmp_path: Path):
    for role in ("prefill", "decode"):
        (machine.stub / f"{role}.json").write_text(json.dumps({"gap": 0.03}))
    async with backend() as running:
        playing = asyncio.create_task(
            lmgame.play_async(
                f"{running.url}/v1#stub",
                observation="text",
                episodes=4,
                concurrency=4,
                max_decisions=12,
                out=tmp_path / "run",
            )
        )
        for name in ("decode-0", "prefill-0"):
            while 'lmgame_gateway_engine_in_flight{engine="decode-0"} 4.0' not in await running.metrics():
                assert not playing.done()
                await asyncio.sleep(0.01)
            told = len(running.told)
            running.process(name).kill()
            await running.until("decode-0: ready", since=told)
        result = await playing
        assert running.engine("decode-0").restarts == 2
        assert running.engine("prefill-0").restarts == 1
    assert result.complete
    assert [episode.decisions for episode in result.episodes] == [12] * 4
