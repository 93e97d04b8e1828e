"""`lmgame serve status|logs|stop|profiles|export`: looks after backends that run, and shows what they could be."""

import json
import os
import shlex
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lmgame.cli.display import duration
from lmgame_common import LmgameError, UnknownNameError, UsageError, printable

if TYPE_CHECKING:
    from lmgame_serving.backend.start import Order
    from lmgame_serving.backend.state import BackendState

NAME = "A backend's name; not needed where there is one."
SPARE = 30.0
"""Seconds that a backend may take to stop beyond those of its profile."""
LOOK_AGAIN = 0.5
"""Seconds between looks at a log that is followed."""


def status(
    name: Annotated[str | None, typer.Argument(help=NAME, show_default=False)] = None,
    as_json: Annotated[
        bool, typer.Option("--json", envvar="LMGAME_SERVE_STATUS_JSON", help="One JSON document, without keys.")
    ] = False,
    show_key: Annotated[bool, typer.Option("--show-key", help="Print the key that clients must send.")] = False,
) -> None:
    """Say which backends there are, how their engines do, and what alarms they raised."""
    from lmgame_serving.backend.state import backends, find

    found = [find(name)] if name else backends()
    if as_json:
        print(json.dumps([_document(state, show_key) for state in found], ensure_ascii=False, indent=1))
        return
    console = Console(highlight=False)
    if not found:
        console.print("No backend runs. Start one: lmgame serve --model MODEL")
    for state in found:
        _show(console, state, show_key)


def logs(
    engine: Annotated[
        str | None, typer.Argument(help="An engine, such as decode-0; else the backend's own log.", show_default=False)
    ] = None,
    name: Annotated[str | None, typer.Option(help=NAME, show_default=False)] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.")] = 50,
) -> None:
    """Print the end of a log."""
    from lmgame_serving.backend.state import backends, find, folder_of

    if name is None:
        known = backends()  # one that failed is the most likely to be asked about
        name = known[0].name if len(known) == 1 else find().name
    paths = {path.stem: path for path in sorted(folder_of(name).glob("*.log"))}
    if not paths:
        raise UnknownNameError("backend", name, [state.name for state in backends()])
    path = paths.get(engine or "backend")
    if path is None:
        raise UnknownNameError("log", engine or "backend", paths)
    with suppress(KeyboardInterrupt):
        for line in _last_lines(path, lines, follow):
            print(printable(line), flush=follow)


def stop(
    name: Annotated[str | None, typer.Argument(help=NAME, show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="All backends.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Don't wait for open requests.")] = False,
) -> None:
    """Stop a backend: open requests are finished first, for as long as its profile allows."""
    from pydantic import ValidationError

    from lmgame_serving.backend import state
    from lmgame_serving.backend.profile import Profile, Supervision

    if name and everything:
        raise UsageError("Give a backend's name or --all, not both.")
    console = Console(stderr=True, highlight=False)
    found = state.backends() if everything else [state.find(name)]
    if not found:
        console.print("No backend runs.")
    for backend in found:
        try:
            supervision = Profile.model_validate(backend.profile).supervision
        except ValidationError:  # another version of lmgame started it
            supervision = Supervision()
        console.print(Text(f"stopping {backend.name}"), soft_wrap=True)
        ran = state.stop(backend, supervision.drain_seconds + 2 * supervision.stop_seconds + SPARE, now=now)
        end = "is stopped" if ran else "didn't run any more"
        console.print(Text(f"{backend.name} {end}; nothing of it is left running"), soft_wrap=True)


def profiles(
    name: Annotated[str | None, typer.Argument(help="Print this profile's TOML.", show_default=False)] = None,
) -> None:
    """List the profiles, or print one, to be copied and changed."""
    from lmgame_serving.backend.profile import load_profile, profile_text, profiles

    if name:
        print(profile_text(name), end="")
        return
    console = Console(highlight=False)
    table = Table("--profile", "shape", "GPUs", "what it is for", box=None, pad_edge=False)
    for each in profiles():
        profile = load_profile(each)
        first = profile_text(each).partition("\n")[0].lstrip("# ")
        table.add_row(each, profile.shape, str(profile.gpus_needed or "none"), Text(first))
    console.print(table)
    console.print("\nlmgame serve profiles NAME > mine.toml; then: lmgame serve --model MODEL --profile mine.toml")


