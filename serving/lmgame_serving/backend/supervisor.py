"""Keeps the engines of a backend running: starts them, proves them, watches them, and starts them anew."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Never, Self

import aiohttp

from lmgame_common import EndpointError
from lmgame_serving.backend.alarms import GIVEN_UP, UNPROVEN, Alarms
from lmgame_serving.backend.health import Health, look, works
from lmgame_serving.backend.metrics import COUNTLESS, TransferWatch, fetch_counters
from lmgame_serving.backend.plan import EngineSpec
from lmgame_serving.backend.probe import PROVEN_WITHIN, ProbeError, prove
from lmgame_serving.backend.process import EngineProcess
from lmgame_serving.backend.profile import Profile
from lmgame_serving.backend.state import Alarm, EngineStatus
from lmgame_serving.backend.watched import FailedError, MuteError, Watched
from lmgame_serving.gateway.pool import Engine, EngineState, Pool, Role

NIXL = "NixlConnector"
HEALED_AFTER = 600.0
"""Seconds of health after which earlier failures of an engine are forgotten."""
_TELL_EVERY = 5.0
_CHECKS_PER_COUNT = 5
"""Checks of health for each look at the counters."""
_LAST_WORDS = 3.0
"""Seconds that an engine which fell silent is given to end by itself and say why."""


class Supervisor:
    """Starts engines when its context is entered and has stopped them when it is left.

    An engine is ready once it answers and, in a pair of prefill and decode, once a probe went through each pair that it
    is one of. One that ends or hangs is started anew, later each time it does. When a prefill engine that NIXL
    connected to decode engines is lost, those are started anew as well, after what they do.

    Args:
        specs: The engines.
        pool: Where their states are written to. It has an engine of the same name for each.
        profile: How they are watched.
        served_name: What the engines call the model.
        marker: What all their processes are known by.
        tell: Told what happens, in words, such as `prefill-0: loading weights (34 s)`.
        changed: Called when `engines` or `alarms` have changed.
        probe_seconds: How long a transfer may take to show in the counters.
    """

    def __init__(
        self,
        specs: Sequence[EngineSpec],
        pool: Pool,
        profile: Profile,
        *,
        served_name: str,
        marker: str,
        tell: Callable[[str], None],
        changed: Callable[[], None] = lambda: None,
        probe_seconds: float = PROVEN_WITHIN,
    ) -> None:
        self._watched = [Watched(spec, pool.engines[spec.name], EngineProcess(spec, marker=marker)) for spec in specs]
        self._pool, self._settings, self._profile = pool, profile.supervision, profile
        self._model, self._tell, self._changed = served_name, tell, changed
        self._probe_seconds = probe_seconds
        self._nixl = profile.kv_transfer.connector == NIXL
        self._met: dict[tuple[str, int, str, int], bool] = {}
        """Pairs of prefill and decode, each with the number of its start, that met; whether the transfer is proven."""
        self._proving = asyncio.Lock()
        self._all_ready = asyncio.Event()
        self._over: asyncio.Future[Never] = asyncio.get_running_loop().create_future()
        self._tasks: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession
        self._alarms = Alarms(tell, changed)
        self.local_tokens: dict[str, float] = {}
        """By decode engine, tokens of a prompt that it computed itself lately, on average."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))
        for watched in self._watched:
            self._spawn(self._keep(watched))
            if watched.engine.role is Role.DECODE:
                self._spawn(self._count(watched))
        self._spawn(self._report())
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop(self._settings.stop_seconds)

    @property
    def engines(self) -> list[EngineStatus]:
        """What is to be said of each engine."""
        return [watched.status for watched in self._watched]

    @property
    def alarms(self) -> list[Alarm]:
        """What is wrong at the moment though engines run."""
        return self._alarms.list()

    def suspect(self, engine: Engine) -> None:
        """Look at an engine now: it failed a request."""
        for watched in self._watched:
            if watched.engine is engine:
                watched.suspected = True
                watched.look.set()

    async def ready(self) -> None:
        """Wait until all engines are ready for the first time.

        Raises:
            EndpointError: If one fails before that, with its own words.
        """
        waiting = asyncio.create_task(self._all_ready.wait())
        try:
            await asyncio.wait((waiting, self._over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._over.done():
            self._over.result()

    async def watch(self) -> Never:
        """Wait for the end.

        Raises:
            EndpointError: When no engine of a role can be kept running, with the last one's words.
        """
        await asyncio.wait([self._over])
        self._over.result()

    async def stop(self, seconds: float) -> None:
        """Stop all engines. Decode engines end first, so that none waits for a KV cache from one that is gone; with
        nothing in flight no cache waits to be fetched, and prefill engines needn't wait for their leases to end.

        Args:
            seconds: From SIGTERM to SIGKILL, for each of the two.
        """
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for roles in ((Role.DECODE, Role.COLOCATED), (Role.PREFILL,)):
            ending = [watched for watched in self._watched if watched.engine.role in roles]
            for watched in ending:
                self._set(watched, EngineState.DOWN)
            await asyncio.gather(*(watched.process.stop(seconds) for watched in ending))
        self._changed()
        await self._session.close()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) and not self._over.done():
            self._over.set_exception(error)
            self._over.exception()  # it needn't be asked for: there may be nobody left who waits

    def _set(self, watched: Watched, state: EngineState) -> None:
        if watched.engine.state is not state:
            self._pool.set_state(watched.engine, state)
        self._changed()

    # An engine's lives.

    async def _keep(self, watched: Watched) -> None:
        """Start an engine again and again."""
        settings = self._settings
        while True:
            self._set(watched, EngineState.STARTING)
            try:
                await self._live(watched)
                continue  # it was to be started anew
            except (FailedError, EndpointError) as error:  # the latter if no process could be made
                why = str(error)
            await watched.process.stop(0)
            causes = "".join(f"\n  {line}" for line in watched.process.root_cause())
            story = f"{watched.name}: {why}{causes}\n  Its log: {watched.spec.log}"
            if not self._all_ready.is_set():
                raise EndpointError(f"The engine {story}")
            watched.failures += 1
            if watched.failures > settings.max_restarts:
                self._give_up(watched, story)
                return
            pause = min(settings.longest_backoff, settings.first_backoff * 2 ** (watched.failures - 1))
            self._tell(
                f"{story}\n  It is started anew in {pause:.3g} s ({watched.failures} of {settings.max_restarts})."
            )
            await asyncio.sleep(pause)

    def _give_up(self, watched: Watched, story: str) -> None:
        watched.given_up = True
        story = f"The engine {story}\n  It failed {watched.failures} times in a row and is given up."
        if all(other.given_up for other in self._watched if other.engine.role is watched.engine.role):
            raise EndpointError(story)
        self._tell(story)
        self._alarms.set(watched.name, GIVEN_UP, "it failed again and again, and is given up; the others do its work")

    async def _live(self, watched: Watched) -> None:
        """One life of an engine, which ends with FailedError, or without if it was asked to end.

        What the engine leaves behind is gone afterwards.
        """
        await watched.start()
        self._changed()
        ended = asyncio.create_task(watched.end())
        checks = asyncio.create_task(self._check(watched))
        anew = asyncio.create_task(watched.anew.wait())
        tasks: list[asyncio.Task[Any]] = [ended, checks, anew]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done() and not checks.done():
                await self._pool.idle([watched.engine], self._settings.drain_seconds)
                self._fallen(watched)
                await watched.process.stop(self._settings.stop_seconds)
                return
            self._fallen(watched)
            if not ended.done():
                await asyncio.wait([ended], timeout=_LAST_WORDS if isinstance(checks.exception(), MuteError) else 0)
            await (ended if ended.done() else checks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _fallen(self, watched: Watched) -> None:
        """Nothing can be expected of an engine any more."""
        watched.usable = False
        self._set(watched, EngineState.DOWN)
        self._alarms.clear(watched.name)
        if watched.engine.role is Role.PREFILL and self._nixl and self._settings.restart_decode_with_prefill:
            for other in self._watched:
                if other.usable and (watched.name, watched.starts, other.name, other.starts) in self._met:
                    self._tell(
                        f"{other.name}: starting anew, since NIXL in it may not survive the return of {watched.name}"
                    )
                    other.usable = False
                    self._set(other, EngineState.DRAINING)
                    other.anew.set()

    async def _check(self, watched: Watched) -> Never:
        """See an engine up, and then look at it again and again."""
        settings = self._settings
        try:
            async with asyncio.timeout(settings.start_seconds):
                while await self._look(watched) is not Health.GOOD:
                    await asyncio.sleep(min(0.2, settings.check_interval))
        except TimeoutError:
            raise FailedError(f"it wasn't up within {settings.start_seconds:g} s") from None
        watched.usable = True
        async with self._proving:
            for prefill, decode in self._pairs(watched):
                await self._prove(prefill, decode, watched)
            self._settle()
        failed, looked = 0, 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(settings.check_interval):
                    await watched.look.wait()
                    await asyncio.sleep(looked + settings.check_interval - time.monotonic())
            looked, suspected = time.monotonic(), watched.suspected
            watched.suspected = False
            watched.look.clear()
            health = await self._look(watched)
            failed = 0 if health is Health.GOOD else failed + 1
            if health is Health.MUTE:
                raise MuteError(f"it {health.value}")
            if failed >= settings.failed_checks:
                raise FailedError(f"it {health.value}")
            if failed:
                watched.suspected |= suspected
                continue
            if suspected and not await self._works(watched):
                raise FailedError(f"it {health.value} and answers no request")
            if watched.engine.state is EngineState.READY and time.monotonic() - watched.since > HEALED_AFTER:
                watched.failures = 0

    async def _look(self, watched: Watched) -> Health:
        return await look(self._session, watched.engine, self._settings.check_seconds)

    async def _works(self, watched: Watched) -> bool:
        seconds = self._settings.check_seconds
        patience = seconds * self._settings.failed_checks
        return await works(self._session, watched.engine, model=self._model, look_seconds=seconds, ask_seconds=patience)

    # Pairs of prefill and decode.

    def _pairs(self, watched: Watched) -> list[tuple[Watched, Watched]]:
        """The pairs that can be made with an engine now; none for a colocated one."""
        partner = {Role.PREFILL: Role.DECODE, Role.DECODE: Role.PREFILL}.get(watched.engine.role)
        partners = [other for other in self._watched if other.engine.role is partner and other.usable]
        if partner is Role.DECODE:
            return [(watched, other) for other in partners]
        return [(other, watched) for other in partners]

    async def _prove(self, prefill: Watched, decode: Watched, new: Watched) -> None:
        """Prove that a pair works, unless that was done. One at a time, so that counters tell of one probe only."""
        key = (prefill.name, prefill.starts, decode.name, decode.starts)
        partner = prefill if new is decode else decode
        if self._met.get(key):
            return
        self._met[key] = False
        try:
            proof = await prove(
                self._session,
                prefill.engine,
                decode.engine,
                model=self._model,
                block_size=decode.spec.block_size,
                nixl=self._nixl,
                within=self._probe_seconds,
            )
        except ProbeError as error:
            if error.engine is partner.engine:
                self.suspect(partner.engine)
                await asyncio.sleep(_LAST_WORDS)  # if it is dead, that is its story and not that of the new one
            if not partner.usable:
                return  # once it is back, it is the one to be proven
            raise FailedError(str(error)) from None
        self._met[key] = True
        if not proof.proven:
            self._alarms.set(
                decode.name,
                UNPROVEN,
                f"that KV caches come from {prefill.name} can't be proven: the longest prompt of this model that could "
                f"be made has {proof.tokens} tokens, less than a block of {decode.spec.block_size}",
            )

    def _settle(self) -> None:
        """Find out which engines are ready."""
        for watched in self._watched:
            if not watched.usable or watched.engine.state is EngineState.READY:
                continue
            pairs = self._pairs(watched)
            met = [self._met.get((p.name, p.starts, d.name, d.starts)) for p, d in pairs]
            if watched.engine.role is Role.COLOCATED or (met and all(met)):
                self._tell(f"{watched.name}: ready ({time.monotonic() - watched.since:.0f} s)")
                watched.since = time.monotonic()
                self._set(watched, EngineState.READY)
        if all(watched.engine.state is EngineState.READY for watched in self._watched):
            self._all_ready.set()

    # What is told.

    async def _report(self) -> None:
        """Tell how far engines are that aren't ready."""
        while True:
            for watched in self._watched:
                if watched.engine.state is EngineState.STARTING and watched.process.returncode is None:
                    stage = "waiting for its partner" if watched.usable else watched.process.stage() or "starting"
                    self._tell(f"{watched.name}: {stage} ({time.monotonic() - watched.since:.0f} s)")
            await asyncio.sleep(_TELL_EVERY)

    async def _count(self, watched: Watched) -> None:
        """Look at a decode engine's counters again and again."""
        most_local = self._settings.max_local_tokens or watched.spec.block_size + 1
        watch, life = TransferWatch(most_local), 0
        while True:
            await asyncio.sleep(_CHECKS_PER_COUNT * self._settings.check_interval)
            if life != watched.starts:
                watch, life = TransferWatch(most_local), watched.starts
            if not watched.usable:
                continue
            try:
                counters = await fetch_counters(self._session, watched.engine.url, self._settings.check_seconds)
            except COUNTLESS:
                continue  # whether it is in good health is looked at elsewhere
            if watched.usable and life == watched.starts:
                for kind, text in watch.look(counters).items():
                    self._alarms.set(watched.name, kind, text)
                self.local_tokens[watched.name] = watch.local_per_prompt
