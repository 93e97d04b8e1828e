"""Arenas and matches from their requests to their results, with players of all kinds."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import lmgame
import lmgame.retry
from lmgame.arenas.result import ArenaResult
from lmgame_agents import Decision, Observation, Usage
from lmgame_common import LmgameError, RecordError, UsageError
from lmgame_games import Move, registry
from lmgame_leaderboards import read_arena, read_episode
from lmgame_serving.testing import Reply, StubServer

from .conftest import stable_lines
from .shared_toys import GAMES, FunctionAgent, chosen

SMALL = {"max_decisions": 6}


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {**registry.games(), **GAMES}
    monkeypatch.setattr(registry, "games", lambda: known)
    monkeypatch.setattr(lmgame.retry, "pause_before", lambda attempt, retry_after: 0.001)


def maker(*moves: str) -> Any:
    """Makes agents that always answer the same."""

    def decide(observation: Observation) -> Decision:
        return Decision(tuple(map(Move, moves)), usage=Usage(prompt_tokens=100, completion_tokens=10))

    return lambda plan, env: FunctionAgent(decide)


def thinker(name: str) -> Any:
    """Makes agents that answer by what they see."""
    return lambda plan, env: FunctionAgent(lambda seen: chosen(seen, salt=name))


def contents(folder: Path) -> dict[str, Any]:
    return {path.name: stable_lines(path) for path in sorted((folder / "games").iterdir())}


async def test_raced_and_shared_games_between_players_of_all_kinds(tmp_path: Path):
    async with StubServer(Reply('{"moves": ["hard_drop"]}')) as server:
        model = f"{server.base_url}#stub"
        found = await lmgame.arena_async(
            ["random", "scripted", "own", model],
            ["tetris", "tetris/lmgame-bench-2025"],
            agents={"own": maker("hard_drop")},
            pairs=2,
            out=tmp_path / "a",
            observation="text",
            max_decisions=3,
        )
    assert found.complete and found.stopped is None and not found.problems
    # Each plays each seed of each game once, however many it meets.
    assert len(found.games) == 4 * 2 * 2 == len(list((tmp_path / "a" / "games").iterdir()))
    assert [m.comparison.n for m in found.comparisons] == [2] * 6 * 2
    header = read_episode(found.record_path(next(iter(found.played)))).header
    assert header["seats"][0]["player"]["model"] == "random" and header["versions"]["lmgame"]
    by_model = {
        game.seats[0].player.model: game for game in found.games if game.seed == 0 and game.preset == "standard"
    }
    # What always drops plays as the server does that always says so, and the model's prompt is told by its hash.
    assert by_model["own"].seats[0].score == by_model[model].seats[0].score
    assert by_model[model].seats[0].prompt_hash and by_model["own"].seats[0].prompt_hash is None
    document = json.loads(json.dumps(found.document()))
    assert document["complete"] and len(document["games"]) == 16 and len(document["comparisons"]) == 12


async def test_shared_games_swap_seats_on_the_same_seed(tmp_path: Path):
    found = await lmgame.match_async(
        ["a", "b"],
        ["counting", "running"],
        agents={"a": thinker("a"), "b": thinker("b")},
        pairs=3,
        out=tmp_path / "m",
    )
    assert found.complete and len(found.games) == 2 * 3 * 2
    for game in ("counting", "running"):
        seats = [
            (played.seed, *(seat.player.model for seat in played.seats))
            for played in found.games
            if played.game == game
        ]
        assert sorted(seats) == [(seed, *order) for seed in range(3) for order in (("a", "b"), ("b", "a"))]
    assert [m.comparison.n for m in found.comparisons] == [3, 3]


async def test_asked_again_with_more_only_what_is_new_is_played(tmp_path: Path):
    made: list[str] = []

    def counted(name: str) -> Any:
        def make(plan: Any, env: Any) -> FunctionAgent:
            made.append(plan.id)
            return thinker(name)(plan, env)

        return make

    async def play(models: list[str], pairs: int) -> ArenaResult:
        made.clear()
        agents = {name: counted(name) for name in models}
        return await lmgame.arena_async(models, "counting", agents=agents, pairs=pairs, out=tmp_path / "a")

    await play(["a", "b"], 2)
    assert len(made) == 2 * 2 * 2
    before = contents(tmp_path / "a")
    again = await play(["a", "b"], 2)
    assert made == [] and again.complete and len(again.games) == 4
    more = await play(["a", "b", "c"], 3)
    assert len(more.games) == 3 * 3 * 2 and len(made) == 2 * (18 - 4)
    after = contents(tmp_path / "a")
    assert {name: after[name] for name in before} == before
    assert [player.name for player in read_arena(tmp_path / "a").players] == ["a", "b", "c"]
    # Fewer again: only what is asked for is told.
    assert len((await play(["a", "c"], 1)).games) == 2 and made == []


async def test_another_arena_is_kept_apart(tmp_path: Path):
    await lmgame.match_async(["random", "scripted"], "tetris", pairs=1, out=tmp_path / "m", **SMALL)
    with pytest.raises(RecordError, match="max_decisions"):
        await lmgame.match_async(["random", "scripted"], "tetris", pairs=1, out=tmp_path / "m", max_decisions=7)
    fresh = await lmgame.match_async(["random", "scripted"], "tetris", pairs=1, out=tmp_path / "m", fresh=True, **SMALL)
    assert fresh.folder == tmp_path / "m-2"
    assert contents(tmp_path / "m") == contents(tmp_path / "m-2")


async def test_a_copy_plays_its_own_game(tmp_path: Path):
    found = await lmgame.match_async(["random"], ["tetris"], mirror=True, pairs=3, out=tmp_path / "m", **SMALL)
    assert [(m.first, m.second) for m in found.comparisons] == [("random", "random (copy)")]
    assert len(found.games) == 6
    own, copy = (
        [game.seats[0].score for game in found.games if game.seats[0].player.copy_number == number] for number in (0, 1)
    )
    assert own != copy
    with pytest.raises(UsageError, match="mirror"):
        await lmgame.match_async(["random"], ["tetris"])


async def test_until_decided_stops_early(tmp_path: Path):
    agents = {"good": maker("three"), "bad": maker("fly")}  # no such move, which loses
    found = await lmgame.match_async(
        ["good", "bad"], "counting", agents=agents, until_decided=True, out=tmp_path / "m", concurrency=2
    )
    (meeting,) = found.comparisons
    assert meeting.decided == "first" and found.complete
    assert 2 < meeting.comparison.n < 60
    # Asked again nothing more is played.
    again = await lmgame.match_async(
        ["good", "bad"], "counting", agents=agents, until_decided=True, out=tmp_path / "m", concurrency=2
    )
    assert again.comparisons == found.comparisons


async def test_adaptive_stops_at_its_budget_and_goes_on_with_a_larger_one(tmp_path: Path):
    agents = {name: thinker(name) for name in "abc"}
    settings = {"agents": agents, "adaptive": True, "out": tmp_path / "a"}
    found = await lmgame.arena_async(list("abc"), "counting", budget={"games": 14}, **settings)
    assert found.stopped == "budget" and len(found.games) == 14
    more = await lmgame.arena_async(list("abc"), "counting", budget={"games": 20}, **settings)
    assert more.stopped == "budget" and len(more.games) == 20
    assert found.played.items() <= more.played.items()


async def test_a_budget_of_tokens_cuts_games_off_and_a_larger_one_ends_them(tmp_path: Path):
    asked: list[str] = []

    def script(request: dict[str, Any], number: int) -> Reply:
        asked.append(json.dumps(request["messages"][-1]))
        return Reply('{"moves": ["left"]}', usage={"prompt_tokens": 100, "completion_tokens": 10})

    async with StubServer(script) as server:
        model = f"{server.base_url}#stub"
        settings = {"pairs": 2, "out": tmp_path / "a", "observation": "text", "max_decisions": 10, "concurrency": 2}
        short = await lmgame.match_async([model, "random"], "tetris", budget={"tokens": 550}, **settings)
        assert short.stopped == "budget" and short.unfinished
        at_first = len(asked)
        longer = await lmgame.match_async([model, "random"], "tetris", budget={"tokens": 5000}, **settings)
        assert longer.complete and len(longer.games) == 4
        decisions = [game.seats[0].decisions for game in longer.games if game.seats[0].player.model == model]
        preflight = len(asked) - sum(decisions)
    assert decisions == [10, 10]
    assert 5 <= at_first - preflight // 2 <= 7
    assert preflight in (2, 4)
    # The server is gone: what is finished stays complete, and a budget that is used up starts nobody.
    finished = await lmgame.match_async([model, "random"], "tetris", budget={"tokens": 550}, **settings)
    assert finished.complete and len(finished.games) == 4
    for budget in ({"tokens": 550}, {"games": 4}):
        more = await lmgame.match_async([model, "random"], "tetris", budget=budget, **settings | {"pairs": 3})
        assert more.stopped == "budget" and more.unfinished == 2


async def test_a_budget_that_the_last_decision_uses_up_stops_nothing(tmp_path: Path):
    reply = Reply('{"moves": ["left"]}', usage={"prompt_tokens": 100, "completion_tokens": 10})
    async with StubServer(reply) as server:
        settings = {"pairs": 1, "observation": "text", "max_decisions": 3, "concurrency": 1, "out": tmp_path / "a"}
        models = ["random", f"{server.base_url}#stub"]
        found = await lmgame.match_async(models, "tetris", budget={"tokens": 330}, **settings)
    assert found.complete and len(found.games) == 2


async def test_a_budget_of_money_needs_prices(tmp_path: Path):
    async with StubServer(Reply('{"moves": ["left"]}')) as server:
        model = f"{server.base_url}#stub"
        with pytest.raises(UsageError, match=r"--budget usd.*--price"):
            await lmgame.match_async(
                [model, "random"], "tetris", pairs=1, budget={"usd": 1}, out=tmp_path / "a", **SMALL
            )
        priced = await lmgame.match_async(
            [model, "random"],
            "tetris",
            pairs=1,
            budget={"usd": 1e-9},
            prices={model: (1.0, 1.0)},
            out=tmp_path / "a",
            **SMALL,
        )
    assert priced.stopped == "budget"


@pytest.mark.parametrize("fault", ["http_500", "http_401"])
async def test_a_server_that_fails_leaves_the_others_playing(tmp_path: Path, fault: str):
    def script(request: dict[str, Any], number: int) -> Reply:
        return Reply('{"moves": ["two"]}', fault=fault if number > 8 else None)

    settings = {"agents": {"a": thinker("a"), "b": thinker("b")}, "pairs": 4, "out": tmp_path / "a", "max_retries": 1}
    async with StubServer(script) as server:
        model = f"{server.base_url}#stub"
        found = await lmgame.arena_async(["a", model, "b"], "counting", observation="text", **settings)
        assert not found.complete and found.stopped == "infrastructure"
        assert list(found.problems) == ["stub"]
        assert {tuple(sorted(s.player.name for s in g.seats)) for g in found.games} >= {("a", "b")}
        assert sum("stub" not in [s.player.name for s in g.seats] for g in found.games) == 8
        assert found.faults > 0 and found.unfinished > 0
        server.script = lambda request, number: Reply('{"moves": ["two"]}')
        up = await lmgame.arena_async(["a", model, "b"], "counting", observation="text", **settings)
    assert up.complete and len(up.games) == 3 * 4 * 2


async def test_a_server_that_isnt_there_leaves_the_others_playing(tmp_path: Path):
    async with StubServer(Reply()) as server:
        gone = f"{server.base_url}#stub"
    settings = {"pairs": 2, "out": tmp_path / "a", "max_retries": 0, **SMALL}
    found = await lmgame.arena_async(["random", gone, "scripted"], "tetris", **settings)
    assert found.stopped == "infrastructure" and list(found.problems) == ["stub"]
    assert len(found.games) == 4 and [m.comparison.n for m in found.comparisons] == [2]
    # Where nobody could meet anybody, that is said at once, and the folder is free again.
    with pytest.raises(LmgameError):
        await lmgame.match_async(["a", gone], "counting", agents={"a": thinker("a")}, out=tmp_path / "b", max_retries=0)
    assert not (tmp_path / "b").exists()


async def test_an_engine_that_answers_one_at_a_time_is_asked_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from lmgame.arenas.contenders import Contender

    monkeypatch.setattr(Contender, "one_at_a_time", property(lambda self: self.request.model == "slow"))
    playing = {"slow": 0, "quick": 0}
    most = dict(playing)

    def agent(name: str) -> Any:
        async def act(observation: Observation) -> Decision:
            playing[name] += 1
            most[name] = max(most[name], playing[name])
            await asyncio.sleep(0.001)
            playing[name] -= 1
            return Decision((Move("hard_drop"),))

        def make(plan: Any, env: Any) -> FunctionAgent:
            made = FunctionAgent(lambda seen: Decision())
            made.act = act  # type: ignore[method-assign]
            return made

        return make

    settings = {"agents": {name: agent(name) for name in playing}, "pairs": 6, "concurrency": 4, **SMALL}
    found = await lmgame.match_async(list(playing), "tetris", out=tmp_path / "m", **settings)
    assert found.complete and most["slow"] == 1 and most["quick"] > 1


async def test_cancelled_the_finished_games_are_kept(tmp_path: Path):
    begun = asyncio.Event()

    def slow(plan: Any, env: Any) -> FunctionAgent:
        if plan.seed == 2:
            begun.set()
        return FunctionAgent(lambda seen: Decision((Move("hard_drop"),)), pause=3600 if plan.seed == 2 else 0)

    settings = {"pairs": 3, "out": tmp_path / "m", "concurrency": 2, **SMALL}
    task = asyncio.create_task(lmgame.match_async(["a", "b"], "tetris", agents={"a": slow, "b": slow}, **settings))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    agents = {name: maker("hard_drop") for name in "ab"}
    found = await lmgame.match_async(["a", "b"], "tetris", agents=agents, **settings)
    assert found.complete and len(found.games) == 6


def test_a_match_wants_two(tmp_path: Path):
    with pytest.raises(UsageError, match="two"):
        lmgame.match(["random"], "tetris", out=tmp_path / "m")