def export(
    profile: Annotated[str, typer.Argument(help="A profile's name or TOML file.", show_default=False)],
    model: Annotated[str, typer.Option("--model", "-m", help="What is to be served.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The folder to write to.", show_default=False)],
    to: Annotated[Literal["dynamo"], typer.Option(help="What for.")] = "dynamo",
    served_model_name: Annotated[
        str | None, typer.Option(help="What clients call the model.", show_default=False)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE over the profile, such as decode=2.", show_default=False),
    ] = None,
    image: Annotated[
        str, typer.Option(help="Kubernetes: the container image of Dynamo with vLLM.", show_default=False)
    ] = "${IMAGE}",
) -> None:
    """Write a profile as an NVIDIA Dynamo deployment, for more than one machine."""
    from lmgame_serving import dynamo
    from lmgame_serving.backend.profile import load_profile
    from lmgame_serving.names import VLLM, served

    model = model.removeprefix(f"{VLLM}/")
    # A folder of the machines that are to serve it needn't be on this one.
    source, called = served(model) if Path(model).exists() or not model.startswith("/") else (model, Path(model).name)
    called = served_model_name or called
    shape = load_profile(profile, settings or ())
    for path in dynamo.export(shape, model=source, served_name=called, out=out, image=image):
        print(path)


def _document(state: "BackendState", show_key: bool) -> dict[str, Any]:
    document = state.model_dump(mode="json", exclude=set() if show_key else {"api_key"})
    return document | {"alive": state.alive, "folder": str(state.folder)}


def _show(console: Console, state: "BackendState", show_key: bool) -> None:
    alive = state.alive
    doing = state.status if alive or state.status == "failed" else "killed"
    console.print(Text.assemble((state.name, "bold"), f"  {state.model}, {doing}"), soft_wrap=True)
    facts = {
        "endpoint": f"{state.url}/v1#{state.model}" if state.url and alive else "",
        "key": (state.api_key or "none") if show_key else "",
        "up for": duration(max(0.0, (datetime.now(UTC) - state.started).total_seconds())) if alive else "",
        "why": state.why,
        "logs": str(state.folder),
    }
    for what, fact in facts.items():
        if fact:
            console.print(Text.assemble((f"  {what:<9}", "dim"), printable(fact)), soft_wrap=True)
    if alive:
        table = Table("  engine", "state", "GPU", "port", "restarts", box=None, pad_edge=False)
        for engine in state.engines:
            gpus = ", ".join(str(gpu) for gpu in engine.gpus) or "–"
            table.add_row(f"  {engine.name}", engine.state, gpus, str(engine.port), str(engine.restarts))
        console.print(table)
    for alarm in state.alarms:
        console.print(Text(f"  alarm at {alarm.engine}: {printable(alarm.text)}", style="yellow"), soft_wrap=True)


def _last_lines(path: Path, count: int, follow: bool) -> Iterator[str]:
    """The last lines of a file, and then, if it is followed, those that come."""
    with path.open(errors="replace") as file:
        yield from (line.rstrip("\n") for line in deque(file, maxlen=max(0, count)))
        begun = ""
        while follow:
            if not (read := file.readline()):
                time.sleep(LOOK_AGAIN)
                continue
            begun += read
            if begun.endswith("\n"):
                yield begun.rstrip("\n")
                begun = ""


def print_plan(order: "Order") -> None:
    """Print what would be started where, and start nothing. No key is among it."""
    from lmgame_serving.backend import gpus, memory, plan
    from lmgame_serving.backend.model import look_at
    from lmgame_serving.backend.state import folder_of

    profile, console = order.profile, Console(highlight=False)
    facts = look_at(order.model, os.environ)
    places, cache_bytes, unknown = list[gpus.Gpu](), None, ""
    if profile.device == "cuda":
        try:
            places = gpus.choose(profile, gpus.find_gpus())
            cache_bytes = memory.shared_cache_bytes(profile, facts, places)
        except LmgameError as error:
            unknown = str(error)
    size = profile.tensor_parallel_size
    for number, (name, role) in enumerate(plan.names(profile)):
        own = places[:size] if profile.share_gpu else places[number * size : (number + 1) * size]
        where = ", ".join(f"GPU {gpu.index} ({gpu.name})" for gpu in own)
        words = plan.command(
            profile,
            role,
            model=order.model,
            served_name=order.served_name,
            python=order.python or sys.executable,
            port=0,
            takes_images=facts.takes_images,
            cache_bytes=cache_bytes,
            store=folder_of(order.name) / "kv",
        )
        console.print(Text.assemble((name, "bold"), f"  {where}" if where else ""), soft_wrap=True)
        console.print(Text(f"  {shlex.join(words)}"), soft_wrap=True)
    gateway = profile.gateway
    console.print(f"gateway  http://{gateway.host}:{gateway.port}/v1#{order.served_name}", markup=False, soft_wrap=True)
    console.print("Ports of 0 are chosen at the start. Keys go through the environment.", style="dim")
    if unknown:
        console.print(Text(f"As it is, this would not start: {unknown}", style="yellow"), soft_wrap=True)
