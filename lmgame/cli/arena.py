"""`lmgame arena`: models against each other, every one with every other."""

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console

from lmgame.arenas.play import play_arena
from lmgame.arenas.request import PAIRS, PAIRS_AT_MOST, ArenaRequest, arena_request, budget_of
from lmgame.arenas.result import ArenaResult
from lmgame.cli import options
from lmgame.cli.arena_display import arena_display
from lmgame.cli.arena_dry_run import arena_dry_run
from lmgame.cli.arena_report import report
from lmgame_common import InterruptedRunError, printable

PLAYERS = (
    "Who plays, given once for each: pico, smollm2, openai/…, vllm/…, URL#model, random, scripted, …; `lmgame models` "
    "lists them."
)
ModelsOption = Annotated[
    list[str],
    typer.Option("--model", "-m", help=PLAYERS, show_default=False),
]
GamesOption = Annotated[
    list[str], typer.Option("--game", "-g", help="NAME or NAME/PRESET; may be given several times.")
]
PairsOption = Annotated[
    int | None,
    typer.Option(
        help="Seeds on which any two models meet in a game, in both seat orders where they share it "
        f"(default {PAIRS}, or up to {PAIRS_AT_MOST} where results or a budget decide).",
        show_default=False,
    ),
]
ConcurrencyOption = Annotated[int, typer.Option("--concurrency", "-c", help="Games in flight at once.")]
SeedOption = Annotated[int, typer.Option(help="The first seed.")]
BudgetOption = Annotated[
    list[str] | None,
    typer.Option(
        help="games=N, tokens=N or usd=X, over all sittings; may be given several times.",
        rich_help_panel=options.LIMITS,
        show_default=False,
    ),
]
PriceOption = Annotated[
    list[str] | None,
    typer.Option(
        help="[MODEL=]PROMPT,COMPLETION: US dollars per million tokens, where the server reports no cost.",
        rich_help_panel=options.LIMITS,
        show_default=False,
    ),
]


def arena(
    model: ModelsOption,
    game: GamesOption = ["tetris"],  # noqa: B006
    preset: options.Preset = None,
    pairs: PairsOption = None,
    seed: SeedOption = 0,
    adaptive: Annotated[
        bool, typer.Option("--adaptive", help="Play where the ratings are least certain, instead of all in turn.")
    ] = False,
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Let each model also meet a copy of itself, as a control.")
    ] = False,
    concurrency: ConcurrencyOption = 4,
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
    vllm_python: Annotated[str | None, options.vllm_python("ARENA")] = None,
    max_decisions: options.MaxDecisions = None,
    budget: BudgetOption = None,
    price: PriceOption = None,
    out: options.Out = None,
    db: options.Database = None,
    as_json: Annotated[bool, options.as_json("ARENA")] = False,
    fresh: options.Fresh = False,
    dry: Annotated[bool, options.dry_run("ARENA", "Say what would be played.")] = False,
) -> None:
    """Let models play against each other. Asked for again, also with more models or pairs, it plays what is new."""
    given = dict(locals())  # the options, by name
    run_arena(request_of(given, adaptive=adaptive, mirror=mirror), as_json=as_json, dry=dry)


def request_of(given: Mapping[str, Any], **arena: Any) -> ArenaRequest:
    """The request of a command with these options.

    Args:
        given: The options' values, by the names they have in `arena`.
        arena: Fields of `ArenaRequest`.

    Raises:
        UsageError, UnknownNameError: If the request makes no sense.
    """
    shared = (
        *("preset", "concurrency", "clock", "observation", "base_url", "temperature", "top_p", "max_tokens"),
        *("reasoning_effort", "structured", "history", "request_timeout", "idle_timeout", "max_retries"),
        *("serve_profile", "vllm_python", "max_decisions", "out", "db", "fresh"),
    )
    named = {name: given[name] for name in ("stage", "lives", "rom")}
    settings = {name: given[name] for name in shared}
    settings |= {
        "options": options.game_options(given["option"] or [], **named),
        "serve_set": tuple(given["serve_set"] or ()),
    }
    price, prices = prices_of(given["price"] or [])
    return arena_request(
        tuple(given["model"]),
        tuple(given["game"]),
        seed=given["seed"],
        settings=settings | {"price": price},
        pairs=given["pairs"],
        budget=budget_of(given["budget"] or []),
        prices=prices,
        **arena,
    )


def prices_of(texts: list[str]) -> tuple[tuple[float, float] | None, dict[str, tuple[float, float]]]:
    """Read `--price`: that of all models, and those of single ones. Raises UsageError if one can't be read."""
    common, single = None, {}
    for text in texts:
        model, _, price = text.rpartition("=")
        found = options.price_of(price)
        if found is not None and model:
            single[model] = found
        else:
            common = found
    return common, single


def run_arena(request: ArenaRequest, *, as_json: bool, dry: bool) -> None:
    """Play with a display, print what came of it, and leave with 3 where infrastructure kept some from being played."""
    if dry:
        arena_dry_run(request, as_json)
        return
    console = Console(stderr=True, highlight=False)
    watcher = arena_display(console)
    try:
        with watcher:
            result = asyncio.run(play_arena(request, watcher, options.this_command))
    except (KeyboardInterrupt, InterruptedRunError):
        command = options.this_command(watcher.folder)
        raise InterruptedRunError(f"Interrupted; all answers so far are on disk. To go on: {command}") from None
    if as_json:
        print(json.dumps(result.document(), ensure_ascii=False, indent=1))
    else:
        report(result)
    _tell_stop(result, console)
    if result.stopped == "infrastructure":
        raise typer.Exit(3)


def _tell_stop(result: ArenaResult, console: Console) -> None:
    """Why something is left to be played, and how to go on."""
    if result.stopped == "infrastructure":
        why = [f"{name}: {problem}" for name, problem in result.problems.items()]
        told = "\n".join(
            [
                f"Incomplete, through infrastructure: {result.unfinished} games are not over.",
                *why,
                f"To go on: {options.this_command(result.folder)}",
            ]
        )
        console.print(printable(told), markup=False, style="red", soft_wrap=True)
    elif result.stopped == "budget":
        console.print("Stopped at the budget; the same command with a larger one goes on.")
