"""A run: many episodes against one model, in one folder, begun or continued."""

import asyncio
import hashlib
import platform
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lmgame.budget import Budget
from lmgame.episode import Episode, EpisodePlan, EpisodeState
from lmgame.lines import usage_of
from lmgame.players import AgentMaker, Players, check_sight, is_agent, open_players, resolved
from lmgame.request import Request
from lmgame.retry import GaveUpError, Stop
from lmgame.watch import Silent, Watcher
from lmgame_agents import Decision, InfrastructureError, Verdict, prompt_hash
from lmgame_games import Card, ObservationKind
from lmgame_leaderboards import (
    EpisodeResult,
    RunFolder,
    RunRecord,
    Summary,
    Versions,
    document,
    episode_path,
    fresh_folder,
    load_run,
    read_episode,
    run_path,
)
from lmgame_serving import EmbeddedModel, Endpoint, Resolved

PACKAGES = ("numpy", "gymnasium", "nes-py", "gym-super-mario-bros", "xllamacpp", "openai", "pillow")
"""Packages whose versions a run's record names, because games and engines stand on them."""

INCOMPLETE = (Verdict.REFUSED, Verdict.TIMEOUT)
"""Verdicts of answers that servers report no token counts for."""

KINDS: tuple[ObservationKind, ...] = ("text", "image", "both")

GIVE_UP_AFTER = 3
"""Episodes put off in a row, with no answer to any episode in between, after which the server counts as down."""


@dataclass(frozen=True)
class RunResult:
    """What a run came to."""

    folder: Path
    run: RunRecord
    episodes: list[EpisodeResult]
    """Those begun, in the order asked for; the outcome of one that was cut off is None."""
    summary: list[Summary]
    complete: bool
    stopped: str | None = None
    """Why the run is incomplete: `budget` or `infrastructure`; None if it is complete."""
    problem: str | None = None
    """The fault behind `infrastructure`, in words."""

    def document(self) -> dict[str, Any]:
        """The same as one JSON document, as `--json` prints it."""
        return document(self.run, self.episodes, self.summary)

    def episode_path(self, episode: str) -> Path:
        """The record of an episode, by its id."""
        return episode_path(self.folder, episode)


def plans(request: Request) -> list[EpisodePlan]:
    """The episodes a request asks for; what their agents see is not yet settled."""
    return [
        EpisodePlan(
            card=preset,
            seed=seed,
            max_decisions=request.decisions(preset),
            realtime=request.clock == "realtime",
            options=request.options_of(preset.game),
            max_retries=request.max_retries,
        )
        for preset in request.cards()
        for seed in request.seeds
    ]


def begin_record(request: Request, target: Resolved | None, rom: str | None = None) -> RunRecord:
    """The record a new run of this request begins with; its id is the request's identity."""
    cards = request.cards()
    fixed = {
        "model": request.model,
        "base_url": target.base_url if isinstance(target, Endpoint) else None,
        "games": [
            {"game": c.game, "preset": c.preset, "version": c.version, "options": request.options_of(c.game)}
            for c in cards
        ],
        "seeds": list(request.seeds),
        "sampling": {
            "temperature": request.temperature,
            "top_p": request.top_p,
            "max_tokens": request.max_tokens,
            "reasoning_effort": request.reasoning_effort,
        },
        "observation": request.observation,
        "history": request.history,
        "clock": request.clock,
        "max_decisions": request.max_decisions,
        "structured": request.structured,
    }
    versions = Versions(
        lmgame=version("lmgame"),
        python=platform.python_version(),
        packages={name: found for name in PACKAGES if (found := _version(name))},
        rom=rom,
    )
    return RunRecord.begin(
        fixed,
        versions,
        prompt_hashes={} if target is None else {f"{c.game}/{c.preset}": _prompt_hash(request, c) for c in cards},
        baselines={f"{c.game}/{c.preset}": c.baselines for c in cards},
    )


