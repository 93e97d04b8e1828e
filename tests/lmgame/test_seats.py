"""Models behind endpoints at the two seats of a shared game."""

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lmgame import Request
from lmgame.identity import player_record
from lmgame.match_header import Entrant, shared_header
from lmgame.match_plan import MatchPlan
from lmgame.match_state import MatchState
from lmgame.players import open_players, resolved
from lmgame.replay import walk_match
from lmgame.retry import Stop
from lmgame.shared_match import SharedMatch
from lmgame.watch import Silent
from lmgame_games import Card, registry
from lmgame_leaderboards import Versions, read_episode
from lmgame_serving.testing import Reply, StubServer

from .shared_toys import COUNTING, GAMES, RUNNING, RunningEnv

STEPS_A_SECOND = 100


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {**registry.games(), **GAMES}
    monkeypatch.setattr(registry, "games", lambda: known)
    monkeypatch.setattr(RunningEnv, "card", replace(RUNNING, fps=60 * STEPS_A_SECOND))


async def play(path: Path, models: tuple[str, str], card: Card, *, mirror: bool = False, **settings: Any) -> MatchState:
    requests = [Request(model=model, games=(card.game,)) for model in models]
    targets = [resolved(request) for request in requests]
    first, second = (player_record(*pair) for pair in zip(requests, targets, strict=True))
    if mirror:
        second = second.model_copy(update={"copy_number": 1})
    plan = MatchPlan(card=card, seed=7, players=(first, second), max_decisions=40, **settings)
    async with AsyncExitStack() as stack:
        players = [
            await stack.enter_async_context(open_players(request, target, "arena", Silent()))
            for request, target in zip(requests, targets, strict=True)
        ]
        plan = plan.settled([one.settle for one in players])
        entrants = [
            Entrant(player=player, endpoint=one.about) for player, one in zip(plan.players, players, strict=True)
        ]
        header = shared_header(plan, entrants, Versions(lmgame="1", python="3"))
        state = MatchState(plan)
        makers = [one.make for one in players]
        await SharedMatch(plan, path, header, makers, state, lambda *_: None, lambda _: None, Stop()).play()
    return state


async def test_each_seat_has_a_session_of_its_own_and_copies_sample_apart(tmp_path: Path):
    async with StubServer('{"moves": ["one"]}') as server:
        model = f"{server.base_url}#stub"
        state = await play(tmp_path / "match.jsonl", (model, model), COUNTING, mirror=True)
        asked = [request for request in server.requests if request.headers["x-session-id"] != "preflight"]
    assert state.status == "done"
    sessions = {request.headers["x-session-id"]: request.json["seed"] for request in asked}
    assert sessions == {f"arena-{state.plan.id}-0": 7, f"arena-{state.plan.id}-1": 7 + 2**30}
    header = read_episode(tmp_path / "match.jsonl").header
    assert header["model"] == "stub vs stub (copy)"
    assert [seat["observation"] for seat in header["seats"]] == ["both", "both"]
    assert [endpoint["model"] for endpoint in header["endpoints"]] == ["stub", "stub"]


async def test_both_are_asked_at_once_where_both_move_at_once(tmp_path: Path):
    async with StubServer(Reply('{"moves": ["run", "run"]}', delay=0.05)) as server:
        model = f"{server.base_url}#stub"
        state = await play(tmp_path / "match.jsonl", (model, model), RUNNING, mirror=True)
        assert server.most_in_flight == 2
    assert (state.status, state.scores) == ("done", (20.0, 20.0))


@pytest.mark.parametrize("fast", [0, 1])
async def test_under_the_real_time_clock_latency_costs(fast: int, tmp_path: Path):
    delay = 0.05
    async with (
        StubServer('{"moves": ["run", "run"]}') as quick,
        StubServer(Reply('{"moves": ["run", "run"]}', delay=delay)) as slow,
    ):
        servers = (quick, slow) if fast == 0 else (slow, quick)
        models = (f"{servers[0].base_url}#stub", f"{servers[1].base_url}#stub")
        state = await play(tmp_path / "match.jsonl", models, RunningEnv.card, realtime=True)
    assert state.status == "done"
    log = read_episode(tmp_path / "match.jsonl")
    begun = [[line["at"] for line in log.decisions if line["seat"] == seat] for seat in (0, 1)]
    # However busy the machine: nobody's answer begins before it has been thought about for that long.
    assert all(at >= delay * STEPS_A_SECOND for at in begun[1 - fast])
    assert len(begun[fast]) > len(begun[1 - fast]) > 0
    assert walked_scores(tmp_path / "match.jsonl") == state.scores


def walked_scores(path: Path) -> tuple[float, ...]:
    *_, last = walk_match(path)
    return tuple(last.referee.scores)


async def test_random_players_take_seats(tmp_path: Path):
    state = await play(tmp_path / "match.jsonl", ("random", "random"), COUNTING, mirror=True)
    assert (state.status, state.outcome) == ("done", "counted")
    lines = read_episode(tmp_path / "match.jsonl").decisions
    again = await play(tmp_path / "again.jsonl", ("random", "random"), COUNTING, mirror=True)
    assert [line["moves"] for line in lines] == [
        line["moves"] for line in read_episode(tmp_path / "again.jsonl").decisions
    ]
    assert again.scores == state.scores
