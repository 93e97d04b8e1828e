"""Speed of the web pages, on the server: `python benchmarks/web.py [--models 500] [--episodes 100000] [--only PART]`.

The store has three raced games, in which all models play the same seeds, and Connect Four between neighbours, with
scores of latent strengths. First the ledger: what the process that makes it takes, and what loading it takes the
server. Then pages, asked for through the application itself, each `REQUESTS` times, of other models each time; the
limit is 0.3 s. The same again while another process makes the next ledger, as after each game that comes into the
store, until it has been taken in.

Then records: 1,000 decisions of Tetris, 300 of Super Mario Bros, a match of hold'em. Seconds until the page, its data
and its first part are there, of which the limit is 1 s; and of another part asked for right then, as who jumps to it
does. Each is opened on a site of its own, which has drawn nothing yet.
"""

import argparse
import asyncio
import gc
import itertools
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from starlette.types import ASGIApp, Message

from lmgame import match, play
from lmgame.theatre import Theatre
from lmgame_agents import Agent, Decision, Observation, ReplayAgent, ScriptedAgent
from lmgame_common import LmgameError
from lmgame_games import Move
from lmgame_leaderboards import (
    EpisodeWriter,
    LatencySummary,
    PlayedGame,
    PlayedSeat,
    PlayerRecord,
    RunFolder,
    RunRecord,
    UsageTotals,
    Versions,
    episode_id,
)
from lmgame_leaderboards.store import Store
from lmgame_leaderboards.web import addresses
from lmgame_leaderboards.web.app import create_app
from lmgame_leaderboards.web.folders import Shelf
from lmgame_leaderboards.web.keeper import Keeper
from lmgame_leaderboards.web.ledger import Ledger
from lmgame_leaderboards.web.projection import PART, parts_of
from lmgame_leaderboards.web.site import Site, order

RACED = ("tetris", "mario", "made-up")
"""The last one is no game that is installed, as in stores that others have shared."""
NEIGHBOURS = 10
"""Opponents of a model in Connect Four on either side, each met in both seats."""
FOLDERS, RECORDS = 100, 20
REQUESTS = 20
PAGE, OPENING = 0.3, 1.0
"""Limits, in seconds."""
TICK = 0.005
"""Seconds between two looks at how long the event loop has stood still."""


def load() -> str:
    """How busy the machine is, since that is part of any time."""
    return f"load {os.getloadavg()[0]:.1f}"


# ------------------------------------------------------------------------------------------------------- what is there


