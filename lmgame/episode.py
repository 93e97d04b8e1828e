"""One episode, from its first decision or from where its record was cut off."""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from lmgame.lines import check_score, decision_of, record_of
from lmgame.retry import Stop, retrying
from lmgame.turn import play_turn
from lmgame_agents import Agent, Decision, InfrastructureError, Observation, Verdict
from lmgame_games import Card, GameEnv, ObservationKind, Seat, frame_of, game, make
from lmgame_leaderboards import EpisodeWriter, StillsWriter, episode_id, read_episode

COPIES_APART = 2**30
"""How far the sampling seeds of a model's copies lie apart; half of the seeds there are."""


@dataclass(frozen=True, kw_only=True)
class EpisodePlan:
    """What one episode is: a card, a seed, limits."""

    card: Card
    seed: int
    max_decisions: int
    realtime: bool = False
    observation: ObservationKind | None = None
    """None for agents that look at the environment itself."""
    options: Mapping[str, Any] = field(default_factory=dict)
    max_retries: int = 8
    name: str | None = None
    """What the episode is called where game, preset and seed don't tell it apart: in matches."""
    copy_number: int = 0
    """1 for the second copy of a model that plays against itself."""

    @property
    def id(self) -> str:
        """Names the episode within its run, and its file."""
        return self.name or episode_id(self.card.game, self.card.preset, self.seed)

    @property
    def sampling_seed(self) -> int:
        """What the player's own chance begins with: the game's seed, but for a copy another, so that two copies of a
        model sample apart."""
        return (self.seed + self.copy_number * COPIES_APART) % (2 * COPIES_APART)

    def make(self) -> GameEnv[Any, Any]:
        """The environment, not yet reset."""
        return make(self.card.game, self.card.preset, **self.options)


@dataclass(slots=True)
class EpisodeState:
    """Where an episode stands; what a live display reads."""

    plan: EpisodePlan
    env: GameEnv[Any, Any] | None = None
    decisions: int = 0
    score: float = 0.0
    tokens: int = 0
    latency: float | None = None
    faults: int = 0
    last_fault: str = ""
    """The last infrastructure fault, in words; from a server, so show it as `printable` only."""
    status: str = "waiting"
    outcome: str | None = None


def observe(env: GameEnv[Any, Any] | Seat, kind: ObservationKind | None, **rest: Any) -> Observation:
    """What an agent that sees `kind` gets for the present state."""
    return Observation(
        text=env.text() if kind in ("text", "both") else None,
        frame=frame_of(cast(Any, env)) if kind in ("image", "both") else None,
        legal_moves=env.legal_moves(),
        **rest,
    )


