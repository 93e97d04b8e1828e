"""The Python API for researchers."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lmgame.players import AgentMaker
from lmgame.request import Request, first_seeds
from lmgame.run import RunResult, play_request
from lmgame.watch import Watcher
from lmgame_common import UsageError


def request_of(
    model: str,
    game: str | Iterable[str] = "tetris",
    *,
    episodes: int | None = None,
    seed: int = 0,
    seeds: Iterable[int] | None = None,
    **settings: Any,
) -> Request:
    """A request from the arguments of `play`. Raises UsageError if they make no sense."""
    if seeds is not None and episodes is not None:
        raise UsageError("Give either episodes (and seed) or seeds, which names the seeds itself.")
    if settings.get("out") is not None:
        settings["out"] = Path(settings["out"])
    games = (game,) if isinstance(game, str) else tuple(game)
    chosen = first_seeds(1 if episodes is None else episodes, seed) if seeds is None else tuple(seeds)
    return Request(model=model, games=games, seeds=chosen, **settings)


async def play_async(
    model: str,
    game: str | Iterable[str] = "tetris",
    *,
    episodes: int | None = None,
    seed: int = 0,
    seeds: Iterable[int] | None = None,
    watcher: Watcher | None = None,
    agent: AgentMaker | None = None,
    **settings: Any,
) -> RunResult:
    """Play episodes and return their results.

    Args:
        model: As in `--model`: `pico`, `smollm2`, `openai/gpt-…`, `URL#model`, `random`, `scripted`, …
        game: A game's name, or several.
        episodes: Number of episodes of each game; their seeds are `seed`, `seed + 1`, … Default 1.
        seed: The first seed.
        seeds: The seeds themselves, instead of `episodes` and `seed`.
        watcher: Told of the progress; see `lmgame.watch.Watcher`.
        agent: Makes an agent of your own for each episode, from its plan and environment; `model` is then its name.
        settings: Any other field of `lmgame.Request`, such as `preset`, `clock`, `out`, `concurrency`.

    Returns:
        The results; asked for again, a run is completed where it was cut off, and nothing is played twice.

    Raises:
        UsageError: If the request makes no sense.
        InfrastructureError: If the endpoint doesn't answer. Trouble later on is no exception: the result then is not
            `complete`, and says why.
        RecordError: If the run's folder can't be used.
    """
    request = request_of(model, game, episodes=episodes, seed=seed, seeds=seeds, **settings)
    return await play_request(request, watcher=watcher, agent=agent)


def play(model: str, game: str | Iterable[str] = "tetris", **arguments: Any) -> RunResult:
    """`play_async` for programs and notebooks that don't await; the same arguments, results and errors."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(play_async(model, game, **arguments))
    # A notebook's cell runs inside a loop, which can't be entered twice.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(play_async(model, game, **arguments))).result()
