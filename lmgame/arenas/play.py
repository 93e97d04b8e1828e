"""An arena from its request to its result."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from lmgame.arenas.board import ArenaWatcher, Unwatched
from lmgame.arenas.contenders import Contender, contenders_of, open_contenders
from lmgame.arenas.request import ArenaRequest
from lmgame.arenas.result import ArenaResult
from lmgame.arenas.runner import ArenaRunner
from lmgame.arenas.sitting import Sitting, players_of
from lmgame.identity import told_hash, versions_here
from lmgame.players import AgentMaker
from lmgame.storing import keep
from lmgame_games import make, make_shared
from lmgame_leaderboards import (
    ArenaFolder,
    ArenaRecord,
    ArenaRequestRecord,
    GameRequest,
    arena_path,
    fresh_folder,
)


def try_games(request: ArenaRequest) -> str | None:
    """Make each game once, so that wrong options show before anything starts; the SHA-256 of a cartridge, if any."""
    rom = None
    for card in request.settings.cards():
        build = make if card.seats == 1 else make_shared
        env = build(card.game, card.preset, **request.settings.options_of(card.game))
        if cartridge := getattr(env, "cartridge", None):
            rom = cartridge.sha256
        env.close()  # type: ignore[attr-defined]
    return rom


def begin_arena(request: ArenaRequest, contenders: Mapping[str, Contender], rom: str | None = None) -> ArenaRecord:
    """The record of an arena that begins now; its id is the identity of what may not change."""
    settings = request.settings
    fixed = ArenaRequestRecord(
        games=[
            GameRequest(game=c.game, preset=c.preset, version=c.version, options=settings.options_of(c.game))
            for c in settings.cards()
        ],
        seed=request.seed,
        sampling={
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "max_tokens": settings.max_tokens,
            "reasoning_effort": settings.reasoning_effort,
            "request_timeout": settings.request_timeout,  # an answer that takes longer counts as a timeout
        },
        observation=settings.observation,
        history=settings.history,
        clock=settings.clock,
        max_decisions=settings.max_decisions,
        structured=settings.structured,
    )
    return ArenaRecord.begin(
        fixed,
        players_of(request, contenders).values(),
        versions_here(rom),
        prompt_hashes={f"{card.game}/{card.preset}": told_hash(settings, card) for card in settings.cards()},
    )


def folder_of(request: ArenaRequest, record: ArenaRecord) -> Path:
    """Where the arena goes: `--out`, else `runs/arena-<id>`; with `--fresh` the first such name that is not taken."""
    path = request.settings.out or arena_path(record.id)
    return fresh_folder(path) if request.settings.fresh else path


async def play_arena(
    request: ArenaRequest,
    watcher: ArenaWatcher | None = None,
    command: Callable[[Path], str] = lambda folder: "",
    agents: Mapping[str, AgentMaker] | None = None,
) -> ArenaResult:
    """Play what is asked for, or what is missing of it.

    Args:
        request: Who meets whom, in what.
        watcher: Told of the progress.
        command: From the arena's folder to the command that continues it, for its record.
        agents: Makers of agents of the caller's own, by model; such a model is only a name in the records.

    Raises:
        UsageError, UnknownNameError: If the request makes no sense.
        RecordError: If the folder or a record in it can't be used.
        LmgameError: If no two models can be brought to play; nothing has been played then.
    """
    watcher = watcher or Unwatched()
    rom = try_games(request)
    contenders = await contenders_of(request, agents or {})
    record = begin_arena(request, contenders, rom)
    path = folder_of(request, record)
    record.command = command(path)
    with ArenaFolder.open(path, record) as folder:
        sitting = Sitting(request, folder, contenders)
        try:
            runner = await _play(sitting, watcher)
        except asyncio.CancelledError:
            watcher.note("stopping")
            raise
        finally:
            folder.discard_if_unplayed()
            if sitting.board.played:
                keep(sitting.board.played.values(), request.settings.db, folder.path, watcher.warn)
        # A budget that the last game has used up stops nothing.
        stopped = runner.stopped if runner else "budget" if sitting.exhausted else None
        unfinished = len(sitting.board.entries) - sitting.board.done
        names = {player.key: player.name for player in sitting.players.values()}
        return ArenaResult(
            folder=folder.path,
            arena=folder.record,
            request=request,
            players=sitting.players,
            played=sitting.board.played,
            schedule=sitting.schedule,
            faults=sum(entry.state.faults for entry in sitting.board.entries.values()),
            unfinished=unfinished,
            stopped=stopped if unfinished or stopped != "budget" else None,
            problems={names[key]: problem for key, problem in runner.problems.items()} if runner else {},
        )


async def _play(sitting: Sitting, watcher: ArenaWatcher) -> ArenaRunner | None:
    """Play until nothing is left or nothing more can be done; None if there was nothing to do, or nothing to spend."""
    folder, board = sitting.folder, sitting.board
    if not (todo := sitting.look() or sitting.next()):
        watcher.note("All of this arena is played; --fresh plays it again, in a new folder.")
        return None
    if sitting.exhausted:
        return None
    async with open_contenders(sitting.contenders, folder.record.id, watcher) as opened:
        runner = ArenaRunner(sitting, opened, watcher)
        if not _anything(sitting, runner.down):
            raise next(iter(opened.failed.values()))
        watcher.began(folder.path, board)
        while todo and not runner.ended:
            await runner.play(todo)
            todo = sitting.next()
    for model, fault in opened.failed.items():
        # An engine that failed knows better why than those who asked it.
        runner.problems |= {key: str(fault) for key, of in sitting.by_key.items() if of.request.model == model}
    return runner


def _anything(sitting: Sitting, down: set[str]) -> bool:
    """Whether anybody is left to play anything."""
    for meeting in sitting.meetings:
        gone = len(down.intersection((meeting.first.key, meeting.second.key)))
        if gone == 0 or (gone == 1 and meeting.card.seats == 1):
            return True
    return False
