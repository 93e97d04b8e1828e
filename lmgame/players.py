"""From a model's name to something that makes agents."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from lmgame.episode import EpisodePlan
from lmgame.request import AGENTS, Request
from lmgame.retry import retrying
from lmgame.watch import Watcher
from lmgame_agents import Agent, ChatAgent, Dialect, RandomAgent, Sampling, ScriptedAgent, preflight
from lmgame_common import UsageError
from lmgame_games import GameEnv, ObservationKind, Seat
from lmgame_serving import BackendSettings, Endpoint, Resolved, open_endpoint, resolve

PREFLIGHT_RETRIES = 3
"""Passing trouble is worth a few seconds of waiting; a server that stays down is better told at once."""

AgentMaker = Callable[[EpisodePlan, Any], Agent]
"""Makes an agent from its plan and what it plays: a `GameEnv`, or its `Seat` of a shared game."""


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


def resolved(request: Request, env: Mapping[str, str] | None = None) -> Resolved | None:
    """Where the model answers; None for a player of this machine. Raises UnknownNameError with the closest name."""
    if is_agent(request):
        return None
    backend = BackendSettings(
        profile=request.serve_profile or BackendSettings.profile,
        overrides=request.serve_set,
        python=request.vllm_python,
    )
    return resolve(request.model, base_url=request.base_url, env=env, also_known=AGENTS, backend=backend)


def check_fit(request: Request, target: Resolved | None) -> None:
    """Raise UsageError where a model is known not to be able to play what is asked for, or not to see it."""
    if target is None:
        return
    if target.trained_on:
        _check_trained(request, target)
    if not target.reads_text:
        _check_unread(request)
    if target.vision is False:
        _check_unseen(request)


def _check_trained(request: Request, target: Resolved) -> None:
    for preset in request.cards():
        if (asked := f"{preset.game}/{preset.preset}") not in target.trained_on:
            known = " and ".join(target.trained_on)
            raise UsageError(
                f"{request.model} was trained to play {known}, and can't play anything else; {asked} was asked for. "
                "Choose one of them, or another model."
            )


def _check_unread(request: Request) -> None:
    if request.observation in ("text", "both"):
        raise UsageError(
            f"{request.model} sees frames and reads no text. Leave out --observation, or use --observation image."
        )
    if request.history:
        raise UsageError(f"{request.model} reads no text, so earlier turns can't be shown to it. Leave out --history.")


def _check_unseen(request: Request) -> None:
    for preset in request.cards():
        if preset.observation in ("image", "both"):
            raise UsageError(
                f"The preset {preset.preset!r} of {preset.game} shows frames, and {request.model} takes no images. "
                "Choose another preset, or a model that sees."
            )
    if request.observation in ("image", "both"):
        raise UsageError(f"{request.model} takes no images. Use --observation text.")


def usual_observation(target: Resolved, *, vision: bool) -> ObservationKind:
    """What a model is shown where neither the request nor the preset says so; `vision`: whether it takes images."""
    if not target.reads_text:
        return "image"
    return "both" if vision else "text"


def sampling_of(request: Request, endpoint: Endpoint) -> Sampling:
    """The sampling settings of a run; the model's own seed is set episode by episode."""
    return Sampling(
        temperature=request.temperature,
        top_p=request.top_p,
        max_tokens=request.max_tokens,
        reasoning_effort=request.reasoning_effort,
        structured=endpoint.structured_outputs if request.structured is None else request.structured,
        extra_body=endpoint.request_defaults,
    )


@asynccontextmanager
async def open_players(
    request: Request, target: Resolved | None, run: str, watcher: Watcher, agent: AgentMaker | None = None
) -> AsyncIterator[Players]:
    """Start what the model needs, check that it answers, and stop it again at the end.

    Args:
        request: What is to be played.
        target: Where the model answers; None for a player of this machine.
        run: The run's id, which goes into the episodes' session ids.
        watcher: Told of downloads and the like.
        agent: Makes agents of the caller's own.

    Raises:
        InfrastructureError: If the endpoint doesn't answer, or not with this key, model or kind of observation.
    """
    if agent is not None:
        yield Players(agent, settle=_observing(request, "both"), about={})
        return
    if target is None:
        if request.model == "human":
            from lmgame_agents.human import open_display

            open_display()  # complains now if there is none
        yield Players(_local(request), settle=lambda plan: plan, about={})
        return
    async with open_endpoint(
        target, concurrency=request.concurrency, progress=watcher.fetched, note=watcher.note
    ) as endpoint:
        from lmgame_agents import ChatClient  # slow to load, and players of this machine don't need it

        client = ChatClient(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key,
            model=endpoint.model,
            extra_headers=endpoint.extra_headers,
            request_timeout=request.request_timeout,
            idle_timeout=request.idle_timeout,
        )
        client.dialect = Dialect(token_limit=endpoint.max_tokens_parameter)
        try:
            watcher.note(f"asking {endpoint.model} at {endpoint.base_url} whether it answers")
            sampling = sampling_of(request, endpoint)
            wants_images = _wants_images(request, endpoint)
            found = await retrying(
                lambda: preflight(client, wants_images=wants_images, sampling=sampling),
                max_retries=min(PREFLIGHT_RETRIES, request.max_retries),
                on_fault=lambda fault, pause: watcher.note(str(fault)),
            )

            def make(plan: EpisodePlan, env: GameEnv[Any, Any] | Seat) -> Agent:
                assert plan.observation is not None
                return ChatAgent(
                    client,
                    plan.card,
                    observation_kind=plan.observation,
                    session_id=f"{run}-{plan.id}",
                    sampling=replace(sampling, seed=plan.sampling_seed),
                    history=request.history,
                    realtime=plan.realtime,
                    reasoning=found.reasoning,
                )

            settle = _observing(request, usual_observation(endpoint, vision=found.vision))
            about: dict[str, Any] = {"model": endpoint.model, "provider": endpoint.provider}
            about |= {"structured": sampling.structured, "reference": bool(endpoint.trained_on)}
            about |= {"backend": dict(endpoint.backend)} if endpoint.backend else {}
            yield Players(make, settle, about)
        finally:
            await client.close()


def _wants_images(request: Request, endpoint: Endpoint) -> bool | None:
    """Whether any game must be seen (True), none is (False), or it depends on the model (None)."""
    kinds = {request.observation or preset.observation for preset in request.cards()}
    if kinds & {"image", "both"} or not endpoint.reads_text:
        return True
    return False if kinds == {"text"} or endpoint.vision is False else None


def _observing(request: Request, default: ObservationKind) -> Callable[[EpisodePlan], EpisodePlan]:
    def settle(plan: EpisodePlan) -> EpisodePlan:
        return replace(plan, observation=request.observation or plan.card.observation or default)

    return settle


def _local(request: Request) -> AgentMaker:
    def make(plan: EpisodePlan, env: GameEnv[Any, Any] | Seat) -> Agent:
        if request.model == "random":
            return RandomAgent(env, plan.sampling_seed)
        if request.model == "scripted":
            return ScriptedAgent(env)
        if isinstance(env, Seat):
            raise UsageError(f"People can't play matches of {env.card.game} yet. Choose models, random or scripted.")
        # Opening a window pulls in a graphics library that no other player needs.
        from lmgame_agents.human import HumanAgent

        return HumanAgent(env)

    return make
