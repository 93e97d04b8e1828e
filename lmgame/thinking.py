"""Seats that think while their game runs on: how far it may run, and when to look again."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping

from lmgame.referee import Asked, Referee, steps_a_second
from lmgame_agents import Decision


class Thinking:
    """An answer that is being waited for under the real-time clock.

    Args:
        asked: What was asked.
        ask: Brings the answer; calls `started` whenever it begins to ask and `failed` after an infrastructure fault.
        woken: Set when the answer is there, and when it has become known how long the seat has been thinking.
    """

    def __init__(self, asked: Asked, ask: Callable[["Thinking"], Awaitable[Decision]], woken: asyncio.Event) -> None:
        self.asked, self._woken = asked, woken
        self.since: float | None = None
        """When the present attempt began, by the loop's clock; None while there is none, and the game stands still."""
        self.faults = 0
        self.task = asyncio.ensure_future(ask(self))
        self.task.add_done_callback(lambda task: woken.set())

    def started(self) -> None:
        """The seat begins to think."""
        self.since = asyncio.get_running_loop().time()
        self._woken.set()

    def failed(self) -> None:
        """No answer came of it, through no fault of the model."""
        self.since = None
        self.faults += 1


def horizon(referee: Referee, thinking: Mapping[int, Thinking], time: float) -> float:
    """The step to which the game may run: none that a seat, which has thought since it was asked, could still reach
    with its answer. Infinity where no seat thinks.

    Args:
        referee: The match.
        thinking: Who thinks, by seat; a seat that is wanted and not among them isn't asked yet.
        time: The present, by the loop's clock.
    """
    rate = steps_a_second(referee.game.card)
    return min((_reached(asked, thinking, time, rate) for asked in referee.wanted()), default=math.inf)


def next_step(referee: Referee, thinking: Mapping[int, Thinking], time: float) -> float | None:
    """Seconds until the game may run one step further than now; None if that needs something to happen first."""
    rate = steps_a_second(referee.game.card)
    waits = [0.0]
    for asked in referee.wanted():
        thought = thinking.get(asked.seat)
        if thought is None or thought.since is None:
            return None
        waits.append(thought.since + (referee.now + 1 - asked.at) / rate - time)
    return max(waits)


def _reached(asked: Asked, thinking: Mapping[int, Thinking], time: float, rate: float) -> int:
    thought = thinking.get(asked.seat)
    since = thought.since if thought else None
    return asked.at if since is None else asked.at + math.floor((time - since) * rate)
