"""What `lmgame arena` and `lmgame match` print at their end: Markdown, so that it can be pasted as it is."""

import os
import shlex
from pathlib import Path

from rich.console import Console

from lmgame.arenas.result import ArenaResult, MeetingResult
from lmgame.cli.options import view_command
from lmgame.cli.replay import replay_path
from lmgame_common import printable


def report(result: ArenaResult) -> None:
    """Print the standings, how two players or a model and its copy compare, the folder and how to see a match."""
    console = Console(highlight=False)
    if result.ranked:
        from lmgame_leaderboards.standings import markdown  # slow to load, and other commands don't need it

        for game, standings in result.by_game.items():
            print(printable(f"**{game}**\n\n{markdown(standings)}"))
        if len(result.by_game) > 1:
            print(printable(f"**all games, each weighing the same**\n\n{markdown(result.standings)}"))
    for meeting in result.comparisons:
        if len(result.request.meetings()) == 1 or meeting.mirror:
            console.print(printable(comparison_of(meeting)), markup=False, soft_wrap=True)
    if result.faults:
        told = f"infrastructure faults: {result.faults}, none of which has changed a score"
        console.print(told, markup=False, soft_wrap=True)
    console.print(f"arena folder: {result.folder}", markup=False, soft_wrap=True)
    console.print(f"in the browser: {view_command(result.folder)}", markup=False, soft_wrap=True)
    for game, records in result.worth_seeing().items():
        names = [str(Path(os.path.relpath(record))) for record in records]
        out = os.path.relpath(replay_path(*records))
        command = shlex.join(["lmgame", "replay", *names, "--out", out])
        console.print(f"a match of {game}: {command}", markup=False, soft_wrap=True)


def comparison_of(meeting: MeetingResult) -> str:
    """How two players compare in a game, in one sentence or two."""
    found = meeting.comparison
    told = f"{meeting.game}: {meeting.first} – {meeting.second}: "
    told += f"difference {found.mean:+.6g}"
    if found.interval is not None:
        low, high = found.interval
        told += f" [{low:+.6g}, {high:+.6g}]"
    told += (
        f" over {found.n} pair{'s' if found.n > 1 else ''}, {found.wins} won, {found.draws} drawn, {found.losses} lost"
    )
    if meeting.decided == "equal":
        told += "; called equal"
    elif meeting.decided in ("first", "second"):
        told += f"; {meeting.first if meeting.decided == 'first' else meeting.second} is better"
    elif meeting.decided is not None:
        told += "; not decided yet, --pairs allows for no more"
    elif found.more_pairs is not None and not meeting.mirror:
        told += f"; about {found.more_pairs} more pairs would tell them apart"
    return told
