"""The Python API for researchers."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lmgame.arenas.board import ArenaWatcher
from lmgame.arenas.play import play_arena
from lmgame.arenas.request import arena_request
from lmgame.arenas.result import ArenaResult
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
    return _waited(lambda: play_async(model, game, **arguments))


async def arena_async(
    models: Iterable[str],
    games: str | Iterable[str] = "tetris",
    *,
    pairs: int | None = None,
    seed: int = 0,
    adaptive: bool = False,
    mirror: bool = False,
    until_decided: bool = False,
    alpha: float = 0.05,
    beta: float = 0.05,
    margin: float = 0.05,
    budget: Mapping[str, float] | None = None,
    prices: Mapping[str, tuple[float, float]] | None = None,
    agents: Mapping[str, AgentMaker] | None = None,
    watcher: ArenaWatcher | None = None,
    **settings: Any,
) -> ArenaResult:
    """Let models play against each other, every one with every other, and return what came of it.

    Args:
        models: As in `--model`; each is one player.
        games: A game's name or several, each `NAME` or `NAME/PRESET`.
        pairs: Most seeds on which any two models meet in any game, in both seat orders where they share it.
        seed: The first seed.
        adaptive: Play where the ratings are least certain, instead of all in turn.
        mirror: Let each model also meet a copy of itself.
        until_decided: Stop playing two models in a game once a sequential test has decided.
        alpha: Risk of calling equal models different, of that test.
        beta: Risk of calling models equal that differ by more than the margin.
        margin: Share of points about one half within which models are equal.
        budget: Limits on `games`, `tokens` and `usd`.
        prices: US dollars per million prompt and completion tokens, by model.
        agents: Makers of agents of your own, by model; such a model is only a name.
        watcher: Told of the progress.
        settings: Any other field of `lmgame.Request` that all share, such as `clock`, `out`, `concurrency`.

    Returns:
        The result; asked for again, also with more models or pairs, an arena plays only what is new.

    Raises:
        UsageError: If the request makes no sense.
        LmgameError: If no two models can be brought to play. Trouble later on is no exception: the result then is not
            `complete`, and says why.
        RecordError: If the arena's folder can't be used.
    """
    if settings.get("out") is not None:
        settings["out"] = Path(settings["out"])
    request = arena_request(
        tuple(models),
        (games,) if isinstance(games, str) else tuple(games),
        seed=seed,
        settings=settings,
        pairs=pairs,
        adaptive=adaptive,
        mirror=mirror,
        until_decided=until_decided,
        alpha=alpha,
        beta=beta,
        margin=margin,
        budget=budget or {},
        prices=prices or {},
    )
    return await play_arena(request, watcher, agents=agents)


def arena(models: Iterable[str], games: str | Iterable[str] = "tetris", **arguments: Any) -> ArenaResult:
    """`arena_async` for programs and notebooks that don't await; the same arguments, results and errors."""
    return _waited(lambda: arena_async(models, games, **arguments))


async def match_async(models: Iterable[str], games: str | Iterable[str] = "tetris", **arguments: Any) -> ArenaResult:
    """Let two models play against each other, or with `mirror=True` one against its copy: an arena of two.

    Its result's `comparisons` tell how they compare in each game. Arguments and errors as of `arena_async`.
    """
    models = tuple(models)
    wanted = 1 if arguments.get("mirror") else 2
    if len(models) != wanted:
        raise UsageError(f"A match wants two models, or one and mirror=True; {len(models)} were given.")
    return await arena_async(models, games, **arguments)


def match(models: Iterable[str], games: str | Iterable[str] = "tetris", **arguments: Any) -> ArenaResult:
    """`match_async` for programs and notebooks that don't await; the same arguments, results and errors."""
    return _waited(lambda: match_async(models, games, **arguments))


def _waited[T](call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What a coroutine returns, for who can't await it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(call())
    # A notebook's cell runs inside a loop, which can't be entered twice.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(call())).result()
