"""From a resolved name to an endpoint that answers."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from lmgame_common import EndpointError, explained_proxies, is_loopback, quoted
from lmgame_serving.endpoint import Endpoint
from lmgame_serving.fetch import Progress
from lmgame_serving.names import PICO, BackendModel, EmbeddedModel, Resolved, marked


@asynccontextmanager
async def open_endpoint(
    resolved: Resolved,
    *,
    concurrency: int = 1,
    progress: Progress | None = None,
    note: Callable[[str], None] | None = None,
) -> AsyncIterator[Endpoint]:
    """Make a model answer while the context lasts.

    A remote model is there already; a URL without a model's name is asked which one it has. A model on this machine
    is fetched if need be, loaded by the engine that it is for, and stopped at the end; engines on GPUs are processes.

    Args:
        resolved: What `resolve` found.
        concurrency: How many requests will be open at once.
        progress: Told how a download is getting on; called from another thread.
        note: Told in words how engines on GPUs are getting on.

    Raises:
        EndpointError: If the model can't be fetched, loaded or found out.
        UsageError: If a server is to be asked through a proxy that can't be used, or a backend is asked for what this
            machine or the model hasn't got.
    """
    if isinstance(resolved, Endpoint):
        yield await named(resolved)
        return
    if isinstance(resolved, BackendModel):
        from lmgame_serving.backend.start import open_backend  # as below

        async with open_backend(resolved, note) as endpoint:
            yield endpoint
        return
    async with await _engine(resolved, concurrency, progress) as endpoint:
        yield replace(
            endpoint,
            structured_outputs=resolved.structured_outputs,
            vision=resolved.vision,
            reads_text=resolved.reads_text,
            trained_on=resolved.trained_on,
        )


async def named(endpoint: Endpoint) -> Endpoint:
    """The same with its model's name; a URL without one is asked which model it has.

    Raises:
        EndpointError: If that can't be found out.
        UsageError: If the server is to be asked through a proxy that can't be used.
    """
    return endpoint if endpoint.model else await _with_only_model(endpoint)


async def _engine(
    resolved: EmbeddedModel, concurrency: int, progress: Progress | None
) -> AbstractAsyncContextManager[Endpoint]:
    """The engine for a model on this machine, not yet started."""
    if resolved.provider == PICO:
        from lmgame_serving.pico_engine.server import serve  # slow to load, and other models don't need it

        return serve(name=resolved.name, model=resolved.model)
    from lmgame_serving import llamacpp  # as above

    path = resolved.path if resolved.path is not None else await _fetch(progress)
    return llamacpp.serve(path, name=resolved.name, model=resolved.model, concurrency=concurrency)


class _CalledOffError(Exception):
    """Raised in the fetching thread when nobody waits for it any more."""


async def _fetch(progress: Progress | None) -> Path:
    from lmgame_serving import smollm2  # as above

    called_off = threading.Event()

    def report(stage: str, done: int, total: int | None) -> None:
        if called_off.is_set():
            raise _CalledOffError
        if progress:
            progress(stage, done, total)

    try:
        return await asyncio.to_thread(smollm2.ensure, report)
    except asyncio.CancelledError:
        called_off.set()
        raise


async def _with_only_model(endpoint: Endpoint) -> Endpoint:
    """The endpoint with the name of the one model that its server lists."""
    import openai  # slow to load, and hardly ever needed here

    # Proxies of the environment lead away from this machine, not back to it.
    local = is_loopback(urlsplit(endpoint.base_url).hostname or "")
    with explained_proxies():
        http_client = openai.DefaultAsyncHttpxClient(trust_env=not local)
    try:
        async with openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key or "none",
            max_retries=1,
            timeout=20,
            http_client=http_client,
        ) as client:
            models = sorted([str(model.id) async for model in client.models.list()])
    except (openai.OpenAIError, ValueError) as error:
        raise EndpointError(
            f"{endpoint.base_url} could not be asked which models it has ({quoted(endpoint.redact(str(error)))}). "
            f"Name the model: {endpoint.base_url}#MODEL"
        ) from error
    if len(models) == 1 and models[0].isprintable():
        return marked(replace(endpoint, model=models[0]))
    listing = quoted(", ".join(endpoint.redact(name) for name in models[:20]), 1_000) or "none"
    raise EndpointError(
        f"{endpoint.base_url} has {len(models)} models; name one: {endpoint.base_url}#MODEL. It has: {listing}."
    )
