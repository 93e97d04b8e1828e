"""A run's identity: what was asked, in which words and with which software, and the folder that it gives."""

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lmgame.request import Request
from lmgame_agents import prompt_hash
from lmgame_games import Card, ObservationKind
from lmgame_leaderboards import PlayerRecord, RunRecord, Versions, fresh_folder, run_path
from lmgame_serving import PICO, BackendModel, EmbeddedModel, Endpoint, Resolved
from lmgame_serving.pico_engine import FOLDER
from lmgame_serving.pico_engine.model import WEIGHTS, read_sums

PACKAGES = ("numpy", "gymnasium", "nes-py", "gym-super-mario-bros", "xllamacpp", "onnxruntime", "openai", "pillow")
"""Packages whose versions a run's record names, because games and engines stand on them."""

KINDS: tuple[ObservationKind, ...] = ("text", "image", "both")


def begin_record(request: Request, target: Resolved | None, rom: str | None = None) -> RunRecord:
    """The record a new run of this request begins with; its id is the request's identity.

    Raises:
        EndpointError: If the model comes with lmgame and its files are damaged.
    """
    cards = request.cards()
    fixed = {
        "model": request.model,
        "base_url": target.base_url if isinstance(target, Endpoint) else None,
        "games": [
            {"game": c.game, "preset": c.preset, "version": c.version, "options": request.options_of(c.game)}
            for c in cards
        ],
        "seeds": list(request.seeds),
        "sampling": _sampling(request),
        "observation": request.observation,
        "history": request.history,
        "clock": request.clock,
        "max_decisions": request.max_decisions,
        "structured": request.structured,
    }
    versions = versions_here(rom).model_copy(update={"weights": _weights(target)})
    return RunRecord.begin(
        fixed,
        versions,
        prompt_hashes={} if target is None else {f"{c.game}/{c.preset}": told_hash(request, c) for c in cards},
        reference=target is not None and bool(target.trained_on),
        baselines={f"{c.game}/{c.preset}": c.baselines for c in cards},
    )


def player_record(request: Request, target: Resolved | None) -> PlayerRecord:
    """Who plays under this request; the same player as that of a run with the same settings.

    Raises:
        EndpointError: If the model comes with lmgame and its files are damaged.
    """
    return PlayerRecord(
        model=request.model,
        base_url=target.base_url if isinstance(target, Endpoint) else None,
        history=request.history,
        sampling=_sampling(request),
        structured=request.structured,
        reference=target is not None and bool(target.trained_on),
        weights=_weights(target),
    )


def versions_here(rom: str | None = None) -> Versions:
    """The software of this machine that could change an outcome; `rom`: SHA-256 of the cartridge image, if any."""
    packages = {name: found for name in PACKAGES if (found := _version(name))}
    return Versions(lmgame=version("lmgame"), python=platform.python_version(), packages=packages, rom=rom)


def _sampling(request: Request) -> dict[str, Any]:
    return {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": request.max_tokens,
        "reasoning_effort": request.reasoning_effort,
        "request_timeout": request.request_timeout,  # an answer that takes longer counts as a timeout
    }


def _weights(target: Resolved | None) -> str | None:
    return read_sums(FOLDER)[WEIGHTS] if _ships(target) else None


def _ships(target: Resolved | None) -> bool:
    """Whether the model's weights come with lmgame."""
    if isinstance(target, BackendModel):
        return target.source == str(FOLDER)
    return isinstance(target, EmbeddedModel) and target.provider == PICO


def told_hash(request: Request, preset: Card) -> str:
    """Hash of everything fixed that a model may be told under that card; what it will see is found out later."""
    hashes = [
        prompt_hash(preset, kind, structured=structured, realtime=request.clock == "realtime", history=request.history)
        for kind in KINDS
        for structured in (False, True)
    ]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def folder_of(request: Request, record: RunRecord) -> Path:
    """Where the run goes: `--out`, else `runs/<id>`; with `--fresh` the first such name that is not taken."""
    path = request.out or run_path(record.id)
    return fresh_folder(path) if request.fresh else path
