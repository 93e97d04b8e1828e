"""A whole backend, from its profile to its end: preflight, gateway, engines, and the file that tells of them."""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import psutil
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lmgame_common import EndpointError, LmgameError, UsageError
from lmgame_serving.backend.environment import engine_key
from lmgame_serving.backend.plan import EngineSpec, plan
from lmgame_serving.backend.preflight import Preflight, check
from lmgame_serving.backend.process import reap
from lmgame_serving.backend.profile import Profile
from lmgame_serving.backend.state import BackendState, StateFile, claim
from lmgame_serving.backend.supervisor import NIXL, Supervisor
from lmgame_serving.gateway.app import Gateway
from lmgame_serving.gateway.pool import Engine, Pool

type Ready = Callable[[str, Mapping[str, Any]], None]
"""Called with the gateway's URL, without a path, and what records should say of the backend."""


async def run_backend(
    *,
    model: str,
    profile: Profile,
    served_name: str,
    python: str,
    name: str,
    api_key: str | None,
    tell: Callable[[str], None],
    stop: asyncio.Event,
    on_ready: Ready,
    stop_now: asyncio.Event | None = None,
) -> None:
    """Serve a model until told to stop; then finish what is in flight. Nothing of it runs afterwards.

    Args:
        model: A folder, or a name on the Hugging Face hub.
        profile: The engines, and how they are watched.
        served_name: What clients call the model.
        python: The interpreter that has vLLM.
        name: The backend's own, among those of this user on this machine.
        api_key: What clients must send.
        tell: Told what happens, in words.
        stop: Set when it is to finish what it has and end.
        on_ready: Called once all engines are ready.
        stop_now: Set when it is to end without finishing.

    Raises:
        UsageError: If it can't be done on this machine as asked, or a backend of that name runs.
        EndpointError: If an engine doesn't come up, or none of a role can be kept running; the message has the
            engine's own words.
    """
    if sys.platform != "linux":
        raise UsageError("vLLM engines are only served on Linux.")
    with claim(name, tell) as file, _log(file):

        def say(text: str) -> None:
            file.log(text)
            tell(text)

        try:
            preflight = await asyncio.to_thread(check, profile, model, python)
            for note in preflight.notes:
                say(note)
            backend = _Backend(file, preflight, profile, model, served_name, api_key, say)
            await backend.run(stop, stop_now or asyncio.Event(), on_ready)
        except LmgameError as error:
            file.log(str(error))
            raise
        finally:
            reap(file.marker, 0)  # nothing is left; but whatever went wrong above, nothing must be


