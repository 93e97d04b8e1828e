"""A stage without games, and threads that draw."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from .builders import FakeStage


@pytest.fixture
def stage() -> Iterator[FakeStage]:
    """Fails the test where a game was used as none may be."""
    stage = FakeStage()
    yield stage
    stage.gate.set()
    assert not stage.misuses


@pytest.fixture
def pool(stage: FakeStage) -> Iterator[ThreadPoolExecutor]:
    """Two threads; what is still to be drawn is given up after the test."""
    pool = ThreadPoolExecutor(2)
    yield pool
    stage.gate.set()
    pool.shutdown(wait=True, cancel_futures=True)