class Episode:
    """Plays one episode into its record."""

    def __init__(
        self,
        plan: EpisodePlan,
        path: Path,
        header: Mapping[str, Any],
        make_agent: Callable[[EpisodePlan, Any], Agent],
        state: EpisodeState,
        on_answer: Callable[[Decision], None],
        on_change: Callable[[EpisodeState], None],
        stop: Stop,
    ) -> None:
        self.plan, self.path, self.header, self.state = plan, path, dict(header), state
        self._make_agent, self._stop = make_agent, stop
        self._on_answer, self._on_change = on_answer, on_change
        self._slow = game(plan.card.game).threads
        self._stills: StillsWriter | None = None
        self._frames = 0
        """Of the game's own time since its beginning; counted where stills are kept."""
        self._unusable = 0
        self._feedback: str | None = None
        self._over = False

    async def play(self) -> None:
        """Play to the end, or until the run is stopped; the state's `status` tells which.

        Raises:
            InfrastructureError: When the server is at fault for good; the episode can be continued later.
            RecordError: When the record can't be continued or written.
        """
        env = self.plan.make()
        writer = EpisodeWriter.open(self.path, self.header)
        agent: Agent | None = None
        try:
            await self._away(lambda: self._begin(env))
            agent = self._make_agent(self.plan, env)
            self.state.env, self.state.decisions, self.state.tokens = env, 0, 0
            await self._catch_up(env, agent)
            if self._stills:
                self._stills.publish()
            self.state.status = "playing"
            self._on_change(self.state)
            while not self._ended(env):
                if self._stop.is_set():
                    self.state.status = "stopped"
                    return
                await self._decide(env, agent, writer)
                # Agents that never wait would keep every other episode and the display from running.
                await asyncio.sleep(0)
            writer.outcome(outcome=self.state.outcome, score=env.score, decisions=self.state.decisions)
            self.state.status = "done"
        finally:
            writer.close()
            if self._stills:
                self._stills.close()
            self._on_change(self.state)
            self.state.env = None
            if close := getattr(agent, "close", None):
                close()
            env.close()

    def _begin(self, env: GameEnv[Any, Any]) -> None:
        _, info = env.reset(seed=self.plan.seed)
        if self._slow:
            # Drawn here once, because whoever wants to see the end later would have to wait for all moves before it.
            self._stills = StillsWriter(self.path)
            self._count(info)
            self._keep(env)

    def _count(self, info: Mapping[str, Any]) -> None:
        self._frames += info.get("frames", 0)

    def _keep(self, env: GameEnv[Any, Any]) -> None:
        """Keep the game as it stands; before the record says that it does, so that readers find both."""
        if self._stills:
            self._stills.add(frame_of(env), env.text(), score=env.score, seconds=self._frames / self.plan.card.fps)

    async def _catch_up(self, env: GameEnv[Any, Any], agent: Agent) -> None:
        """Re-play what is logged, and let the agent recall it."""
        log = read_episode(self.path)
        self.state.faults = len(log.faults)
        # A recalled turn needs no frame: only the newest turn ever carries one.
        kind: ObservationKind | None = "text" if self.plan.observation else None
        for record in log.decisions:
            decision, waited = decision_of(record, self.plan.card, self.path), record.get("waited", 0)
            agent.recall(self._observation(env, kind), decision)
            await self._away(lambda decision=decision, waited=waited: self._apply(env, decision, waited))
            check_score(env.score, record, self.path)
            if record["index"] % 64 == 0:
                await asyncio.sleep(0)

    def _observation(self, env: GameEnv[Any, Any], kind: ObservationKind | None) -> Observation:
        return observe(
            env,
            kind,
            feedback=self._feedback,
            decisions_left=self.plan.max_decisions - self.state.decisions,
            index=self.state.decisions,
        )

    async def _decide(self, env: GameEnv[Any, Any], agent: Agent, writer: EpisodeWriter) -> None:
        index = self.state.decisions

        def on_fault(fault: InfrastructureError, pause: float | None) -> None:
            self.state.faults += 1
            then = "" if pause is None else f"; asking again in {pause:.0f} s"
            self.state.last_fault = f"{fault.kind}: {fault}{then}"
            writer.fault(index=index, kind=fault.kind, message=str(fault))
            self._on_change(self.state)

        observation = self._observation(env, self.plan.observation)
        decision = await retrying(
            lambda: agent.act(observation), max_retries=self.plan.max_retries, on_fault=on_fault, stop=self._stop
        )
        waited = math.floor(decision.latency.total * self.plan.card.fps) if self.plan.realtime else 0

        def settle() -> None:
            played = self._apply(env, decision, waited)
            writer.decision(index=index, **record_of(decision), played=played, waited=waited, score=env.score)

        await self._away(settle)
        self._on_answer(decision)
        self._on_change(self.state)

    async def _away(self, work: Callable[[], object]) -> None:
        """Do what takes a game long in a worker thread; to its end, even if the run is interrupted meanwhile."""
        if not self._slow:
            work()
            return
        task = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await task
            raise

    def _apply(self, env: GameEnv[Any, Any], decision: Decision, waited: int) -> int:
        usable = decision.verdict is Verdict.OK
        after_step = self._count if self._stills else None
        turn = play_turn(env, decision.moves, usable=usable, waited=waited, after_step=after_step)
        self._keep(env)
        state = self.state
        state.decisions += 1
        state.score = env.score
        state.tokens += decision.usage.total
        state.latency = decision.latency.total
        self._feedback = decision.problem
        self._unusable = 0 if usable else self._unusable + 1
        self._over = turn.over
        return turn.played

    def _ended(self, env: GameEnv[Any, Any]) -> bool:
        """Whether the episode is over; if so, why goes into the state."""
        if self._over:
            self.state.outcome = env.outcome()
        elif self._unusable >= self.plan.card.forfeit_after:
            self.state.outcome = "forfeit"
        elif self.state.decisions >= self.plan.max_decisions:
            self.state.outcome = "decision_limit"
        return self.state.outcome is not None
