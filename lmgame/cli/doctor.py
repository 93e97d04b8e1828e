"""`lmgame doctor`: what is installed, what is missing, and the command that adds it."""

import os
import platform
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lmgame_common import LmgameError
from lmgame_games import games
from lmgame_serving import PROVIDERS
from lmgame_serving.pico_engine import FOLDER
from lmgame_serving.pico_engine.model import check_files
from lmgame_serving.smollm2 import cache_folder, is_cached

VLLM_PYTHON = "LMGAME_VLLM_PYTHON"
"""Names the interpreter that has vLLM, for `play` and `serve`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: fine or not, what was seen, and what to do about it."""

    what: str
    fine: bool | None
    """None: optional and absent."""
    seen: str
    cure: str = ""


def doctor() -> None:
    """Say what is installed, what is missing, and the exact command to add it."""
    console = Console(highlight=False)
    table = Table("", "what", "seen", "to do", box=None, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    findings = [finding for look in LOOKS for finding in look()]
    for finding in findings:
        sign = {True: "[green]ok[/]", False: "[red]no[/]", None: "[yellow]–[/]"}[finding.fine]
        # As text: `lmgame[mario]` would be taken for a style.
        table.add_row(sign, Text(finding.what), Text(finding.seen), Text(finding.cure))
    console.print(table)
    if any(finding.fine is False for finding in findings):
        raise typer.Exit(1)


def _python() -> Iterator[Finding]:
    fine = (3, 12) <= sys.version_info[:2] <= (3, 13)
    yield Finding("Python", fine, platform.python_version(), "" if fine else "use Python 3.12 or 3.13")
    yield Finding("lmgame", True, version("lmgame"))


def _packages() -> Iterator[Finding]:
    optional = {
        "onnxruntime": ("pico on the CPU", None),
        "xllamacpp": ("models on the CPU (smollm2, llamacpp/…)", None),
        "nes-py": ("Super Mario Bros", "mario"),
        "gym-super-mario-bros": ("its cartridge image", "mario"),
        "av": ("replays as .mp4 (else .gif)", "video"),
        "pyarrow": ("lmgame export --to parquet", "parquet"),
    }
    for name, (purpose, extra) in optional.items():
        try:
            yield Finding(f"{name}: {purpose}", True, version(name))
        except PackageNotFoundError:
            cure = f"uv pip install 'lmgame[{extra}]'" if extra else f"uv pip install {name}"
            yield Finding(f"{name}: {purpose}", None, "not installed", cure)


def _pico() -> Iterator[Finding]:
    try:
        check_files(FOLDER)
        yield Finding("pico", True, "its files are as they were shipped")
    except (OSError, ValueError, LmgameError) as error:
        yield Finding("pico", False, str(error), "reinstall lmgame")


def _games() -> Iterator[Finding]:
    for game in games().values():
        try:
            if game.check:
                game.check()
            yield Finding(f"game {game.name}", True, game.title)
        except LmgameError as error:
            yield Finding(f"game {game.name}", None, "can't run here", str(error))


def _keys() -> Iterator[Finding]:
    variables = [name for provider in PROVIDERS.values() for name in provider.key_variables]
    held = ", ".join(name for name in variables if os.environ.get(name))
    cure = "" if held else f"export {variables[0]}=YOUR_KEY, or another one that `lmgame models` names"
    yield Finding("providers' keys", True if held else None, held or "none set", cure)


def _places() -> Iterator[Finding]:
    cache = cache_folder()
    yield Finding("smollm2", True if is_cached() else None, "fetched" if is_cached() else "fetched at first use")
    free = shutil.disk_usage(next(p for p in (cache, *cache.parents) if p.exists())).free
    cure = "" if free > 1e9 else "smollm2 needs 600 MB while it is fetched; set LMGAME_CACHE to a larger disk"
    yield Finding(f"cache {cache}", free > 1e9, f"{free / 1e9:.0f} GB free", cure)
    try:
        with tempfile.TemporaryFile(dir=Path.cwd()):
            yield Finding(f"runs in {Path.cwd()}", True, "writable")
    except OSError as error:
        yield Finding(f"runs in {Path.cwd()}", False, str(error), "use --out DIR")


def _screens() -> Iterator[Finding]:
    shown = sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    cure = "" if shown else "log in with a display, or start Xvfb and set DISPLAY"
    yield Finding("display, for --model human", True if shown else None, "found" if shown else "none", cure)


def _gpus() -> Iterator[Finding]:
    """What `vllm/MODEL` and `lmgame serve` run on. All else works without."""
    from lmgame_serving.backend.gpus import find_gpus

    try:
        for gpu in find_gpus():
            seen = f"{gpu.name}, {gpu.free_bytes / 2**30:.0f} of {gpu.total_bytes / 2**30:.0f} GiB free"
            yield Finding(f"GPU {gpu.index}, for vllm/MODEL", True, seen)
    except LmgameError as error:
        yield Finding("GPUs, for vllm/MODEL", None, "none", str(error))


def _vllm() -> Iterator[Finding]:
    from lmgame_serving.backend.preflight import WRITTEN_FOR, _versions

    chosen = os.environ.get(VLLM_PYTHON, "")
    where = f" in {chosen}" if chosen else ""
    try:
        found = _versions(chosen or sys.executable)
    except LmgameError as error:
        yield Finding("vllm: models on GPUs", False, f"can't be asked for{where}", str(error))
        return
    cure = "uv pip install 'lmgame[serve]'"
    if chosen:
        cure = f"uv pip install --python {shlex.quote(chosen)} 'vllm>=0.26,<0.27' 'nixl-cu13>=1.5,<2'"
    for name, purpose in {"vllm": "models on GPUs", "nixl": "prefill and decode apart"}.items():
        seen = found.get(name)
        advice = "" if seen else cure
        if name == "vllm" and seen and not seen.startswith(WRITTEN_FOR):
            advice = f"lmgame was tried with {WRITTEN_FOR}x"
        elif name == "vllm" and not seen and not chosen:
            advice += f", or export {VLLM_PYTHON}=PYTHON, one that has it"
        yield Finding(f"{name}: {purpose}", True if seen else None, f"{seen or 'not installed'}{where}", advice)


LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    *(_python, _packages, _pico, _games, _keys, _places, _screens),
    *(_gpus, _vllm),
)
