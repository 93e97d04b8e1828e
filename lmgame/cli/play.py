"""`lmgame play`."""

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lmgame.cli import options
from lmgame.cli.display import display
from lmgame.cli.dry_run import dry_run
from lmgame.cli.replay import replay_path
from lmgame.film import film
from lmgame.request import Request, first_seeds, seed_list
from lmgame.run import RunResult, play_request
from lmgame_common import InterruptedRunError, LmgameError, UsageError, printable
from lmgame_leaderboards import markdown_table


def play(
    model: Annotated[str, typer.Option("--model", "-m", help=options.MODEL, show_default=False)],
    game: Annotated[list[str], typer.Option("--game", "-g", help="What is played; may be given several times.")] = [  # noqa: B006
        "tetris"
    ],
    preset: options.Preset = None,
    episodes: Annotated[
        int | None, typer.Option("--episodes", "-n", help="Episodes of each game (default 1).", show_default=False)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="First seed (default 0).", show_default=False)] = None,
    seeds: Annotated[
        str | None, typer.Option(help="The seeds themselves, such as 0,3,10-19.", show_default=False)
    ] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", "-c", help="Episodes in flight at once.")] = 4,
    clock: options.Clock = "paused",
    observation: options.Observation = None,
    stage: options.Stage = None,
    lives: options.Lives = None,
    rom: options.Rom = None,
    option: options.GameOption = None,
    base_url: options.BaseUrl = None,
    temperature: options.Temperature = None,
    top_p: options.TopP = None,
    max_tokens: options.MaxTokens = None,
    reasoning_effort: options.ReasoningEffort = None,
    structured: options.Structured = None,
    history: options.History = 0,
    request_timeout: options.RequestTimeout = 600.0,
    idle_timeout: options.IdleTimeout = 120.0,
    max_retries: options.MaxRetries = 8,
    serve_profile: options.ServeProfile = None,
    serve_set: options.ServeSet = None,
    vllm_python: Annotated[str | None, options.vllm_python("PLAY")] = None,
    max_decisions: options.MaxDecisions = None,
    max_tokens_total: Annotated[
        int | None, typer.Option(help="Of the whole run.", rich_help_panel=options.LIMITS, show_default=False)
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(help="US dollars for the whole run.", rich_help_panel=options.LIMITS, show_default=False),
    ] = None,
    price: Annotated[
        str | None,
        typer.Option(
            help="PROMPT,COMPLETION: US dollars per million tokens, where the server reports no cost.",
            rich_help_panel=options.LIMITS,
            show_default=False,
        ),
    ] = None,
    out: options.Out = None,
    db: options.Database = None,
    as_json: Annotated[bool, options.as_json("PLAY")] = False,
    fresh: options.Fresh = False,
    dry: Annotated[bool, options.dry_run("PLAY", "Print the first prompt and what the run needs.")] = False,
) -> None:
    """Let a model play. Asked for again, a run is completed where it was cut off."""
    if seeds is not None and (episodes is not None or seed is not None):
        raise UsageError("--seeds names the seeds itself; leave out --episodes and --seed.")
    request = Request(
        model=model,
        games=tuple(game),
        preset=preset,
        seeds=seed_list(seeds) if seeds is not None else first_seeds(1 if episodes is None else episodes, seed or 0),
        clock=clock,  # pyright: ignore[reportArgumentType]  (the request checks it)
        observation=observation,  # pyright: ignore[reportArgumentType]
        max_decisions=max_decisions,
        base_url=base_url,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        reasoning_effort=reasoning_effort,
        structured=structured,
        history=history,
        options=options.game_options(option or [], stage=stage, lives=lives, rom=rom),
        concurrency=1 if model == "human" else concurrency,
        out=out,
        db=db,
        fresh=fresh,
        max_tokens_total=max_tokens_total,
        max_cost=max_cost,
        price=options.price_of(price),
        request_timeout=request_timeout,
        idle_timeout=idle_timeout,
        max_retries=max_retries,
        serve_profile=serve_profile,
        serve_set=tuple(serve_set or ()),
        vllm_python=vllm_python,
    )
    if dry:
        dry_run(request, as_json)
        return
    result = _play(request)
    if as_json:
        print(json.dumps(result.document(), ensure_ascii=False, indent=1))
    else:
        _report(result)
    if result.stopped == "infrastructure":
        raise typer.Exit(3)


def _play(request: Request) -> RunResult:
    """Play with a display; says how to go on where the run ends early."""
    console = Console(stderr=True, highlight=False)
    watcher = display(console)
    try:
        with watcher:
            result = asyncio.run(play_request(request, watcher, options.this_command))
    except (KeyboardInterrupt, InterruptedRunError):
        command = options.this_command(watcher.folder)
        raise InterruptedRunError(f"Interrupted; all answers so far are on disk. To go on: {command}") from None
    if result.stopped == "infrastructure":
        why = f"Incomplete, through infrastructure: {result.problem}\nTo go on: {options.this_command(result.folder)}"
        console.print(printable(why), markup=False, style="red", soft_wrap=True)
    elif result.stopped == "budget":
        console.print("Stopped at the budget; the same command with a larger one goes on.")
    return result


def _report(result: RunResult) -> None:
    console = Console(highlight=False)
    # Markdown, so that it can be pasted into an issue as it is.
    request = result.run.request
    table = markdown_table(result.summary, request.model, clock=request.clock, reference=result.run.reference)
    print(printable(table))
    console.print(f"run folder: {result.folder}", markup=False, soft_wrap=True)
    console.print(f"in the browser: {options.view_command(result.folder)}", markup=False, soft_wrap=True)
    best = max((row for row in result.episodes if row.outcome), key=lambda row: row.score, default=None)
    if best is None:
        return
    record = result.episode_path(best.id)
    out = Path(os.path.relpath(replay_path(record)))
    try:
        if not out.exists():
            film(record, out)
        console.print(f"replay of {best.id}: {out}", markup=False, soft_wrap=True)
    except LmgameError as error:
        # The run itself is done and stays so.
        Console(stderr=True, highlight=False).print(f"no replay: {error}", markup=False, soft_wrap=True)
