"""`lmgame play`."""

import asyncio
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from lmgame.cli.display import display
from lmgame.cli.dry_run import dry_run
from lmgame.cli.replay import replay_path
from lmgame.film import film
from lmgame.request import Request, first_seeds, seed_list
from lmgame.run import RunResult, play_request
from lmgame_common import InterruptedRunError, LmgameError, UsageError, printable
from lmgame_leaderboards import markdown_table

MODEL = (
    "What plays: pico, smollm2, openai/…, vllm/…, URL#model, random, scripted, human, …; `lmgame models` lists them."
)
AGENT, BACKEND, LIMITS, OUTPUT = "The model", "vLLM, for --model vllm/MODEL", "Limits", "Output"


def play(
    model: Annotated[str, typer.Option("--model", "-m", help=MODEL, show_default=False)],
    game: Annotated[list[str], typer.Option("--game", "-g", help="What is played; may be given several times.")] = [  # noqa: B006
        "tetris"
    ],
    preset: Annotated[
        str | None, typer.Option(help="The games' parameters; `lmgame games` lists them.", show_default=False)
    ] = None,
    episodes: Annotated[
        int | None, typer.Option("--episodes", "-n", help="Episodes of each game (default 1).", show_default=False)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="First seed (default 0).", show_default=False)] = None,
    seeds: Annotated[
        str | None, typer.Option(help="The seeds themselves, such as 0,3,10-19.", show_default=False)
    ] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", "-c", help="Episodes in flight at once.")] = 4,
    clock: Annotated[
        str, typer.Option(help="paused: the game waits for the model; realtime: it goes on meanwhile.")
    ] = "paused",
    observation: Annotated[
        str | None,
        typer.Option(help="text, image or both; by default what the preset and the model allow.", show_default=False),
    ] = None,
    stage: Annotated[str | None, typer.Option(help="mario: the start stage, such as 1-2.", show_default=False)] = None,
    lives: Annotated[int | None, typer.Option(help="mario: 1 or 3.", show_default=False)] = None,
    rom: Annotated[Path | None, typer.Option(help="mario: a cartridge image of your own.", show_default=False)] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="NAME=VALUE: an option of the game's own.", show_default=False),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible endpoint.", rich_help_panel=AGENT, show_default=False)
    ] = None,
    temperature: Annotated[float | None, typer.Option(rich_help_panel=AGENT, show_default=False)] = None,
    top_p: Annotated[float | None, typer.Option(rich_help_panel=AGENT, show_default=False)] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Of one answer.", rich_help_panel=AGENT, show_default=False)
    ] = None,
    reasoning_effort: Annotated[
        str | None, typer.Option(help="For models that take it.", rich_help_panel=AGENT, show_default=False)
    ] = None,
    structured: Annotated[
        bool | None,
        typer.Option(
            "--structured/--free",
            help="Hold answers to a JSON schema, on the server.",
            rich_help_panel=AGENT,
            show_default=False,
        ),
    ] = None,
    history: Annotated[int, typer.Option(help="Earlier turns shown to the model, as text.", rich_help_panel=AGENT)] = 0,
    request_timeout: Annotated[
        float, typer.Option(help="Seconds a model may take for an answer.", rich_help_panel=AGENT)
    ] = 600.0,
    idle_timeout: Annotated[
        float, typer.Option(help="Seconds of silence that are the server's fault.", rich_help_panel=AGENT)
    ] = 120.0,
    max_retries: Annotated[
        int, typer.Option(help="Times a decision is asked again after infrastructure faults.", rich_help_panel=AGENT)
    ] = 8,
    serve_profile: Annotated[
        str | None,
        typer.Option(
            help="colocated, pd, pd-shared, … or a TOML file; `lmgame serve profiles` lists them (default colocated).",
            rich_help_panel=BACKEND,
            show_default=False,
        ),
    ] = None,
    serve_set: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY=VALUE over the profile, such as engine.max_model_len=8192.",
            rich_help_panel=BACKEND,
            show_default=False,
        ),
    ] = None,
    vllm_python: Annotated[
        str | None,
        typer.Option(
            envvar=["LMGAME_PLAY_VLLM_PYTHON", "LMGAME_VLLM_PYTHON"],
            help="The interpreter that has vLLM, where this one hasn't.",
            rich_help_panel=BACKEND,
            show_default=False,
        ),
    ] = None,
    max_decisions: Annotated[
        int | None, typer.Option(help="Of an episode.", rich_help_panel=LIMITS, show_default=False)
    ] = None,
    max_tokens_total: Annotated[
        int | None, typer.Option(help="Of the whole run.", rich_help_panel=LIMITS, show_default=False)
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="US dollars for the whole run.", rich_help_panel=LIMITS, show_default=False)
    ] = None,
    price: Annotated[
        str | None,
        typer.Option(
            help="PROMPT,COMPLETION: US dollars per million tokens, where the server reports no cost.",
            rich_help_panel=LIMITS,
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The run's folder (default runs/<id>).", rich_help_panel=OUTPUT, show_default=False),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", envvar="LMGAME_PLAY_JSON", help="One JSON document on standard output.", rich_help_panel=OUTPUT
        ),
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over, in a new folder.", rich_help_panel=OUTPUT)
    ] = False,
    dry: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            envvar="LMGAME_PLAY_DRY_RUN",
            help="Print the first prompt and what the run needs.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
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
        options=_options(option or [], stage=stage, lives=lives, rom=rom),
        concurrency=1 if model == "human" else concurrency,
        out=out,
        fresh=fresh,
        max_tokens_total=max_tokens_total,
        max_cost=max_cost,
        price=_price(price),
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


def _options(pairs: list[str], **named: Any) -> dict[str, Any]:
    options = {name: str(value) if isinstance(value, Path) else value for name, value in named.items()}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--option wants NAME=VALUE; {pair!r} is not of that form.")
        # Whole numbers as such, so that `-o lives=1` asks for the same run as `--lives 1`.
        options[name] = int(value) if value.isdecimal() else value
    return {name: value for name, value in options.items() if value is not None}


def _price(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        prompt, completion = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--price wants two numbers, PROMPT,COMPLETION, such as 0.15,0.60; not {text!r}.") from None
    if not (prompt >= 0 and completion >= 0):
        raise UsageError(f"--price must not be negative: {text!r}.")
    return prompt, completion


def _command(folder: Path | None = None) -> str:
    """The command that continues the run in `folder`: the same one, but for `--fresh`."""
    words = sys.argv[1:]
    if folder is not None and "--fresh" in words:
        named = [at for at, word in enumerate(words) if word == "--out"]
        words = [word for at, word in enumerate(words) if at not in named and at - 1 not in named]
        words = [word for word in words if word != "--fresh" and not word.startswith("--out=")]
        words += ["--out", str(folder)]
    return shlex.join(["lmgame", *words])


def _play(request: Request) -> RunResult:
    """Play with a display; says how to go on where the run ends early."""
    console = Console(stderr=True, highlight=False)
    watcher = display(console)
    try:
        with watcher:
            result = asyncio.run(play_request(request, watcher, _command))
    except (KeyboardInterrupt, InterruptedRunError):
        command = _command(watcher.folder)
        raise InterruptedRunError(f"Interrupted; all answers so far are on disk. To go on: {command}") from None
    if result.stopped == "infrastructure":
        why = f"Incomplete, through infrastructure: {result.problem}\nTo go on: {_command(result.folder)}"
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
