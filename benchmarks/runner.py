"""What the runner itself costs, with a model that answers at once or after 100 ms.

Prints, in one run: CPU a decision with text and with an image beside that of the HTTP client alone; how it changes
along an episode of 5,000 decisions; decisions a second of 256 games in flight against the ideal; and memory.

    uv run python benchmarks/runner.py
"""

import asyncio
import multiprocessing
import re
import resource
import tempfile
import time
from contextlib import contextmanager
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import fmean
from typing import Any

from lmgame import play_async
from lmgame.episode import EpisodeState, observe
from lmgame.watch import Silent
from lmgame_agents import ChatClient, system_prompt
from lmgame_agents.prompt import turn_content
from lmgame_games import make
from lmgame_serving.testing import Reply, StubServer

PIECES = re.compile(r"pieces (\d+)")


def endless(request: dict[str, Any], number: int) -> Reply:
    """Moves that take long to fill a board: pieces fall by themselves, at the left, at the right, in the middle."""
    seen = PIECES.search(str(request["messages"][-1]["content"])[-2000:])
    pieces = int(seen[1]) if seen else number // 300
    return Reply(f'{{"moves": ["{("left", "right", "no_op")[pieces % 3]}"]}}')


def serve(pipe: Connection, delay: float) -> None:
    """The stub server, in a process of its own so that its CPU isn't counted."""

    async def main() -> None:
        script = Reply('{"moves": ["no_op"]}', delay=delay) if delay else endless
        async with StubServer(script, record=False) as server:
            pipe.send(server.base_url)
            await asyncio.to_thread(pipe.recv)

    asyncio.run(main())


@contextmanager
def stub(delay: float = 0.0):
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there, delay), daemon=True)
    process.start()
    yield here.recv()
    here.send(None)
    process.join()


class Meter(Silent):
    """Process CPU seconds at every decision."""

    def __init__(self) -> None:
        self.cpu: list[float] = []
        self.decisions: list[int] = []
        self.began = self.ended = 0.0

    def changed(self, state: EpisodeState) -> None:
        self.cpu.append(time.process_time())
        self.ended = time.perf_counter()
        self.began = self.began or self.ended


async def decision_cost(url: str, observation: str, decisions: int) -> tuple[float, float]:
    """CPU milliseconds a decision over an episode, and the last fifth's against the first fifth's."""
    meter = Meter()
    with tempfile.TemporaryDirectory() as folder:
        result = await play_async(
            f"{url}#stub",
            "tetris",
            observation=observation,
            max_decisions=decisions,
            out=Path(folder) / "run",
            watcher=meter,
        )
    played = result.episodes[0].decisions
    if played < decisions * 0.9:
        raise SystemExit(f"the game was over after {played} decisions; the benchmark wanted {decisions}")
    costs = [after - before for before, after in pairwise(meter.cpu)]
    fifth = len(costs) // 5
    return fmean(costs) * 1e3, fmean(costs[-fifth:]) / fmean(costs[:fifth])


async def client_cost(url: str, messages: list[dict[str, Any]], requests: int) -> float:
    """CPU milliseconds a request of the HTTP client alone, its stream read to the end."""
    client = ChatClient(base_url=url, api_key=None, model="stub")
    try:
        await client.ask(messages)
        before = time.process_time()
        for _ in range(requests):
            await client.ask(messages)
        return (time.process_time() - before) / requests * 1e3
    finally:
        await client.close()


async def throughput(url: str, games: int, decisions: int) -> tuple[float, float]:
    """Decisions a second with `games` in flight, and CPU milliseconds a decision meanwhile."""
    meter = Meter()
    with tempfile.TemporaryDirectory() as folder:
        result = await play_async(
            f"{url}#stub",
            "tetris",
            observation="text",
            episodes=games,
            concurrency=games,
            max_decisions=decisions,
            out=Path(folder) / "run",
            watcher=meter,
        )
    n = sum(row.decisions for row in result.episodes)
    return n / (meter.ended - meter.began), (meter.cpu[-1] - meter.cpu[0]) / n * 1e3


def messages(with_image: bool) -> list[dict[str, Any]]:
    env = make("tetris")
    env.reset(seed=0)
    kind = "image" if with_image else "text"
    return [
        {"role": "system", "content": system_prompt(env.card, kind)},
        {"role": "user", "content": turn_content(observe(env, kind), env.card)},
    ]


def main() -> None:
    with stub() as url:
        for observation, bar, n in (("text", 2.0, 5000), ("image", 3.0, 2000)):
            cost, drift = asyncio.run(decision_cost(url, observation, n))
            client = asyncio.run(client_cost(url, messages(observation == "image"), 1000))
            print(
                f"{observation}: {cost:.2f} ms CPU a decision over {n:,} decisions ({cost / bar:.2f} of the bar of "
                f"{bar:g} ms); the HTTP client alone {client:.2f} ms ({client / cost:.2f} of it); last fifth / first "
                f"fifth of the episode {drift:.2f}"
            )
    with stub(delay=0.1) as url:
        rate, cost = asyncio.run(throughput(url, 256, 60))
        ideal = min(2560.0, 1e3 / cost)
        print(
            f"256 games, 100 ms a reply: {rate:,.0f} decisions/s; {cost:.2f} ms CPU each; {rate / ideal:.2f} of "
            f"what is possible (lower of 2,560/s and {1e3 / cost:,.0f}/s of one core)"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory, 256 episodes in flight: {peak:.0f} MiB ({peak / 1024:.2f} of 1 GiB)")


if __name__ == "__main__":
    main()
