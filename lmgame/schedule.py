"""Many episodes in flight at once, until all are over, the budget is spent or the server is down."""

import asyncio
from collections import deque
from collections.abc import Sequence

from lmgame.budget import Budget
from lmgame.episode import Episode, EpisodeState
from lmgame.players import Players
from lmgame.request import Request
from lmgame.retry import GaveUpError, Stop
from lmgame.watch import Watcher
from lmgame_agents import Decision, InfrastructureError
from lmgame_leaderboards import RunFolder

GIVE_UP_AFTER = 3
"""Episodes put off in a row, with no answer to any episode in between, after which the server counts as down."""


class Scheduler:
    """Plays the episodes of one run.

    Args:
        request: What was asked for.
        folder: Where the records go.
        states: All episodes of the run; the finished ones are left alone, the cut-off ones come first.
        budget: What the run has spent and may spend.
        watcher: Told of every change.
        workers: Episodes in flight at once.
    """

    def __init__(
        self,
        request: Request,
        folder: RunFolder,
        states: Sequence[EpisodeState],
        budget: Budget,
        watcher: Watcher,
        workers: int,
    ) -> None:
        self._request, self._folder, self._states = request, folder, states
        self._budget, self._watcher, self._workers = budget, watcher, workers
        self._put_off = 0
        self._stop = Stop()
        self.stopped: str | None = None
        """Why episodes were left unfinished: `budget` or `infrastructure`."""
        self.problem: str | None = None
        """The last fault that put an episode off or ended the run, in words."""

    async def play(self, players: Players) -> None:
        """Play until nothing is left to do or nothing more can be done."""
        queue = deque(sorted((s for s in self._states if s.status != "done"), key=lambda s: s.status != "cut off"))
        workers = [asyncio.create_task(self._work(queue, players)) for _ in range(min(self._workers, len(queue)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, queue: "deque[EpisodeState]", players: Players) -> None:
        while queue and not self._stop.is_set():
            state = queue.popleft()
            try:
                await self._episode(state, players).play()
            except GaveUpError as fault:
                self._put_off += 1
                self.problem = str(fault)
                state.status = "put off"
                self._watcher.changed(state)
                if self._put_off >= GIVE_UP_AFTER or self._put_off >= len(self._states):
                    self._end("infrastructure")
            except InfrastructureError as fault:
                self.problem = str(fault)
                self._end("infrastructure")
        if self.problem and not self.stopped and not queue:
            self.stopped = "infrastructure"

    def _episode(self, state: EpisodeState, players: Players) -> Episode:
        state.plan = plan = players.settle(state.plan)
        header = {
            "episode": plan.id,
            "game": plan.card.game,
            "preset": plan.card.preset,
            "version": plan.card.version,
            "options": dict(plan.options),
            "seed": plan.seed,
            "model": self._folder.record.request.model,
            "clock": self._request.clock,
            "observation": plan.observation,
            "max_decisions": plan.max_decisions,
            "endpoint": dict(players.about),
        }
        return Episode(
            plan,
            self._folder.episode_path(plan.id),
            header,
            players.make,
            state,
            on_answer=self._answered,
            on_change=self._watcher.changed,
            stop=self._stop,
        )

    def _answered(self, decision: Decision) -> None:
        self._put_off = 0
        self._budget.charge(decision.usage, decision.verdict)
        if self._budget.spent:
            self._end("budget")

    def _end(self, why: str) -> None:
        self.stopped = self.stopped or why
        self._stop.set()
