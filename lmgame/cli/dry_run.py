"""`lmgame play --dry-run`: the exact first prompt, and what the run would need."""

import json
import os
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from lmgame.episode import EpisodePlan, observe
from lmgame.identity import begin_record, folder_of
from lmgame.players import check_fit, is_agent, resolved, usual_observation
from lmgame.request import Request
from lmgame_agents import system_prompt
from lmgame_agents.prompt import turn_content
from lmgame_common import printable
from lmgame_games import Card, ObservationKind
from lmgame_serving import PROVIDERS, BackendModel, Endpoint, Resolved


def dry_run(request: Request, as_json: bool) -> None:
    """Print what would be asked first, and how much it may come to. No model is asked, nothing is written."""
    target = resolved(request, env=environment_with_keys())
    check_fit(request, target)
    record = begin_record(request, target)
    structured = bool(target and target.structured_outputs) if request.structured is None else request.structured
    usual = "text" if target is None else usual_observation(target, vision=target.vision is not False)
    needs = {
        "folder": str(folder_of(request, record)),
        "endpoint": _where(target),
        "key": _key(target),
        "episodes": len(request.seeds) * len(request.games),
        "decisions_at_most": sum(request.decisions(c) for c in request.cards()) * len(request.seeds),
    }
    cards = () if is_agent(request) else request.cards()
    prompts = {f"{c.game}/{c.preset}": _prompt(request, c, structured, usual) for c in cards}
    if as_json:
        print(json.dumps({"needs": needs, "prompts": prompts}, ensure_ascii=False, indent=1))
        return
    console = Console(highlight=False)
    for name, messages in prompts.items():
        for message in messages:
            console.print(Rule(f"{name} · {message['role']}"))
            console.print(Text(printable(_words(message["content"]))), soft_wrap=True)
    if target is not None and not target.reads_text:
        console.print(Text(f"{request.model} takes the frame and the game's name, and drops the rest.", style="dim"))
    elif usual == "both" and request.observation is None:
        console.print(Text("If the endpoint turns out to take no images, the frame is left out.", style="dim"))
    console.print(Rule("needs"))
    for name, value in needs.items():
        console.print(f"{name.replace('_', ' ')}: {value}", markup=False, soft_wrap=True)


def environment_with_keys() -> dict[str, str]:
    """This process's environment with something in place of each provider's key: where nobody is asked none is
    needed."""
    variables = [name for provider in PROVIDERS.values() for name in provider.key_variables]
    held = {name: value for name, value in os.environ.items() if value}
    return {**dict.fromkeys(variables, "unset"), **held}


def _where(target: Resolved | None) -> str:
    if target is None:
        return "none"
    if isinstance(target, BackendModel):
        profile = target.profile
        count = f"{profile.engines} vLLM engine{'s' if profile.engines > 1 else ''}"
        return f"{count} ({profile.shape}, GPUs: {profile.gpus_needed or 'none'}) started on this machine"
    return target.base_url if isinstance(target, Endpoint) else "an engine started on this machine"


def _key(target: Resolved | None) -> str:
    provider = PROVIDERS.get(target.provider) if target else None
    if provider is None or not provider.key_variables:
        return "none"
    held = any(os.environ.get(name) for name in provider.key_variables)
    return f"{' or '.join(provider.key_variables)} ({'set' if held else 'not set'})"


def _prompt(request: Request, preset: Card, structured: bool, usual: ObservationKind) -> list[dict[str, Any]]:
    plan = EpisodePlan(
        card=preset,
        seed=request.seeds[0],
        max_decisions=request.decisions(preset),
        options=request.options_of(preset.game),
    )
    kind = request.observation or preset.observation or usual
    env = plan.make()
    try:
        env.reset(seed=plan.seed)
        rules = system_prompt(preset, kind, structured=structured, realtime=request.clock == "realtime")
        content = turn_content(observe(env, kind, decisions_left=plan.max_decisions), preset)
        return [{"role": "system", "content": rules}, {"role": "user", "content": content}]
    finally:
        env.close()


def _words(content: str | list[dict[str, Any]]) -> str:
    """A message's content with each image named instead of spelled out in base64."""
    if isinstance(content, str):
        return content
    return "\n".join(
        part["text"]
        if part["type"] == "text"
        else f"[image: PNG data URI, {len(part['image_url']['url']):,} characters]"
        for part in content
    )
