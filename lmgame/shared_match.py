"""One shared match, from its first decision or from where its record was cut off."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from lmgame.episode import EpisodePlan
from lmgame.lines import check_score, decision_of, record_of
from lmgame.match_plan import MatchPlan
from lmgame.match_state import MatchState
from lmgame.referee import Asked, Referee
from lmgame.replay import asked_for
from lmgame.retry import GaveUpError, Stop, retrying
from lmgame.thinking import Thinking, horizon, next_step
from lmgame_agents import Agent, Decision, InfrastructureError
from lmgame_games import SharedGame
from lmgame_games.shared import AGENTS
from lmgame_leaderboards import EpisodeWriter, read_episode


class SharedMatch:
    """Plays one shared match into its record.

    Args:
        plan: What is played; what the seats see is settled.
        path: The record.
        header: Its first line; see `match_header.shared_header`.
        makers: Make the agents of the seats, in their order.
        state: Kept up to date.
        on_answer: Told the seat and the answer, once it is in the record.
        on_change: Told whenever the state has changed.
        stop: Set when nobody is to be asked any more.
    """

    def __init__(
        self,
        plan: MatchPlan,
        path: Path,
        header: Mapping[str, Any],
        makers: Sequence[Callable[[EpisodePlan, Any], Agent]],
        state: MatchState,
        on_answer: Callable[[int, Decision], None],
        on_change: Callable[[MatchState], None],
        stop: Stop,
    ) -> None:
        self.plan, self.path, self.header, self.state = plan, path, dict(header), state
        self._makers, self._stop = makers, stop
        self._on_answer, self._on_change = on_answer, on_change
        self._agents: list[Agent] = []
        self._index = 0
        self._referee: Referee
        self._writer: EpisodeWriter

    async def play(self) -> None:
        """Play to the end, or until the arena is stopped; the state's `status` tells which.

        Raises:
            InfrastructureError: When the server of a seat, `state.gave_up`, is at fault for good; the match can be
                continued later.
            RecordError: When the record can't be continued or written.
        """
        state = self.state
        game = self.plan.make()
        self._writer = EpisodeWriter.open(self.path, self.header)
        try:
            state.game, state.gave_up, state.restarts = game, None, 0
            self._begin(game)
            await self._catch_up()
            state.status = "playing"
            self._on_change(state)
            await (self._play_realtime() if self.plan.realtime else self._play_paused())
            if self._referee.outcome is None:
                state.status = "stopped"
                return
            state.outcome = self._referee.outcome
            self._show_scores()
            scores = self._referee.scores
            steps = {"steps": self._referee.now} if self.plan.realtime else {}
            self._writer.outcome(outcome=state.outcome, score=scores[0], scores=scores, decisions=self._index, **steps)
            state.status = "done"
        finally:
            self._writer.close()
            for seat in state.seats:
                seat.thinking = False
            self._on_change(state)
            state.game = None
            self._dismiss()
            game.close()  # type: ignore[attr-defined]

    def _begin(self, game: SharedGame) -> None:
        """The first state of the game, with agents that know nothing yet."""
        plan = self.plan
        self._dismiss()
        self._index = 0
        self._referee = Referee(
            game,
            plan.seed,
            max_decisions=plan.max_decisions,
            realtime=plan.realtime,
            observations=plan.observations,
        )
        self._agents = [make(plan.seat_plan(seat), game.seat(AGENTS[seat])) for seat, make in enumerate(self._makers)]
        for seat in self.state.seats:
            seat.start_anew()

    def _dismiss(self) -> None:
        for agent in self._agents:
            if close := getattr(agent, "close", None):
                close()
        self._agents = []

    async def _catch_up(self) -> None:
        """Re-play what is logged, and let the agents recall it."""
        log, referee = read_episode(self.path), self._referee
        for seat in self.state.seats:
            seat.tokens = seat.faults = 0
        self.state.count_spent(log)
        for record in log.decisions:
            asked, decision = asked_for(record, referee, self.path), decision_of(record, self.plan.card, self.path)
            self._agents[asked.seat].recall(asked.observation, decision)
            settled = referee.answer(asked.seat, decision, record.get("at"))
            check_score(settled.score, record, self.path)
            self.state.seats[asked.seat].count(decision)
            self._index += 1
            if self._index % 64 == 0:
                await asyncio.sleep(0)
        self._show_scores()

    def _show_scores(self) -> None:
        for seat, score in zip(self.state.seats, self._referee.scores, strict=True):
            seat.score = score

    async def _play_paused(self) -> None:
        while self._referee.outcome is None and not self._stop.is_set():
            # The answer of one seat is worth keeping where the other's server is at fault.
            results = await asyncio.gather(*map(self._decide, self._referee.wanted()), return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result
            # Agents that never wait would keep every other match and the display from running.
            await asyncio.sleep(0)

    async def _decide(self, asked: Asked) -> None:
        self._settle(asked, await self._ask(asked))

    async def _play_realtime(self) -> None:
        """Both seats think and play at once. The game goes on by itself, but never beyond what a seat that thinks
        could still interrupt."""
        loop, referee = asyncio.get_running_loop(), self._referee
        thinking: dict[int, Thinking] = {}
        woken = asyncio.Event()
        try:
            while referee.outcome is None:
                for asked in referee.wanted():
                    if asked.seat not in thinking and not self._stop.is_set():
                        thinking[asked.seat] = Thinking(asked, partial(self._ask, asked), woken)
                if not thinking and referee.wanted():
                    return
                woken.clear()
                answered = [thought for thought in thinking.values() if thought.task.done()]
                for thought in sorted(answered, key=lambda thought: thought.task.exception() is not None):
                    del thinking[thought.asked.seat]
                    if self._settle_realtime(thought):
                        await _cancel(thinking)
                        referee = self._referee
                        break
                else:
                    referee.advance(horizon(referee, thinking, loop.time()))
                    self._show_scores()
                    if self._is_to_wait(thinking):
                        await _woken_within(woken, next_step(referee, thinking, loop.time()))
                await asyncio.sleep(0)
        finally:
            await _cancel(thinking)

    def _is_to_wait(self, thinking: Mapping[int, Thinking]) -> bool:
        """Whether all has been done that can be done now: whoever is wanted thinks, or isn't to be asked any more."""
        if any(thought.task.done() for thought in thinking.values()):
            return False
        if thinking and self._stop.is_set():
            return True
        return all(asked.seat in thinking for asked in self._referee.wanted())

    def _settle_realtime(self, thought: Thinking) -> bool:
        """Take an answer; whether the game had to be begun anew."""
        decision = thought.task.result()
        late = self._referee.late(thought.asked.seat, decision.latency.total) if thought.faults else 0
        self._settle(thought.asked, decision)
        if not late:
            return False
        seat = thought.asked.seat
        why = f"infrastructure faults kept {self.state.seats[seat].name} from playing for {late} steps"
        self._writer.restart(why=why, seat=seat)
        if self.state.restarts >= self.plan.max_retries:
            self.state.gave_up = seat
            raise GaveUpError("game_time", f"{why}, after {self.state.restarts} restarts for such reasons")
        self.state.restarts += 1
        self._begin(self._referee.game)
        self._on_change(self.state)
        return True

    async def _ask(self, asked: Asked, thought: Thinking | None = None) -> Decision:
        """The seat's answer, however often its server has to be asked for it."""
        number, agent = asked.seat, self._agents[asked.seat]
        seat = self.state.seats[number]

        def on_fault(fault: InfrastructureError, pause: float | None) -> None:
            if thought:
                thought.failed()
            seat.faults += 1
            then = "" if pause is None else f"; asking again in {pause:.0f} s"
            seat.last_fault = f"{fault.kind}: {fault}{then}"
            self._writer.fault(index=self._index, seat=number, kind=fault.kind, message=str(fault))
            self._on_change(self.state)

        def attempt() -> Awaitable[Decision]:
            if thought:
                thought.started()
            return agent.act(asked.observation)

        seat.thinking = True
        try:
            return await retrying(attempt, max_retries=self.plan.max_retries, on_fault=on_fault, stop=self._stop)
        except InfrastructureError:
            self.state.gave_up = number
            raise
        finally:
            seat.thinking = False

    def _settle(self, asked: Asked, decision: Decision) -> None:
        """Play an answer, as far as that is possible yet, and put it into the record."""
        referee, number = self._referee, asked.seat
        at = {"at": referee.arrival(number, decision.latency.total)} if self.plan.realtime else {}
        settled = referee.answer(number, decision, at.get("at"))
        played = {} if settled.played is None else {"played": settled.played}
        line = record_of(settled.decision) | played | at
        self._writer.decision(index=self._index, seat=number, **line, score=settled.score, scores=referee.scores)
        self._index += 1
        self.state.seats[number].count(settled.decision)
        self._show_scores()
        self._on_answer(number, settled.decision)
        self._on_change(self.state)


async def _cancel(thinking: dict[int, Thinking]) -> None:
    """Wait for no answer any more."""
    tasks = [thought.task for thought in thinking.values()]
    thinking.clear()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _woken_within(event: asyncio.Event, seconds: float | None) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