def _prompt_hash(request: Request, preset: Card) -> str:
    """Hash of everything fixed that a model may be told under that card; what it will see is found out later."""
    hashes = [
        prompt_hash(preset, kind, structured=structured, realtime=request.clock == "realtime", history=request.history)
        for kind in KINDS
        for structured in (False, True)
    ]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _try_games(request: Request) -> str | None:
    """Make each game once, so that wrong options show before anything starts; its cartridge's SHA-256, if any."""
    rom = None
    for plan in plans(request)[:: len(request.seeds)]:
        env = plan.make()
        if cartridge := getattr(env, "cartridge", None):
            rom = cartridge.sha256
        env.close()
    return rom


def folder_of(request: Request, record: RunRecord) -> Path:
    """Where the run goes: `--out`, else `runs/<id>`; with `--fresh` the first such name that is not taken."""
    path = request.out or run_path(record.id)
    return fresh_folder(path) if request.fresh else path


async def play_request(
    request: Request,
    watcher: Watcher | None = None,
    command: Callable[[Path], str] = lambda folder: "",
    agent: AgentMaker | None = None,
) -> RunResult:
    """Play what is asked for, or what is missing of it.

    Args:
        request: What to play.
        watcher: Told of the progress.
        command: From the run's folder to the command that continues the run, for its record.
        agent: Makes an agent for each episode; the request's model is then only its name in the records, and no
            endpoint is asked.

    Raises:
        UsageError, UnknownNameError: If the request makes no sense.
        RecordError: If the folder or a record in it can't be used.
        InfrastructureError: If the endpoint doesn't answer at all; nothing has been played then.
    """
    watcher = watcher or Silent()
    rom = _try_games(request)
    target = None if agent else resolved(request)
    check_sight(request, target)
    record = begin_record(request, target, rom)
    path = folder_of(request, record)
    record.command = command(path)
    with RunFolder.open(path, record) as folder:
        todo = plans(request)
        states = [EpisodeState(plan) for plan in todo]
        # Players of this machine cost nothing.
        budget = Budget() if is_agent(request) else Budget(request.max_tokens_total, request.max_cost, request.price)
        for state in states:
            _read_state(state, folder, budget)
        if folder.finished:
            watcher.note("This run is finished; --fresh plays it again, in a new folder.")
            return _result(folder)
        # The engine in this process answers one request at a time: others would only wait, and in real time pay for it.
        workers = 1 if isinstance(target, EmbeddedModel) else request.concurrency
        scheduler = _Scheduler(request, folder, states, budget, watcher, workers)
        if budget.spent:
            return _result(folder, stopped="budget")
        try:
            async with open_players(request, target, record.id, watcher, agent) as players:
                watcher.started(folder.path, states)
                await scheduler.play(players)
        except asyncio.CancelledError:
            watcher.note("stopping")
            raise
        finally:
            folder.discard_if_unplayed()
        return _result(folder, scheduler.stopped, scheduler.problem)


def _read_state(state: EpisodeState, folder: RunFolder, budget: Budget) -> None:
    """What earlier sittings left of an episode. Damaged records are found here, before anything is played."""
    path = folder.episode_path(state.plan.id)
    if not path.exists():
        return
    log = read_episode(path)
    for record in log.decisions:
        usage = usage_of(record)
        budget.charge(usage, whole=record["verdict"] not in INCOMPLETE)
        state.tokens += usage.total
        state.decisions, state.score = state.decisions + 1, record["score"]
    if log.outcome:
        state.status, state.outcome = "done", log.outcome["outcome"]
    elif log.decisions:
        state.status = "cut off"


def _result(folder: RunFolder, stopped: str | None = None, problem: str | None = None) -> RunResult:
    found = load_run(folder.path)
    return RunResult(
        folder.path, found.record, found.episodes, found.summaries, folder.finished, stopped=stopped, problem=problem
    )


class _Scheduler:
    """Keeps `concurrency` episodes in flight until all are over, the budget is spent or the server is down."""

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
        self.problem: str | None = None

    async def play(self, players: Players) -> None:
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
        self._budget.charge(decision.usage, whole=decision.verdict not in INCOMPLETE)
        if self._budget.spent:
            self._end("budget")

    def _end(self, why: str) -> None:
        self.stopped = self.stopped or why
        self._stop.set()
