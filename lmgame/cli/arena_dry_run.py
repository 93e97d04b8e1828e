"""`--dry-run` of `lmgame arena` and `lmgame match`: what would be played, and how much it may come to."""

import asyncio
import json
from typing import Any

from rich.console import Console

from lmgame.arenas.contenders import contenders_of
from lmgame.arenas.play import begin_arena, folder_of
from lmgame.arenas.request import ArenaRequest
from lmgame.arenas.schedule import meetings_of
from lmgame.arenas.sitting import players_of
from lmgame.cli.dry_run import environment_with_keys
from lmgame_common import printable
from lmgame_leaderboards import game_path, is_finished


def arena_dry_run(request: ArenaRequest, as_json: bool) -> None:
    """Print which games would be played, in their order. No model is asked, nothing is written."""
    contenders = asyncio.run(contenders_of(request, {}, env=environment_with_keys()))
    record = begin_arena(request, contenders)
    folder = folder_of(request, record)
    players = players_of(request, contenders)
    fixtures = {
        fixture.id: fixture
        for seed in request.seeds
        for meeting in meetings_of(request, players)
        for fixture in meeting.on(seed).fixtures()
    }
    paths = {name: game_path(folder, name) for name in fixtures}
    todo = [name for name in fixtures if not (paths[name].exists() and is_finished(paths[name]))]
    limit = sum(request.settings.decisions(fixtures[name].card) * len(fixtures[name].players) for name in todo)
    needs: dict[str, Any] = {
        "folder": str(folder),
        "players": [player.name for player in players.values()],
        "games": len(fixtures),
        "already_played": len(fixtures) - len(todo),
        "to_play": len(todo),
        "decisions_at_most": limit,
    }
    if request.adaptive or request.until_decided:
        needs["note"] = "which of them are played depends on results"
    if as_json:
        print(json.dumps({"needs": needs, "games": todo}, ensure_ascii=False, indent=1))
        return
    console = Console(highlight=False)
    for name in todo:
        who = " – ".join(player.name for player in fixtures[name].players)
        console.print(printable(f"{name}: {who}"), markup=False, soft_wrap=True)
    for name, value in needs.items():
        told = ", ".join(value) if isinstance(value, list) else value
        console.print(printable(f"{name.replace('_', ' ')}: {told}"), markup=False, soft_wrap=True)
