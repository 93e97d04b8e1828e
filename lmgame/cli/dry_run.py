"""`lmgame play --dry-run`: the exact first prompt, and what the run would need."""

import json
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from lmgame.episode import EpisodePlan, observe
from lmgame.players import is_agent, resolved
from lmgame.request import Request
from lmgame.run import begin_record, folder_of
from lmgame.untrusted import printable
from lmgame_agents import first_messages
from lmgame_games import Card


def dry_run(request: Request, as_json: bool) -> None:
    """Print what would be asked first, and how much it may come to. No model is asked, nothing is written."""
    target = resolved(request)
    record = begin_record(request, target)
    needs = {
        "folder": str(folder_of(request, record)),
        "endpoint": "none" if target is None else target.base_url or "started on this machine",
        "episodes": len(request.seeds) * len(request.games),
        "decisions_at_most": sum(request.decisions(c) for c in request.cards()) * len(request.seeds),
    }
    prompts = {} if is_agent(request) else {f"{c.game}/{c.preset}": _prompt(request, c) for c in request.cards()}
    if as_json:
        print(json.dumps({"needs": needs, "prompts": prompts}, ensure_ascii=False, indent=1))
        return
    console = Console(highlight=False)
    for name, messages in prompts.items():
        for message in messages:
            console.print(Rule(f"{name} · {message['role']}"))
            console.print(Text(printable(_words(message["content"]))))
    console.print(Rule("needs"))
    for name, value in needs.items():
        console.print(f"{name.replace('_', ' ')}: {value}", markup=False, soft_wrap=True)


def _prompt(request: Request, preset: Card) -> list[dict[str, Any]]:
    plan = EpisodePlan(
        card=preset, seed=request.seeds[0], max_decisions=request.decisions(preset), options=dict(request.options)
    )
    kind = request.observation or preset.observation or "both"
    env = plan.make()
    try:
        env.reset(seed=plan.seed)
        return first_messages(preset, kind, observe(env, kind, decisions_left=plan.max_decisions))
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
