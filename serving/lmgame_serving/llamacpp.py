"""The engine in this process: llama.cpp's own server, on loopback, for the CPU."""

import asyncio
import importlib
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from lmgame_common import EndpointError
from lmgame_serving.endpoint import Endpoint

CONTEXT = 8192
"""Tokens of prompt and answer together; llama.cpp lowers it to what the model was trained for."""
MOST_THREADS = 8
"""Small models gain nothing from more: threads meet at a barrier some thousand times a token."""
PROMPT_CACHE_MIB = 256
"""Memory for the states of earlier prompts, beside the one kept in the slot."""

STREAM_PATIENCE = 1
"""Seconds after which a stream without news gets a comment line, and the longest it takes to notice the end of it."""


@asynccontextmanager
async def serve(path: Path, *, name: str, model: str, concurrency: int = 1) -> AsyncIterator[Endpoint]:
    """Run a model in this process while the context lasts.

    Requests are answered one at a time, however many come: on a CPU a batch is hardly faster, and its numerics (so,
    now and then, its answers) depend on what else happens to be in it. Generation doesn't hold Python's global lock.

    Args:
        path: The GGUF file.
        name: The model's name as the user typed it.
        model: The model's name in the API.
        concurrency: How many requests may be open at once; more wait to be accepted.

    Raises:
        EndpointError: If the engine can't be loaded or can't load the model.
    """
    key = secrets.token_urlsafe()
    held = [await asyncio.to_thread(_start, path, model, concurrency, key)]
    try:
        yield Endpoint(
            name=name,
            base_url=f"{held[0].listening_address}/v1",
            model=model,
            provider="llamacpp",
            api_key=key,
            structured_outputs=True,
            vision=False,
        )
    finally:
        # Dropping the server ends what is being generated, joins its threads and frees the model. In a thread, so that
        # clients get to see the end of their streams meanwhile, which the server waits for.
        await asyncio.shield(asyncio.to_thread(held.clear))


def _start(path: Path, model: str, concurrency: int, key: str) -> Any:
    """Load the model; returns once the server answers."""
    try:
        with _patient_threads():
            xllamacpp: Any = importlib.import_module("xllamacpp")  # Cython, without type stubs
    except ImportError as error:
        hint = " On Debian and Ubuntu: apt-get install libgomp1" if "libgomp" in str(error) else ""
        raise EndpointError(f"The engine for models on this machine can't be loaded: {error}.{hint}") from error
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {model}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]  # other users of this machine, and web pages, are kept out
    params.ui = False
    params.verbosity = 0  # llama.cpp writes its log straight to the terminal
    params.n_ctx = CONTEXT
    params.n_parallel = 1
    params.sse_ping_interval = STREAM_PATIENCE
    params.n_threads_http = concurrency + 4  # an open connection keeps a thread of the server's busy
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _threads()
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise EndpointError(
            f"llama.cpp can't serve {path}: {error} The file may be damaged or incomplete, "
            f"need more memory than there is, or be of a kind that this version doesn't know."
        ) from error


def _threads() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_THREADS)


@contextmanager
def _patient_threads() -> Iterator[None]:
    """Have the OpenMP runtime, which reads its settings when it is loaded, wait for slow threads without spinning long.

    By default a thread spins for milliseconds at each barrier. Where another process wants the same cores, threads
    then burn the time that the one they wait for needs: tokens a second fell to a twentieth on 2 busy cores.
    """
    name = "GOMP_SPINCOUNT"
    if name in os.environ or "OMP_WAIT_POLICY" in os.environ:
        yield
        return
    os.environ[name] = "1000"
    try:
        yield
    finally:
        del os.environ[name]