def games(models: int, episodes: int, folders: Sequence[Path]) -> list[PlayedGame]:
    """So many games: one in ten shared, the others raced on as many seeds as that takes."""
    rng = np.random.default_rng(0)
    players = [PlayerRecord(model=f"lab-{n % 40}/model-{n}", sampling={"temperature": 0.5}) for n in range(models)]
    strength = rng.normal(0.0, 1.0, models)
    numbers = itertools.count()

    def seat(player: int, score: float) -> PlayedSeat:
        decisions = int(rng.integers(50, 400))
        usage = UsageTotals(900 * decisions, 100 * decisions, 60 * decisions, 20 * decisions, 0.001 * decisions)
        latency = LatencySummary(*rng.gamma(2.0, 0.5, 5).round(3).tolist())
        verdicts = {"ok": decisions - player % 7, "illegal": player % 7}
        return PlayedSeat(players[player], score, decisions, "text", "aa", verdicts, 0, usage, latency)

    def game(name: str, seed: int, *seats: PlayedSeat) -> PlayedGame:
        number = next(numbers)
        episode = f"{name}-standard-{number % RECORDS}"
        folder = folders[number % len(folders)]
        return PlayedGame(
            game=name,
            preset="standard",
            version=1,
            seed=seed,
            max_decisions=400,
            seats=seats,
            outcome="topped_out" if len(seats) == 1 else "four_in_a_row",
            finished=1.75e9 + number,
            run=folder.name,
            episode=episode,
            source=str(folder / "episodes" / f"{episode}.jsonl"),
        )

    found = []
    shared, opponents = episodes // 10, min(NEIGHBOURS, models - 1)
    for number in range(shared):
        seed, (turned, (at, step)) = divmod(number, 2 * models * opponents)[0], _pairing(number, models, opponents)
        one, other = (at, (at + step) % models)[:: -1 if turned else 1]
        won = rng.random() < 1 / (1 + np.exp(strength[other] - strength[one]))
        scores = (0.5, 0.5) if rng.random() < 0.1 else (float(won), float(not won))
        found.append(game("connect4", seed, *map(seat, (one, other), scores)))
    for number in range(episodes - shared):
        player, at = number % models, number // models
        points = strength[player] + rng.gumbel(0.0, 1.0)
        found.append(game(RACED[at % len(RACED)], at // len(RACED), seat(player, float(round(100 * np.exp(points))))))
    return found


def _pairing(number: int, models: int, opponents: int) -> tuple[int, tuple[int, int]]:
    """Whether seats are turned, who sits there, and how many places further the opponent stands."""
    pair, turned = divmod(number, 2)
    at, step = divmod(pair % (models * opponents), opponents)
    return turned, (at, step + 1)


def write_runs(folder: Path, count: int) -> list[Path]:
    """Folders of runs, each with finished records of 20 decisions."""
    paths = [folder / f"run-{number}" for number in range(count)]
    for number, path in enumerate(paths):
        model = f"model-{number}"
        asked = {
            "model": model,
            "games": [{"game": "tetris", "preset": "standard", "version": 1}],
            "seeds": list(range(RECORDS)),
        }
        record = RunRecord.begin(asked, Versions(lmgame="1", python="3.13"), prompt_hashes={}, command="lmgame play")
        about = {"game": "tetris", "preset": "standard", "version": 1, "options": {}}
        about |= {"model": model, "clock": "paused", "observation": "text"}
        with RunFolder.open(path, record) as run:
            for seed in range(RECORDS):
                episode = episode_id("tetris", "standard", seed)
                with EpisodeWriter.open(run.episode_path(episode), {**about, "episode": episode, "seed": seed}) as log:
                    for index in range(20):
                        log.decision(**_decision(index))
                    log.outcome(outcome="topped_out", score=20.0, decisions=20)
    return paths


def _decision(index: int) -> dict[str, Any]:
    return {
        "index": index,
        "moves": ["left", "hard_drop"],
        "played": 2,
        "verdict": "ok",
        "raw": '{"moves": ["left", "hard_drop"]}',
        "usage": {"prompt_tokens": 900, "completion_tokens": 60},
        "latency": {"total": 0.5},
        "waited": 0,
        "score": index + 1.0,
        "time": 1.0,
    }


# ------------------------------------------------------------------------------------------------------------- a server


async def get(app: ASGIApp, address: str) -> tuple[float, bytes]:
    """Seconds that an address takes, and what is there. Stops the benchmark where nothing is."""
    told: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        told.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": f"/{address}",
        "raw_path": f"/{address}".encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 7860),
    }
    began = time.perf_counter()
    await app(scope, receive, send)
    took = time.perf_counter() - began
    if told[0]["status"] != 200:
        raise SystemExit(f"{address} is answered with {told[0]['status']}")
    return took, b"".join(message.get("body", b"") for message in told[1:])


@asynccontextmanager
async def pauses() -> AsyncIterator[list[float]]:
    """Seconds for which the event loop stood still, each time that it was looked at."""
    found = [0.0]

    async def look() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK)
            found.append(time.perf_counter() - before - TICK)

    task = asyncio.create_task(look())
    try:
        yield found
    finally:
        task.cancel()


def told(what: str, times: Sequence[float], size: int, limit: float) -> None:
    """Print one row."""
    median, most = statistics.median(times), statistics.quantiles(times, n=20)[-1]
    print(
        f"{what:30} {times[0]:8.3f} {median:8.3f} {most:8.3f} s {most / limit:8.2f} x the limit {size / 1024:8,.0f} KiB"
    )


# -------------------------------------------------------------------------------------------------------------- ledgers