class _Backend:
    """One backend, run once."""

    def __init__(
        self,
        file: StateFile,
        preflight: Preflight,
        profile: Profile,
        model: str,
        served_name: str,
        api_key: str | None,
        say: Callable[[str], None],
    ) -> None:
        try:
            key = engine_key()
        except OSError as error:
            raise EndpointError(
                f"The cache of what engines compile can't be written ({error}). Name another folder: VLLM_CACHE_ROOT."
            ) from None
        self._specs = plan(
            profile,
            model=model,
            served_name=served_name,
            python=preflight.python,
            gpus=preflight.gpus,
            folder=file.folder,
            api_key=key,
            flashinfer=preflight.flashinfer,
        )
        engines = [Engine(spec.name, spec.role, f"http://127.0.0.1:{spec.port}", key) for spec in self._specs]
        self._pool = Pool(engines, suspect=lambda engine: self._supervisor.suspect(engine))
        self._supervisor = Supervisor(
            self._specs,
            self._pool,
            profile,
            served_name=served_name,
            marker=file.marker,
            tell=say,
            changed=self._write,
        )
        self._gateway = Gateway(
            self._pool,
            profile.gateway,
            model=served_name,
            api_key=api_key,
            kv_params=profile.kv_transfer.connector == NIXL,
        )
        self._gateway.registry.register(_Gauges(self._supervisor))
        self._profile, self._file, self._say = profile, file, say
        process = psutil.Process()
        self._state = BackendState(
            name=file.name,
            pid=process.pid,
            create_time=process.create_time(),
            marker=file.marker,
            url="",
            api_key=api_key,
            model=served_name,
            profile=profile.model_dump(mode="json"),
            about=_about(profile, preflight, self._specs),
            started=datetime.now(UTC),
        )

    async def run(self, stop: asyncio.Event, stop_now: asyncio.Event, on_ready: Ready) -> None:
        stopping = asyncio.create_task(_first(stop, stop_now))
        hurrying = asyncio.create_task(self._hurry(stop_now))
        try:
            async with self._gateway as gateway:
                self._state.url = gateway.url
                self._write()
                async with self._supervisor as supervisor:
                    try:
                        if await _unless(stopping, supervisor.ready()):
                            self._enter("ready")
                            on_ready(gateway.url, self._state.about)
                            await _unless(stopping, supervisor.watch())
                    except LmgameError as error:
                        gateway.fail(str(error))
                        self._state.why = str(error)
                        self._enter("failed")
                        raise
                    self._enter("draining")
                    await self._drain(stop_now)
                    self._say("stopping the engines")
        finally:
            for task in (stopping, hurrying):
                task.cancel()
            if self._state.status == "failed":
                self._state.api_key = None
                self._write()
            else:
                self._file.remove()

    async def _drain(self, stop_now: asyncio.Event) -> None:
        """Let what is in flight end, unless there is no time for it."""
        drained = asyncio.create_task(self._gateway.drain(self._profile.supervision.drain_seconds))
        now = asyncio.create_task(stop_now.wait())
        try:
            done, _ = await asyncio.wait((drained, now), return_when=asyncio.FIRST_COMPLETED)
            if drained in done and not drained.result():
                self._say("some requests took too long and are cut off")
        finally:
            drained.cancel()
            now.cancel()

    async def _hurry(self, stop_now: asyncio.Event) -> None:
        await stop_now.wait()
        await asyncio.to_thread(reap, self._file.marker, 0)

    def _enter(self, status: Any) -> None:
        self._state.status = status
        self._write()

    def _write(self) -> None:
        self._state.engines, self._state.alarms = self._supervisor.engines, self._supervisor.alarms
        with suppress(OSError):  # a full disk is no reason to end what runs
            self._file.write(self._state)


class _Gauges(Collector):
    """What the supervisor adds to the gateway's metrics."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def collect(self) -> Iterator[Metric]:
        starts = CounterMetricFamily("lmgame_backend_restarts", "Times an engine was started anew", labels=["engine"])
        for engine in self._supervisor.engines:
            starts.add_metric([engine.name], engine.restarts)
        yield starts
        local = GaugeMetricFamily(
            "lmgame_backend_local_tokens_per_prompt",
            "Tokens of a prompt that a decode engine computed itself lately, on average",
            labels=["engine"],
        )
        for engine, tokens in self._supervisor.local_tokens.items():
            local.add_metric([engine], tokens)
        yield local
        alarms = GaugeMetricFamily("lmgame_backend_alarm", "1 while an alarm is on", labels=["engine", "kind"])
        for alarm in self._supervisor.alarms:
            alarms.add_metric([alarm.engine, alarm.kind], 1)
        yield alarms


@contextmanager
def _log(file: StateFile) -> Iterator[None]:
    """Have what goes wrong inside written to the backend's own log."""
    file.log(f"the backend {file.name} starts")
    handler = logging.FileHandler(file.log_path, errors="replace")
    logger = logging.getLogger("lmgame_serving")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def _about(profile: Profile, preflight: Preflight, specs: list[EngineSpec]) -> dict[str, Any]:
    used = {index for spec in specs for index in spec.gpus}
    return {
        "versions": {name: version for name, version in preflight.versions.items() if version},
        "shape": profile.shape,
        "engines": {spec.name: list(spec.gpus) for spec in specs},
        "gpus": [gpu.name for gpu in preflight.gpus if gpu.index in used],
    }


async def _first(*events: asyncio.Event) -> None:
    """Wait for one of several events."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _unless(stopping: asyncio.Task[None], work: Any) -> bool:
    """Wait for work; False if it is time to stop before it is done. Raises what the work raises."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            return False
        await task
        return True
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, LmgameError):
            await task
