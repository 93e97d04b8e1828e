"""Who plays in an arena: found out before anything starts, opened once, and stopped at the end."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from lmgame.arenas.board import ArenaWatcher
from lmgame.arenas.request import ArenaRequest
from lmgame.identity import player_record
from lmgame.players import AgentMaker, Players, check_fit, is_agent, open_players, resolved
from lmgame.request import Request
from lmgame.watch import Silent
from lmgame_agents import InfrastructureError
from lmgame_common import EndpointError, LmgameError
from lmgame_leaderboards import PlayerRecord
from lmgame_serving import EmbeddedModel, Endpoint, Resolved, named


@dataclass(frozen=True)
class Contender:
    """One model of an arena."""

    request: Request
    """What is asked of it, as `lmgame play` would be."""
    target: Resolved | None
    record: PlayerRecord
    agent: AgentMaker | None = None
    unknown: EndpointError | None = None
    """Why its endpoint couldn't be asked which model it has."""

    @property
    def free(self) -> bool:
        """Whether it costs nothing: a player of this machine."""
        return self.agent is not None or is_agent(self.request)

    @property
    def one_at_a_time(self) -> bool:
        """Whether it answers one request at a time: an engine in this process. Others would only wait."""
        return self.agent is None and isinstance(self.target, EmbeddedModel)

    def copy(self) -> PlayerRecord:
        """The record of its copy, in a match against itself."""
        return self.record.model_copy(update={"copy_number": 1})


async def contenders_of(
    request: ArenaRequest, agents: Mapping[str, AgentMaker], env: Mapping[str, str] | None = None
) -> dict[str, Contender]:
    """All models of a request, by name.

    Args:
        request: What is asked for.
        agents: Makers of agents of the caller's own, by model.
        env: Where keys are looked for instead of this process's environment; servers are then not asked which model
            they have.

    Raises:
        UsageError: For a model that can't play what is asked for.
        UnknownNameError: For a model that nothing is known of.
    """
    found = await asyncio.gather(*(_contender(request.request_of(m), agents.get(m), env) for m in request.models))
    return dict(zip(request.models, found, strict=True))


async def _contender(request: Request, agent: AgentMaker | None, env: Mapping[str, str] | None) -> Contender:
    target, unknown = None if agent else resolved(request, env), None
    if isinstance(target, Endpoint) and env is None:
        try:
            target = await named(target)
        except EndpointError as error:
            unknown = error  # an arena that is finished needs no server
    check_fit(request, target)
    return Contender(request, target, player_record(request, target), agent, unknown)


@dataclass
class Opened:
    """Contenders that are ready to play, and those that are not."""

    players: dict[str, Players] = field(default_factory=dict)
    """By model."""
    failed: dict[str, LmgameError] = field(default_factory=dict)
    """By model: why it can't play; grows when an engine turns out to have failed meanwhile."""


class _Notes(Silent):
    """Passes on what is told while a model is opened."""

    def __init__(self, watcher: ArenaWatcher) -> None:
        self.note, self.warn, self.fetched = watcher.note, watcher.warn, watcher.fetched


@asynccontextmanager
async def open_contenders(
    contenders: Mapping[str, Contender], arena: str, watcher: ArenaWatcher
) -> AsyncIterator[Opened]:
    """Start what each model needs, all at once; stop it again at the end.

    A model that doesn't answer is among the `failed`; the others play.

    Args:
        contenders: By model.
        arena: The arena's id, which goes into the games' session ids.
        watcher: Told of downloads and the like.

    Raises:
        UsageError: For what a model turns out not to be able to do, such as taking images.
    """
    opened, closing = Opened(), asyncio.Event()
    ready = {model: asyncio.get_running_loop().create_future() for model in contenders}

    async def hold(model: str, contender: Contender) -> None:
        # A task of its own: what is entered here must be left here, and all are entered at once.
        told = ready[model]
        try:
            if contender.unknown:
                raise contender.unknown
            async with open_players(
                contender.request, contender.target, arena, _Notes(watcher), contender.agent
            ) as players:
                opened.players[model] = players
                told.set_result(None)
                await closing.wait()
        except (EndpointError, InfrastructureError) as error:
            opened.failed[model] = error
            watcher.warn(f"{contender.record.name} can't play: {error}")
        except LmgameError as error:
            if told.done():
                raise
            told.set_exception(error)
        finally:
            if not told.done():
                told.set_result(None)

    holders = {model: asyncio.create_task(hold(model, contender)) for model, contender in contenders.items()}
    try:
        await asyncio.gather(*ready.values())
        yield opened
    finally:
        closing.set()
        for model, holder in holders.items():
            if model not in opened.players:
                holder.cancel()
        outcomes = await asyncio.gather(*holders.values(), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, LmgameError):
            raise outcome


def concurrency_of(contenders: Mapping[str, Contender], request: ArenaRequest) -> int:
    """Games in flight at once. In real time a game must not wait for another one's engine in this process."""
    embedded = any(contender.one_at_a_time for contender in contenders.values())
    return 1 if embedded and request.settings.clock == "realtime" else request.settings.concurrency
