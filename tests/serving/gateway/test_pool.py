"""Which engine the pool chooses, and whom it wakes up."""

import asyncio
from contextlib import ExitStack

from lmgame_serving.gateway import pool as module
from lmgame_serving.gateway.pool import Engine, EngineState, Pool, Role


def engines(count: int, role: Role = Role.DECODE, state: EngineState = EngineState.READY) -> list[Engine]:
    return [
        Engine(f"{role}-{number}", role, f"http://127.0.0.1:{9000 + number}", state=state) for number in range(count)
    ]


def chosen(pool: Pool, session: str | None, **more) -> Engine:
    engine = pool.choose(Role.DECODE, session, **more)
    assert engine is not None
    return engine


def test_sessions_are_shared_out_evenly_whether_they_come_one_by_one_or_at_once():
    one_by_one = Pool(engines(2))
    names = [chosen(one_by_one, f"s{number}").name for number in range(20)]
    assert sorted(names.count(name) for name in set(names)) == [10, 10]
    at_once = Pool(engines(2))
    with ExitStack() as stack:
        for number in range(20):
            stack.enter_context(at_once.using(chosen(at_once, f"s{number}")))
        assert [engine.in_flight for engine in at_once.engines.values()] == [10, 10]
    assert [engine.in_flight for engine in at_once.engines.values()] == [0, 0]


def test_a_session_stays_while_its_engine_is_ready_and_moves_for_good_when_it_is_not():
    pool = Pool(engines(2))
    home = chosen(pool, "s")
    with pool.using(home):
        assert chosen(pool, "s") is home  # though the other is less busy
    pool.set_state(home, EngineState.DOWN)
    other = chosen(pool, "s")
    assert other is not home
    pool.set_state(home, EngineState.READY)
    assert chosen(pool, "s") is other


def test_sessions_go_over_to_an_engine_that_came_back_until_both_are_about_as_busy():
    pool = Pool(engines(2))
    first, second = pool.engines.values()
    pool.set_state(second, EngineState.DOWN)
    with ExitStack() as stack:
        held = {f"s{number}": stack.enter_context(ExitStack()) for number in range(20)}
        for session, holding in held.items():
            holding.enter_context(pool.using(chosen(pool, session)))
        assert (first.in_flight, second.in_flight) == (20, 0)
        pool.set_state(second, EngineState.READY)
        for _ in range(2):
            for session, holding in held.items():  # each game's next request
                holding.close()
                holding.enter_context(pool.using(chosen(pool, session)))
        assert second.in_flight >= 6
        moved = second.in_flight
        for session, holding in held.items():
            holding.close()
            holding.enter_context(pool.using(chosen(pool, session)))
        assert second.in_flight == moved  # and then they stay


def test_an_engine_that_failed_is_chosen_again_only_where_there_is_no_other():
    pool = Pool(engines(2))
    first = chosen(pool, "s")
    second = chosen(pool, "s", besides=[first])
    assert second is not first
    assert pool.choose(Role.DECODE, "s", besides=[first, second]) is not None
    pool.set_state(second, EngineState.DRAINING)
    assert pool.choose(Role.DECODE, "s", besides=[first]) is first
    pool.set_state(first, EngineState.DOWN)
    assert pool.choose(Role.DECODE, "s") is None


def test_sessions_long_unused_are_forgotten_and_count_for_no_engine(monkeypatch):
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    pool = Pool(engines(2))
    first, second = pool.engines.values()
    pool.set_state(second, EngineState.DOWN)
    for number in range(10):
        chosen(pool, f"old{number}")
    pool.set_state(second, EngineState.READY)
    assert {chosen(pool, f"new{number}") for number in range(4)} == {second}  # it has fewer sessions
    now = module.SESSION_SECONDS + 1
    chosen(pool, "new0")
    assert chosen(pool, "newer") is first  # which the ten old ones would have kept it from


def test_no_more_sessions_are_remembered_than_the_limit(monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED_SESSIONS", 1)
    pool = Pool(engines(2))
    first, second = pool.engines.values()
    assert [chosen(pool, f"s{number}") for number in range(3)] == [first, second, first]
    assert chosen(pool, "s0") is second  # s2 alone is remembered, and is on the other


async def test_a_pool_is_usable_once_there_is_a_ready_engine_of_each_role():
    pool = Pool([*engines(1, Role.PREFILL, EngineState.STARTING), *engines(2, Role.DECODE, EngineState.STARTING)])
    prefill, decode, _ = pool.engines.values()
    assert pool.roles == (Role.PREFILL, Role.DECODE)
    assert not Pool([]).usable
    waiting = asyncio.create_task(pool.until(lambda: pool.usable, 10))
    pool.set_state(prefill, EngineState.READY)
    await asyncio.sleep(0)
    assert not pool.usable
    pool.set_state(decode, EngineState.READY)
    async with asyncio.timeout(5):
        assert await waiting
    assert not await pool.until(lambda: False, 0.01)


async def test_who_waits_for_an_engine_to_be_idle_is_told_when_its_last_request_ends():
    pool = Pool(engines(1))
    (engine,) = pool.engines.values()
    with pool.using(engine):
        assert not await pool.idle([engine], 0.01)
        waiting = asyncio.create_task(pool.idle([engine], 10))
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        assert await waiting
