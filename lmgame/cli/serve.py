"""`lmgame serve`: keeps vLLM engines running on this machine's GPUs, for many runs."""

import asyncio
import os
import re
import shlex
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lmgame.cli import backends
from lmgame_common import EndpointError, InterruptedRunError, UsageError, is_loopback

if TYPE_CHECKING:
    from lmgame_serving.backend.start import BackendProcess

app = typer.Typer(help="Serve a model with vLLM on this machine's GPUs, for many runs; or look after what is served.")
for command in (backends.status, backends.logs, backends.stop, backends.profiles, backends.export):
    app.command()(command)

MODEL = "What is served: pico, a model's folder, or its name on the Hugging Face hub."
SHAPE, NETWORK = "Shape, over the profile's", "Where it answers, over the profile's"
KEY_VARIABLE = "LMGAME_SERVE_KEY"
"""Holds the key that clients must send. No option, because others on this machine can read those."""


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    model: Annotated[str | None, typer.Option("--model", "-m", help=MODEL, show_default=False)] = None,
    profile: Annotated[
        str, typer.Option(help="A profile's name or TOML file; `lmgame serve profiles` lists them.")
    ] = "colocated",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            envvar="LMGAME_SERVE_SET",
            help="KEY=VALUE over the profile, such as engine.max_model_len=8192; may be given several times.",
            show_default=False,
        ),
    ] = None,
    replicas: Annotated[
        int | None, typer.Option(help="Engines of a colocated backend.", rich_help_panel=SHAPE, show_default=False)
    ] = None,
    prefill: Annotated[
        int | None, typer.Option(help="Prefill engines of a pd backend.", rich_help_panel=SHAPE, show_default=False)
    ] = None,
    decode: Annotated[
        int | None, typer.Option(help="Decode engines of a pd backend.", rich_help_panel=SHAPE, show_default=False)
    ] = None,
    tensor_parallel_size: Annotated[
        int | None, typer.Option(help="GPUs of one engine.", rich_help_panel=SHAPE, show_default=False)
    ] = None,
    gpus: Annotated[
        str | None,
        typer.Option(help="Which GPUs, such as 0,1 (nvidia-smi's).", rich_help_panel=SHAPE, show_default=False),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            help=f"The address to listen at. One that other machines reach needs {KEY_VARIABLE}.",
            rich_help_panel=NETWORK,
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="0 takes a free one.", rich_help_panel=NETWORK, show_default=False)
    ] = None,
    served_model_name: Annotated[
        str | None,
        typer.Option(help="What clients call the model.", rich_help_panel=NETWORK, show_default=False),
    ] = None,
    vllm_python: Annotated[
        str | None,
        typer.Option(
            envvar=["LMGAME_SERVE_VLLM_PYTHON", "LMGAME_VLLM_PYTHON"],
            help="The interpreter that has vLLM, where this one hasn't.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="The backend's own name, to have several.")] = "default",
    detach: Annotated[bool, typer.Option("--detach", help="Leave it running once it is ready.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the engines' commands, and start nothing.")] = False,
) -> None:
    """Serve a model with vLLM on this machine's GPUs, for many runs; or look after what is served.

    `lmgame serve --model MODEL` runs until Ctrl-C, which lets open requests finish first; a second one stops at once.
    """
    if context.invoked_subcommand is not None:
        return
    if model is None:
        raise UsageError("Nothing to serve. Give --model pico, for example; `lmgame serve --help` says more.")
    from lmgame_serving.backend.profile import load_profile
    from lmgame_serving.backend.start import BackendProcess, Order, new_key
    from lmgame_serving.names import VLLM, served

    source, called = served(model.removeprefix(f"{VLLM}/"))
    overrides = [*(settings or ())]
    for key, value in (
        ("replicas", replicas),
        ("prefill", prefill),
        ("decode", decode),
        ("tensor_parallel_size", tensor_parallel_size),
        ("gpus", None if gpus is None else _numbers(gpus)),
        ("gateway.host", None if host is None else f'"{host}"'),
        ("gateway.port", port),
    ):
        overrides += [] if value is None else [f"{key}={value}"]
    shape = load_profile(profile, overrides)
    _check_shape(shape.shape, replicas=replicas, prefill=prefill, decode=decode)
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key and not is_loopback(shape.gateway.host):
        raise UsageError(
            f"Other machines could reach {shape.gateway.host}, so clients need a key that you know. "
            f"Set one first: export {KEY_VARIABLE}=$(openssl rand -hex 32)"
        )
    order = Order(
        model=source,
        served_name=served_model_name or called,
        profile=shape,
        python=vllm_python,
        name=name,
        api_key=key or new_key(),
        with_parent=not detach,
    )
    if dry_run:
        backends.print_plan(order)
        return
    screen = Screen(Console(stderr=True, highlight=False))
    backend = BackendProcess(order, screen.tell)
    asyncio.run(_serve(backend, screen, detach))


def _numbers(gpus: str) -> str:
    if not re.fullmatch(r"\d+(,\d+)*", gpus):
        raise UsageError(f"--gpus wants numbers such as 0,1, as nvidia-smi has them; {gpus!r} was given.")
    return f"[{gpus}]"


def _check_shape(shape: str, **counts: int | None) -> None:
    """Raise UsageError for a number of engines that the shape hasn't got."""
    wrong = [name for name, count in counts.items() if count is not None and (name == "replicas") == (shape == "pd")]
    if wrong:
        has = "--prefill and --decode engines" if shape == "pd" else "--replicas"
        raise UsageError(f"A backend of the shape {shape} has {has}; leave out --{' and --'.join(wrong)}.")


async def _serve(backend: "BackendProcess", screen: "Screen", detach: bool) -> None:
    """Start a backend, say what can be done with it, and stay with it unless it is to be left running."""
    asked, ready = 0, False

    def stop() -> None:
        nonlocal asked
        asked += 1
        backend.ask_to_stop()  # before anything is said: the terminal may be what has just gone
        gently = "stopping once open requests are done" if ready else "stopping"
        screen.tell("stopping at once" if asked > 1 else f"{gently}; Ctrl-C stops at once")

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    profile = backend.order.profile
    engines = f"{profile.engines} engine{'s' if profile.engines > 1 else ''}"
    try:
        screen.tell(f"starting {backend.order.served_name}: {profile.shape}, {engines}")
        with screen:
            await backend.start()
        ready = True
        _report(screen.console, backend, detach)
        if not detach:
            await backend.wait()
            screen.tell("stopped; nothing of it is left running")
    except EndpointError:
        if asked and not ready:
            raise InterruptedRunError("Stopped before it was ready; nothing of it is left running.") from None
        raise
    finally:
        if detach and ready:
            backend.leave()
        else:
            await backend.stop()


def _report(console: Console, backend: "BackendProcess", detach: bool) -> None:
    """What is there, and what to type next."""
    order = backend.order
    endpoint = f"{backend.url}/v1#{order.served_name}"
    name = "" if order.name == "default" else f" {order.name}"
    stop = f"lmgame serve stop{name}"
    rows = {
        "play": shlex.join(["lmgame", "play", "--model", endpoint, "--game", "tetris"]),
        "look": f"lmgame serve status{name}",
        "stop": stop if detach else f"Ctrl-C here, or: {stop}",
    }
    console.print(Text.assemble((order.served_name, "bold"), f" is served at {backend.url}/v1"), soft_wrap=True)
    for what, command in rows.items():
        console.print(Text.assemble((f"  {what}  ", "dim"), command), soft_wrap=True)


class Screen:
    """Shows how a backend is getting on: a line an engine on a terminal, lines when something changes elsewhere.

    As a context it shows the start; outside of it, lines are printed as they come.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._stages: dict[str, tuple[str, float | None]] = {}
        """By engine, what it does, and since when (`time.monotonic`), where that is known."""
        self._live = Live(console=console, refresh_per_second=4, transient=True, get_renderable=self._render)
        self._starting = False

    def __enter__(self) -> "Screen":
        self._starting = self.console.is_terminal and not self.console.is_dumb_terminal
        if self._starting:
            self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._starting:
            self._starting = False
            self._live.__exit__(None, None, None)

    def tell(self, text: str) -> None:
        """A line about an engine, such as `decode-0: loading weights (34 s)`, or about anything."""
        if told := re.fullmatch(r"([a-z]+-\d+): (.+?)(?: \((\d+) s\))?", text):
            engine, stage, seconds = told.groups()
            known = self._stages.get(engine)
            self._stages[engine] = stage, None if seconds is None else time.monotonic() - int(seconds)
            if self._starting or (known and known[0] == stage):
                return  # the table shows it, or only its seconds have changed
        with suppress(OSError):  # there may be no terminal any more
            self.console.print(Text.assemble((time.strftime("%H:%M:%S "), "dim"), text), soft_wrap=True)

    def _render(self) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        for engine, (stage, since) in sorted(self._stages.items()):
            ticking = since is not None and stage != "ready"
            seconds = f"{time.monotonic() - since:.0f} s" if ticking and since is not None else ""
            table.add_row(Text(engine, style="bold"), Text(stage), Text(seconds, style="dim"))
        return table
