"""`lmgame match`: two models against each other."""

from typing import Annotated

import typer

from lmgame.cli import options
from lmgame.cli.arena import (
    BudgetOption,
    ConcurrencyOption,
    GamesOption,
    ModelsOption,
    PairsOption,
    PriceOption,
    SeedOption,
    request_of,
    run_arena,
)
from lmgame_common import UsageError

TEST = "The sequential test, for --until-decided"


def match(
    model: ModelsOption,
    game: GamesOption = ["tetris"],  # noqa: B006
    preset: options.Preset = None,
    pairs: PairsOption = None,
    seed: SeedOption = 0,
    mirror: Annotated[
        bool, typer.Option("--mirror", help="One model against a copy of itself, which must come out as equal.")
    ] = False,
    until_decided: Annotated[
        bool, typer.Option("--until-decided", help="Stop once the two are told apart, or called equal.")
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
    vllm_python: Annotated[str | None, options.vllm_python("MATCH")] = None,
    max_decisions: options.MaxDecisions = None,
    budget: BudgetOption = None,
    price: PriceOption = None,
    alpha: Annotated[float, typer.Option(help="Risk of calling equal models different.", rich_help_panel=TEST)] = 0.05,
    beta: Annotated[
        float,
        typer.Option(help="Risk of calling models equal that differ by more than the margin.", rich_help_panel=TEST),
    ] = 0.05,
    margin: Annotated[
        float, typer.Option(help="Share of points about one half within which models are equal.", rich_help_panel=TEST)
    ] = 0.05,
    out: options.Out = None,
    db: options.Database = None,
    as_json: Annotated[bool, options.as_json("MATCH")] = False,
    fresh: options.Fresh = False,
    dry: Annotated[bool, options.dry_run("MATCH", "Say what would be played.")] = False,
) -> None:
    """Let two models play against each other: the same seeds, and both seats of a game that they share."""
    given = dict(locals())  # the options, by name
    if len(model) != (1 if mirror else 2):
        wanted = "one, for --mirror" if mirror else "two: --model A --model B; or one and --mirror"
        raise UsageError(f"A match wants {wanted}. {len(model)} were given; for more use lmgame arena.")
    request = request_of(given, mirror=mirror, until_decided=until_decided, alpha=alpha, beta=beta, margin=margin)
    run_arena(request, as_json=as_json, dry=dry)