@dataclass
class Server:
    """An application with what it shows."""

    app: ASGIApp
    keeper: Keeper

    def pages(self) -> dict[str, list[str]]:
        """Addresses to ask for, by what they are."""
        ledger = self.keeper.ledger("paused")
        assert ledger
        ids = list(ledger.players)
        step = max(1, len(ids) // REQUESTS)
        chosen = [ids[step * at % len(ids)] for at in range(REQUESTS)]
        last = chosen[1:] + chosen[:1]
        label = next(iter(ledger.conditions))
        shared = next(iter(label for label in ledger.conditions if label.startswith("connect4")), label)
        return {
            "index.html": ["index.html"] * REQUESTS,
            "a raced game's board": [addresses.board("paused", "tetris/standard")] * REQUESTS,
            "a shared game's board": [addresses.board("paused", shared)] * REQUESTS,
            "a model": [addresses.model("paused", one) for one in chosen],
            "two models": [addresses.versus("paused", *pair) for pair in zip(chosen, last, strict=True)],
            "games.html": ["games.html"] * REQUESTS,
            "a game": ["games/tetris-standard.html"] * REQUESTS,
            "runs.html": ["runs.html"] * REQUESTS,
        }


async def measure_pages(server: Server) -> None:
    """Print what each page takes."""
    print(f"{'page':30} {'first':>8} {'median':>8} {'p95':>8}     ({REQUESTS} requests each, {load()})")
    for what, found in server.pages().items():
        answers = [await get(server.app, address) for address in found]
        told(what, [took for took, _ in answers], len(answers[-1][1]), PAGE)


async def measure_busy(server: Server, db: str, one: PlayedGame) -> None:
    """The same while another ledger is made, each page in turn, until it has been taken in."""
    pages = server.pages()
    before = server.keeper.ledger("paused")
    times: dict[str, list[float]] = {what: [] for what in pages}
    sizes: dict[str, int] = {}
    with Store.open(db) as store:
        store.put([one])
    began = time.perf_counter()
    async with pauses() as stood:
        for turn in itertools.count():
            for what, found in pages.items():
                took, body = await get(server.app, found[turn % REQUESTS])
                times[what].append(took)
                sizes[what] = len(body)
                await asyncio.sleep(0.05)
            if failure := server.keeper.failure("paused"):
                raise SystemExit(failure)
            if server.keeper.ledger("paused") is not before:
                break
    took = time.perf_counter() - began
    print(f"while a new ledger was made and loaded, {took:.0f} s; {load()}")
    for what, found in times.items():
        told(f"{what} ({len(found)} x)", found if len(found) > 1 else found * 2, sizes[what], PAGE)
    print(f"{'longest pause of the server':30} {max(stood):8.3f} s")


async def measure_ledger(folder: Path, models: int, episodes: int, rounds: int) -> None:
    """A store, its ledger, and pages on it."""
    db = str(folder / "results.sqlite")
    paths = write_runs(folder / "runs", FOLDERS)
    played = games(models, episodes, paths)
    began = time.perf_counter()
    with Store.open(db) as store:
        store.put(played[1:])
    print(f"{len(played):,} games of {models} models, put in {time.perf_counter() - began:.1f} s; {load()}")
    last = played[0]
    del played  # a server has no such list, and would not have to look through it for garbage
    gc.collect()

    theatre = Theatre()
    keeper = Keeper(f"sqlite:///{db}", order(theatre.sheets()), cache=folder / "cache", rounds=rounds)
    site = Site(Shelf([folder / "runs"]), theatre, keeper.ledger, live=True)
    server = Server(create_app(site, keeper), keeper)
    began = time.perf_counter()
    site.warm()  # as the server does when it starts, beside its work
    print(f"pictures of all games: {time.perf_counter() - began:.1f} s; {load()}")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    keeper.start()
    async with pauses() as stood:
        if await keeper.first("paused", 3600.0) is None:
            raise SystemExit(keeper.failure("paused") or "there is no ledger")
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"ledger made and loaded: {took:.1f} s, worker {cpu:.1f} s of CPU, {after.ru_maxrss / 1024:,.0f} MiB; {load()}"
    )
    print(f"longest pause of the server meanwhile: {max(stood):.3f} s")
    content = max((folder / "cache").iterdir(), key=lambda file: file.stat().st_size).read_bytes()
    began = time.perf_counter()
    parsed = json.loads(content)
    read = time.perf_counter() - began
    Ledger.of(parsed)
    took = time.perf_counter() - began
    print(f"its document: {len(content) / 2**20:.1f} MiB, parsed in {read:.2f} s, a ledger in {took:.2f} s; {load()}")
    await measure_pages(server)
    await measure_busy(server, db, last)
    await keeper.stop()
    site.close()


# -------------------------------------------------------------------------------------------------------------- records

THOUGHT = "The stack is low on the left, so that the piece fits there without a hole below it. " * 25
"""What a model may write before each answer."""


