"""Options that several commands share, and what is made of their texts."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.models import OptionInfo

from lmgame_common import UsageError

MODEL = (
    "What plays: pico, smollm2, openai/…, vllm/…, URL#model, random, scripted, human, …; `lmgame models` lists them."
)
AGENT, BACKEND, LIMITS, OUTPUT = "The model", "vLLM, for --model vllm/MODEL", "Limits", "Output"


def _agent(text: str | None = None, *names: str) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=AGENT, show_default=False)


Preset = Annotated[
    str | None, typer.Option(help="The games' parameters; `lmgame games` lists them.", show_default=False)
]
Clock = Annotated[str, typer.Option(help="paused: the game waits for the model; realtime: it goes on meanwhile.")]
Observation = Annotated[
    str | None,
    typer.Option(help="text, image or both; by default what the preset and the model allow.", show_default=False),
]
Stage = Annotated[str | None, typer.Option(help="mario: the start stage, such as 1-2.", show_default=False)]
Lives = Annotated[int | None, typer.Option(help="mario: 1 or 3.", show_default=False)]
Rom = Annotated[Path | None, typer.Option(help="mario: a cartridge image of your own.", show_default=False)]
GameOption = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", help="NAME=VALUE: an option of the game's own.", show_default=False),
]

BaseUrl = Annotated[str | None, _agent("An OpenAI-compatible endpoint.")]
Temperature = Annotated[float | None, _agent()]
TopP = Annotated[float | None, _agent()]
MaxTokens = Annotated[int | None, _agent("Of one answer.")]
ReasoningEffort = Annotated[str | None, _agent("For models that take it.")]
Structured = Annotated[bool | None, _agent("Hold answers to a JSON schema, on the server.", "--structured/--free")]
History = Annotated[int, typer.Option(help="Earlier turns shown to the model, as text.", rich_help_panel=AGENT)]
RequestTimeout = Annotated[float, typer.Option(help="Seconds a model may take for an answer.", rich_help_panel=AGENT)]
IdleTimeout = Annotated[
    float, typer.Option(help="Seconds of silence that are the server's fault.", rich_help_panel=AGENT)
]
MaxRetries = Annotated[
    int, typer.Option(help="Times a decision is asked again after infrastructure faults.", rich_help_panel=AGENT)
]

ServeProfile = Annotated[
    str | None,
    typer.Option(
        help="colocated, pd, pd-shared, … or a TOML file; `lmgame serve profiles` lists them (default colocated).",
        rich_help_panel=BACKEND,
        show_default=False,
    ),
]
ServeSet = Annotated[
    list[str] | None,
    typer.Option(
        help="KEY=VALUE over the profile, such as engine.max_model_len=8192.",
        rich_help_panel=BACKEND,
        show_default=False,
    ),
]

MaxDecisions = Annotated[int | None, typer.Option(help="Of an episode.", rich_help_panel=LIMITS, show_default=False)]
Out = Annotated[
    Path | None, typer.Option(help="The run's folder (default runs/<id>).", rich_help_panel=OUTPUT, show_default=False)
]
Database = Annotated[
    str | None,
    typer.Option(
        "--db",
        help="Where results go as well: a database's URL, a file, or none (default $LMGAME_DB, or your data folder).",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start over, in a new folder.", rich_help_panel=OUTPUT)]


def vllm_python(command: str) -> OptionInfo:
    """`--vllm-python` of a command, which its own environment variable sets, or one for all commands."""
    return typer.Option(
        envvar=[f"LMGAME_{command}_VLLM_PYTHON", "LMGAME_VLLM_PYTHON"],
        help="The interpreter that has vLLM, where this one hasn't.",
        rich_help_panel=BACKEND,
        show_default=False,
    )


def as_json(command: str) -> OptionInfo:
    """`--json` of a command."""
    return typer.Option(
        "--json", envvar=f"LMGAME_{command}_JSON", help="One JSON document on standard output.", rich_help_panel=OUTPUT
    )


def dry_run(command: str, text: str) -> OptionInfo:
    """`--dry-run` of a command."""
    return typer.Option("--dry-run", envvar=f"LMGAME_{command}_DRY_RUN", help=text, rich_help_panel=OUTPUT)


def game_options(pairs: list[str], **named: Any) -> dict[str, Any]:
    """The games' own options, from `--option NAME=VALUE` and from options with names of their own.

    Raises:
        UsageError: For a text that is no pair.
    """
    options = {name: str(value) if isinstance(value, Path) else value for name, value in named.items()}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--option wants NAME=VALUE; {pair!r} is not of that form.")
        # Whole numbers as such, so that `-o lives=1` asks for the same run as `--lives 1`.
        options[name] = int(value) if value.isdecimal() else value
    return {name: value for name, value in options.items() if value is not None}


def price_of(text: str | None) -> tuple[float, float] | None:
    """Read `--price`. Raises UsageError if it is not two numbers of zero or more."""
    if text is None:
        return None
    try:
        prompt, completion = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--price wants two numbers, PROMPT,COMPLETION, such as 0.15,0.60; not {text!r}.") from None
    if not (prompt >= 0 and completion >= 0):
        raise UsageError(f"--price must not be negative: {text!r}.")
    return prompt, completion


def view_command(folder: Path) -> str:
    """The command that shows a run or an arena in the browser."""
    return shlex.join(["lmgame", "view", str(folder)])


def this_command(folder: Path | None = None) -> str:
    """The command that continues the run in `folder`: the same one, but for `--fresh`."""
    words = sys.argv[1:]
    if folder is not None and "--fresh" in words:
        named = [at for at, word in enumerate(words) if word == "--out"]
        words = [word for at, word in enumerate(words) if at not in named and at - 1 not in named]
        words = [word for word in words if word != "--fresh" and not word.startswith("--out=")]
        words += ["--out", str(folder)]
    return shlex.join(["lmgame", *words])
