import asyncio

import pytest

from lmgame.retry import LONGEST_PAUSE, LONGEST_RETRY_AFTER, GaveUpError, pause_before, retrying
from lmgame_agents import Decision, InfrastructureError, Observation
from lmgame_games import Move

SEEN = Observation(text="", frame=None)
ANSWER = Decision((Move("left"),))


class Flaky:
    """Fails with the given faults, then answers."""

    def __init__(self, *faults: InfrastructureError) -> None:
        self.faults = list(faults)

    async def act(self, observation: Observation) -> Decision:
        if self.faults:
            raise self.faults.pop(0)
        return ANSWER


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []

    async def sleep(seconds: float) -> None:
        taken.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return taken


async def test_asks_again_until_there_is_an_answer(pauses: list[float]):
    told: list[tuple[str, bool]] = []

    def note(fault: InfrastructureError, pause: float | None) -> None:
        told.append((fault.kind, pause is not None))

    agent = Flaky(InfrastructureError("reset", "gone"), InfrastructureError("http_500", "oops", retry_after=7))
    assert await retrying(lambda: agent.act(SEEN), max_retries=2, on_fault=note) is ANSWER
    assert told == [("reset", True), ("http_500", True)]
    assert 0 < pauses[0] <= 1
    assert 7 <= pauses[1] < 8


async def test_gives_up_when_the_retries_are_used_up(pauses: list[float]):
    agent = Flaky(*[InfrastructureError("reset", "gone")] * 3)
    with pytest.raises(GaveUpError, match="asked 3 times") as error:
        await retrying(lambda: agent.act(SEEN), max_retries=2, on_fault=lambda fault, pause: None)
    assert error.value.kind == "reset"


async def test_a_fatal_fault_is_not_asked_again(pauses: list[float]):
    agent = Flaky(InfrastructureError("unauthorized", "wrong key", fatal=True))
    with pytest.raises(InfrastructureError, match="wrong key"):
        await retrying(lambda: agent.act(SEEN), max_retries=5, on_fault=lambda fault, pause: None)
    assert pauses == []


def test_pauses_grow_and_are_bounded():
    assert all(pause_before(n, None) <= LONGEST_PAUSE for n in range(1, 50))
    assert pause_before(6, None) > pause_before(1, None)
    assert pause_before(1, 1e9) <= LONGEST_RETRY_AFTER + 1