class Talker:
    """A player that says a lot."""

    def __init__(self, player: Agent) -> None:
        self._player = player

    async def act(self, observation: Observation) -> Decision:
        """The player's decision, with words."""
        decision = await self._player.act(observation)
        return replace(decision, raw=json.dumps({"moves": [str(move) for move in decision.moves]}), thought=THOUGHT)

    def recall(self, observation: Observation, decision: Decision) -> None:
        """Nothing is remembered."""


def tetris(folder: Path) -> Path:
    """1,000 decisions by the scripted player."""
    play(
        "talker",
        "tetris",
        max_decisions=1000,
        out=folder,
        db="none",
        observation="text",
        agent=lambda _, env: Talker(ScriptedAgent(env)),
    )
    return folder


def mario(folder: Path) -> Path:
    """300 decisions of 8 frames at the left edge of 1-1, where nothing happens to Mario."""
    names = itertools.cycle(("left", "a", "left+a", "noop"))
    decisions = [Decision((Move(name, 8),)) for name in itertools.islice(names, 300)]
    play(
        "talker",
        "mario",
        max_decisions=300,
        out=folder,
        db="none",
        observation="text",
        agent=lambda *_: Talker(ReplayAgent(decisions)),
    )
    return folder


def holdem(folder: Path) -> Path:
    """Two scripted players over several hands."""
    makers = {name: lambda _, env: Talker(ScriptedAgent(env)) for name in ("one", "other")}
    match(list(makers), "holdem", pairs=1, out=folder, db="none", observation="text", agents=makers)
    return folder


@asynccontextmanager
async def shown(root: Path) -> AsyncIterator[tuple[ASGIApp, Site]]:
    """A fresh site over one folder, without a store."""
    theatre = Theatre()
    keeper = Keeper("sqlite://", [], cache=None)
    site = Site(Shelf([root]), theatre, keeper.ledger, live=True)
    site.warm()
    try:
        yield create_app(site, keeper), site
    finally:
        site.close()


async def measure_record(what: str, root: Path) -> None:
    """Print what opening a record takes, and jumps within it."""
    folder = Shelf([root]).folders()[0]
    record, path = next(iter(folder.records().items()))
    base = f"runs/{folder.id}/{record}"

    async def opened(app: ASGIApp) -> float:
        began = time.perf_counter()
        for address in (f"{base}.html", f"{base}/data.js", f"{base}/part-0.js"):
            await get(app, address)
        return time.perf_counter() - began

    async with shown(root) as (app, site):
        opening = await opened(app)
        last = parts_of(len(site.projector.of(path).log.decisions)) - 1
        decisions = len(site.projector.of(path).log.decisions)
        began = time.perf_counter()
        for number in range(1, last + 1):
            await get(app, f"{base}/part-{number}.js")
        whole = time.perf_counter() - began
        again = max([(await get(app, f"{base}/part-{number}.js"))[0] for number in range(last + 1)])
        size = site.projector.of(path).size
    jumps: dict[str, float] = {}
    for name, number in (("middle", last // 2), ("end", last)):
        async with shown(root) as (app, _):
            await opened(app)
            jumps[name] = (await get(app, f"{base}/part-{number}.js"))[0]
    print(
        f"{what:8} {decisions:6,} decisions   opened {opening:6.3f} s ({opening / OPENING:.2f} x the limit)   to the "
        f"middle {jumps['middle']:6.3f} s   to the end {jumps['end']:6.3f} s ({max(jumps.values()) / OPENING:.2f} x)   "
        f"all parts {whole:6.2f} s, {size / 2**20:.1f} MiB; again {again:.3f} s at most; {load()}"
    )


def measure_records(folder: Path) -> None:
    """Records of several games."""
    print(f"records, in parts of {PART} decisions")
    makers: dict[str, Callable[[Path], Path]] = {"tetris": tetris, "mario": mario, "holdem": holdem}
    for name, make in makers.items():
        try:
            root = make(folder / name)
        except LmgameError as error:
            print(f"{name:8} left out: {error}")
            continue
        asyncio.run(measure_record(name, root))


def main() -> None:
    """Print seconds, and ratios to limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=500)
    parser.add_argument("--episodes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1000, help="of the bootstrap behind the intervals")
    parser.add_argument("--only", choices=("pages", "records"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.only != "records":
            asyncio.run(measure_ledger(Path(folder), asked.models, asked.episodes, asked.rounds))
        if asked.only != "pages":
            measure_records(Path(folder))


if __name__ == "__main__":
    main()
