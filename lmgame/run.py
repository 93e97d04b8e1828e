"""A run: many episodes against one model, in one folder, begun or continued."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmgame.budget import Budget
from lmgame.episode import EpisodePlan, EpisodeState
from lmgame.identity import begin_record, folder_of
from lmgame.lines import usage_of
from lmgame.match_plan import one_player_only
from lmgame.players import AgentMaker, check_fit, is_agent, open_players, resolved
from lmgame.request import Request
from lmgame.schedule import Scheduler
from lmgame.storing import keep
from lmgame.watch import Silent, Watcher
from lmgame_common import EndpointError
from lmgame_leaderboards import (
    EpisodeResult,
    RunFolder,
    RunRecord,
    Summary,
    document,
    episode_path,
    load_run,
    played_games,
    read_episode,
)
from lmgame_serving import EmbeddedModel, Endpoint, named


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


def _try_games(request: Request) -> str | None:
    """Make each game once, so that wrong options show before anything starts; its cartridge's SHA-256, if any."""
    rom = None
    for plan in plans(request)[:: len(request.seeds)]:
        env = plan.make()
        if cartridge := getattr(env, "cartridge", None):
            rom = cartridge.sha256
        env.close()
    return rom


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
    one_player_only(request.games)
    rom = _try_games(request)
    target, unknown = None if agent else resolved(request), None
    if isinstance(target, Endpoint):
        try:
            # Before the record is written: which model it is decides what it can be asked, and whether it is marked.
            target = await named(target)
        except EndpointError as error:
            unknown = error  # a run that is finished needs no server
    check_fit(request, target)
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
            _keep(request, folder, watcher)  # where the store could not be reached before
            watcher.note("This run is finished; --fresh plays it again, in a new folder.")
            return _result(folder)
        # The engine in this process answers one request at a time: others would only wait, and in real time pay for it.
        workers = 1 if isinstance(target, EmbeddedModel) else request.concurrency
        scheduler = Scheduler(request, folder, states, budget, watcher, workers)
        if budget.spent:
            return _result(folder, stopped="budget")
        played = False
        try:
            if unknown:
                raise unknown
            async with open_players(request, target, record.id, watcher, agent) as players:
                watcher.started(folder.path, states)
                await scheduler.play(players)
                played = True
        except EndpointError as error:
            if not played:
                raise
            if scheduler.stopped == "infrastructure":
                scheduler.problem = str(error)  # a backend that failed knows better why than those who asked it
        except asyncio.CancelledError:
            watcher.note("stopping")
            raise
        finally:
            folder.discard_if_unplayed()
            if any(state.status == "done" for state in states):
                _keep(request, folder, watcher)
        return _result(folder, scheduler.stopped, scheduler.problem)


def _read_state(state: EpisodeState, folder: RunFolder, budget: Budget) -> None:
    """What earlier sittings left of an episode. Damaged records are found here, before anything is played."""
    path = folder.episode_path(state.plan.id)
    if not path.exists():
        return
    log = read_episode(path)
    for record in log.decisions:
        usage = usage_of(record)
        budget.charge(usage, record["verdict"])
        state.tokens += usage.total
        state.decisions, state.score = state.decisions + 1, record["score"]
    if log.outcome:
        state.status, state.outcome = "done", log.outcome["outcome"]
    elif log.decisions:
        state.status = "cut off"


def _keep(request: Request, folder: RunFolder, watcher: Watcher) -> None:
    """Put what is finished into the results store, whatever becomes of the rest."""
    played = played_games(folder.path, damaged=lambda error: watcher.note(str(error)))
    keep(played, request.db, folder.path, watcher.warn)


def _result(folder: RunFolder, stopped: str | None = None, problem: str | None = None) -> RunResult:
    found = load_run(folder.path)
    if folder.finished:
        stopped = problem = None
    return RunResult(
        folder.path, found.record, found.episodes, found.summaries, folder.finished, stopped=stopped, problem=problem
    )
