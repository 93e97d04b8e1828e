"""pico on the CPU: how long it takes to start, and a decision to come over HTTP; against the bare model in between.

uv run python benchmarks/pico_cpu.py [--decisions 300] [--game tetris]
"""

import argparse
import asyncio
import statistics
import time

from PIL import Image

from lmgame.episode import observe
from lmgame_agents import ChatAgent, ChatClient, Sampling
from lmgame_games import card, frame_of, make, play_moves
from lmgame_serving import open_endpoint, resolve


async def measure(game: str, decisions: int) -> None:
    """Play one game, again and again if it ends, and print what was measured."""
    began = time.perf_counter()
    async with open_endpoint(resolve("pico")) as endpoint:
        start = time.perf_counter() - began
        env, rules = make(game), card(game)
        frames, walls, tokens = [], [], []
        async with ChatClient(endpoint.base_url, endpoint.api_key, endpoint.model) as client:
            agent = ChatAgent(client, rules, observation_kind="image", sampling=Sampling(max_tokens=64))
            over, seed, cpu = True, 0, time.process_time()
            for _ in range(decisions):
                if over:
                    env.reset(seed=seed)
                    seed += 1
                frames.append(frame_of(env))
                observation = observe(env, "image")
                sent = time.perf_counter()
                decision = await agent.act(observation)
                walls.append(time.perf_counter() - sent)
                tokens.append(decision.usage.completion_tokens or 0)
                _, over, _ = play_moves(env, decision.moves or (rules.idle,))
            cpu = (time.process_time() - cpu) / decisions
        env.close()
    bare = bare_model(game, frames)
    median, p95 = statistics.median(walls), statistics.quantiles(walls, n=20)[-1]
    print(f"start, imports included      {start:.2f} s")
    print(f"a decision over HTTP, median {1e3 * median:.1f} ms, 95 % within {1e3 * p95:.1f} ms, CPU {1e3 * cpu:.1f} ms")
    print(f"of which the bare model      {1e3 * bare:.1f} ms, {bare / median:.2f} of it")
    print(f"tokens an answer, mean       {statistics.fmean(tokens):.1f}")


def bare_model(game: str, frames: list) -> float:
    """Median seconds that the same answers take without client and server."""
    from lmgame_serving.pico_engine import FOLDER
    from lmgame_serving.pico_engine.loaded import Loaded

    loaded, seconds = Loaded.of(FOLDER, threads=2), []
    for frame in frames:
        began = time.perf_counter()
        loaded.answer(game, Image.fromarray(frame))
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=300)
    parser.add_argument("--game", default="tetris")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.game, arguments.decisions))


if __name__ == "__main__":
    main()
