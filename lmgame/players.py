"""From a model's name to something that makes agents."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from lmgame.episode import EpisodePlan
from lmgame.request import AGENTS, Request
from lmgame.watch import Watcher
from lmgame_agents import Agent, ChatAgent, ChatClient, RandomAgent, Sampling, ScriptedAgent, preflight
from lmgame_common import UnknownNameError, UsageError
from lmgame_games import GameEnv, ObservationKind
from lmgame_serving import Resolved, known_names, open_endpoint, resolve

AgentMaker = Callable[[EpisodePlan, GameEnv[Any, Any]], Agent]


@dataclass(frozen=True)
class Players:
    """Makes one agent an episode."""

    make: AgentMaker
    settle: Callable[[EpisodePlan], EpisodePlan]
    """The same plan with what its agent sees filled in."""
    about: Mapping[str, Any]
    """What the records say of the endpoint; no secrets."""


def is_agent(request: Request) -> bool:
    """Whether the model is a player of this machine."""
    return request.model in AGENTS and request.base_url is None


def resolved(request: Request) -> Resolved | None:
    """Where the model answers; None for a player of this machine. Raises UnknownNameError with the closest name."""
    if is_agent(request):
        return None
    try:
        return resolve(request.model, base_url=request.base_url)
    except UnknownNameError:
        raise UnknownNameError("model", request.model, [*known_names(), *AGENTS]) from None


def sampling_of(request: Request, structured: bool) -> Sampling:
    """The sampling settings of a run; the model's own seed is set episode by episode."""
    given = {
        name: value
        for name in ("temperature", "top_p", "max_tokens", "reasoning_effort")
        if (value := getattr(request, name)) is not None
    }
    wants = structured if request.structured is None else request.structured
    return Sampling(**given, structured=wants)


@asynccontextmanager
async def open_players(
    request: Request, target: Resolved | None, watcher: Watcher, agent: AgentMaker | None = None
) -> AsyncIterator[Players]:
    """Start what the model needs, check that it answers, and stop it again at the end.

    Raises:
        InfrastructureError: If the endpoint doesn't answer, or not with this key, model or kind of observation.
    """
    if agent is not None:
        yield Players(agent, settle=_observing(request, "both"), about={})
        return
    if target is None:
        yield Players(_local(request), settle=lambda plan: plan, about={})
        return
    async with open_endpoint(target, concurrency=request.concurrency, progress=watcher.fetched) as endpoint:
        client = ChatClient(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key,
            model=endpoint.model,
            extra_headers=endpoint.extra_headers,
            request_timeout=request.request_timeout,
            idle_timeout=request.idle_timeout,
        )
        try:
            watcher.note(f"asking {endpoint.model} at {endpoint.base_url} whether it answers")
            kinds = {request.observation or preset.observation for preset in request.cards()}
            must_see = bool(kinds & {"image", "both"})
            found = await preflight(client, wants_images=True if must_see else False if kinds == {"text"} else None)
            if must_see and not found.vision:
                raise UsageError(f"{request.model} takes no images. Use --observation text.")
            sampling = sampling_of(request, endpoint.structured_outputs)

            def make(plan: EpisodePlan, env: GameEnv[Any, Any]) -> Agent:
                assert plan.observation is not None
                return ChatAgent(
                    client,
                    plan.card,
                    observation_kind=plan.observation,
                    session_id=plan.id,
                    sampling=replace(sampling, seed=plan.seed),
                    history=request.history,
                )

            settle = _observing(request, "both" if found.vision else "text")
            yield Players(make, settle, about={"model": endpoint.model, "provider": endpoint.provider})
        finally:
            await client.close()


def _observing(request: Request, default: ObservationKind) -> Callable[[EpisodePlan], EpisodePlan]:
    def settle(plan: EpisodePlan) -> EpisodePlan:
        return replace(plan, observation=request.observation or plan.card.observation or default)

    return settle


def _local(request: Request) -> AgentMaker:
    def make(plan: EpisodePlan, env: GameEnv[Any, Any]) -> Agent:
        if request.model == "random":
            return RandomAgent(env, plan.seed)
        if request.model == "scripted":
            return ScriptedAgent(env)
        # Opening a window pulls in a graphics library that no other player needs.
        from lmgame_agents.human import HumanAgent

        return HumanAgent(env)

    return make


def sampling_record(request: Request, structured: bool) -> dict[str, Any]:
    """The sampling settings as the run's identity holds them."""
    settings = asdict(sampling_of(request, structured))
    settings.pop("seed", None)
    return settings
