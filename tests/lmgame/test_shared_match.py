"""Shared matches from their plans to their records: cut off anywhere, with faults, and in real time."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lmgame.cli.show import show
from lmgame.match_header import Entrant, shared_header
from lmgame.match_plan import MatchPlan
from lmgame.match_state import MatchState
from lmgame.referee import Referee
from lmgame.replay import walk_match
from lmgame.retry import GaveUpError, Stop
from lmgame.shared_match import SharedMatch
from lmgame_agents import Agent, Decision, InfrastructureError, Latency, Observation, Usage, Verdict
from lmgame_common import RecordError
from lmgame_games import Card, Move, card, registry
from lmgame_leaderboards import PlayerRecord, Versions, read_episode

from .conftest import stable_lines
from .shared_toys import COUNTING, GAMES, RUNNING, FunctionAgent, RunningEnv, chosen

VERSIONS = Versions(lmgame="1", python="3")
PLAYERS = (PlayerRecord(model="fast"), PlayerRecord(model="slow"))


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {**registry.games(), **GAMES}
    monkeypatch.setattr(registry, "games", lambda: known)


def plan_of(card: Card, **settings: Any) -> MatchPlan:
    settings = {"seed": 2, "players": PLAYERS, "max_decisions": 50, "observations": ("text", "text")} | settings
    return MatchPlan(card=card, **settings)


class Match:
    """A shared match between agents that are functions, and what was seen of it."""

    def __init__(self, plan: MatchPlan, path: Path, agents: Sequence[Callable[[], Agent]]) -> None:
        self.plan, self.path, self.state, self.stop = plan, path, MatchState(plan), Stop()
        self.answers: list[tuple[int, Decision]] = []
        self.agents: list[Agent] = []
        header = shared_header(plan, [Entrant(player=player) for player in plan.players], VERSIONS)

        def make(seat: int) -> Callable[[Any, Any], Agent]:
            def made(plan: Any, env: Any) -> Agent:
                self.agents.append(agents[seat]())
                return self.agents[-1]

            return made

        self.match = SharedMatch(
            plan, path, header, (make(0), make(1)), self.state, self.answered, lambda state: None, self.stop
        )

    def answered(self, seat: int, decision: Decision) -> None:
        self.answers.append((seat, decision))

    async def play(self) -> "Match":
        await self.match.play()
        return self


def thinkers(*, seconds: float = 0.0, faulty: bool = True) -> list[Callable[[], Agent]]:
    """Two agents that answer by what they see; the second takes three times as long, by what it says."""

    def agent(seat: int) -> Callable[[], Agent]:
        return lambda: FunctionAgent(
            lambda seen: chosen(seen, salt=str(seat), seconds=seconds * (1 + 2 * seat), faulty=faulty)
        )

    return [agent(0), agent(1)]


KINDS = {
    "turns": plan_of(COUNTING),
    "idle": plan_of(COUNTING, options={"gentle": True}),
    "rounds": plan_of(RUNNING),
    "limit": plan_of(RUNNING, max_decisions=3),
    "realtime": plan_of(RUNNING, realtime=True),
}


def by_seat(path: Path) -> list[Any]:
    """What stays the same whatever order the answers came in."""
    lines = stable_lines(path)
    kept = [{key: value for key, value in line.items() if key != "index"} for line in lines]
    return sorted(kept, key=lambda line: (line["type"], line.get("seat", 0)))


@pytest.mark.parametrize("kind", KINDS)
async def test_cut_off_after_any_line_a_match_ends_as_if_nothing_had_happened(kind: str, tmp_path: Path):
    plan = KINDS[kind]
    whole = await Match(plan, tmp_path / "whole.jsonl", thinkers(seconds=2.0)).play()
    assert whole.state.status == "done"
    content = whole.path.read_bytes()
    lines = content.splitlines(keepends=True)
    decisions = len(lines) - 2
    assert decisions == len(whole.answers) == whole.state.decisions >= 4
    assert {seat for seat, _ in whole.answers} == {0, 1}
    for cut in range(len(lines)):
        path = tmp_path / f"cut-{cut}.jsonl"
        path.write_bytes(b"".join(lines[:cut]) + lines[cut][: len(lines[cut]) // 2])
        again = await Match(plan, path, thinkers(seconds=2.0)).play()
        assert by_seat(path) == by_seat(whole.path)
        assert len(again.answers) == decisions - max(0, cut - 1)
        assert again.state.scores == whole.state.scores
        assert again.state.tokens == whole.state.tokens
        assert [seat.verdicts for seat in again.state.seats] == [seat.verdicts for seat in whole.state.seats]


async def test_the_record_says_who_played_and_what_came_of_it(tmp_path: Path):
    match = await Match(plan_of(COUNTING, seed=0), tmp_path / "match.jsonl", thinkers(faulty=False)).play()
    log = read_episode(match.path)
    assert log.header["model"] == "fast vs slow"
    assert log.header["episode"] == f"counting-standard-0-{PLAYERS[0].key[:8]}-{PLAYERS[1].key[:8]}"
    assert [seat["player"]["model"] for seat in log.header["seats"]] == ["fast", "slow"]
    assert log.outcome is not None
    assert sorted(log.outcome["scores"]) == [0.0, 1.0]
    assert log.outcome["score"] == log.outcome["scores"][0]
    assert [line["index"] for line in log.decisions] == list(range(log.outcome["decisions"]))
    assert [line["seat"] for line in log.decisions[:4]] == [0, 1, 0, 1]


async def test_agents_are_closed_and_recall_what_was_logged(tmp_path: Path):
    plan = plan_of(RUNNING)
    whole = await Match(plan, tmp_path / "match.jsonl", thinkers()).play()
    assert all(isinstance(agent, FunctionAgent) and agent.closed for agent in whole.agents)
    lines = whole.path.read_bytes().splitlines(keepends=True)
    (tmp_path / "cut.jsonl").write_bytes(b"".join(lines[:6]))
    again = await Match(plan, tmp_path / "cut.jsonl", thinkers()).play()
    recalled = [agent.recalled for agent in again.agents if isinstance(agent, FunctionAgent)]
    assert sum(recalled) == 5


class Faulty(FunctionAgent):
    """Its server fails the first `times` times."""

    def __init__(self, times: int, *, fatal: bool = False) -> None:
        super().__init__(lambda seen: chosen(seen, salt="1"))
        self.times, self.fatal = times, fatal

    async def act(self, observation: Observation) -> Decision:
        if self.times:
            self.times -= 1
            raise InfrastructureError("reset", "The connection was reset.", retry_after=0.0, fatal=self.fatal)
        return await super().act(observation)


@pytest.mark.parametrize("card", [COUNTING, RUNNING], ids=lambda card: card.game)
async def test_faults_delay_a_match_and_change_nothing(card: Card, tmp_path: Path):
    plan = plan_of(card)
    whole = await Match(plan, tmp_path / "whole.jsonl", thinkers()).play()
    faulty = await Match(plan, tmp_path / "faulty.jsonl", [thinkers()[0], lambda: Faulty(2)]).play()
    assert by_seat(faulty.path) == by_seat(whole.path)
    assert [seat.faults for seat in faulty.state.seats] == [0, 2]
    faults = read_episode(faulty.path).faults
    assert [(fault["seat"], fault["kind"]) for fault in faults] == [(1, "reset")] * 2


async def test_a_server_that_stays_down_puts_the_match_off_and_loses_no_answer(tmp_path: Path):
    plan = plan_of(RUNNING)
    dead = Match(plan, tmp_path / "match.jsonl", [thinkers()[0], lambda: Faulty(1, fatal=True)])
    with pytest.raises(InfrastructureError, match="reset"):
        await dead.play()
    assert dead.state.gave_up == 1
    assert [line["seat"] for line in read_episode(dead.path).decisions] == [0]
    again = await Match(plan, dead.path, thinkers()).play()
    assert again.state.status == "done"
    whole = await Match(plan, tmp_path / "whole.jsonl", thinkers()).play()
    assert by_seat(again.path) == by_seat(whole.path)


@pytest.mark.parametrize("kind", KINDS)
async def test_stopped_it_asks_nobody_any_more_and_goes_on_later(kind: str, tmp_path: Path):
    plan = KINDS[kind]
    match = Match(plan, tmp_path / "match.jsonl", thinkers(seconds=2.0))

    def stop(seat: int, decision: Decision) -> None:
        match.answers.append((seat, decision))
        match.stop.set()

    match.match._on_answer = stop
    await match.play()
    assert match.state.status == "stopped"
    assert 1 <= len(match.answers) <= 2
    again = await Match(plan, match.path, thinkers(seconds=2.0)).play()
    assert again.state.status == "done"


@pytest.mark.parametrize("fast", [0, 1])
async def test_in_real_time_the_faster_one_moves_first(fast: int, tmp_path: Path):
    def agent(seat: int) -> Callable[[], Agent]:
        seconds = 1.0 if seat == fast else 7.0
        return lambda: FunctionAgent(lambda seen: Decision((Move("run"),), latency=Latency(total=seconds)))

    match = await Match(plan_of(RUNNING, realtime=True), tmp_path / "match.jsonl", [agent(0), agent(1)]).play()
    assert match.state.scores[fast] == 20
    log = read_episode(match.path)
    begun = [[line["at"] for line in log.decisions if line["seat"] == seat] for seat in (0, 1)]
    assert begun[fast][:3] == [1, 3, 5]
    assert begun[1 - fast][0] == 7
    assert log.outcome is not None
    assert log.outcome["steps"] >= 40  # twenty moves, each after a second of thought


async def test_the_game_waits_for_nobody_in_real_time(tmp_path: Path):
    """While one thinks the other plays on: it is asked again and again before the first has answered."""
    card = replace(RUNNING, fps=60_000)  # a step is a millisecond
    others = asyncio.Event()

    class Slow(FunctionAgent):
        async def act(self, observation: Observation) -> Decision:
            await others.wait()
            return await super().act(observation)

    def count(seen: Observation) -> Decision:
        if seen.index >= 3:
            others.set()
        return Decision((Move("rest"),))

    plan = plan_of(card, realtime=True)
    agents = [lambda: FunctionAgent(count), lambda: Slow(lambda seen: Decision((Move("run"),)))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunningEnv, "card", card)
        match = await Match(plan, tmp_path / "match.jsonl", agents).play()
    assert match.state.status == "done"
    assert [seat for seat, _ in match.answers[:3]] == [0, 0, 0]


async def test_stopped_it_waits_for_who_still_thinks_and_does_nothing_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    answering, looked = asyncio.Event(), []

    class Slow(FunctionAgent):
        async def act(self, observation: Observation) -> Decision:
            await answering.wait()
            return await super().act(observation)

    agents = [lambda: FunctionAgent(lambda seen: Decision(())), lambda: Slow(chosen)]  # the first is through at once
    match = Match(plan_of(RUNNING, realtime=True), tmp_path / "match.jsonl", agents)
    match.match._on_answer = lambda seat, decision: match.stop.set()
    advance = Referee.advance
    monkeypatch.setattr(Referee, "advance", lambda *rest: (looked.append(None), advance(*rest))[1])
    playing = asyncio.ensure_future(match.play())
    for _ in range(200):
        await asyncio.sleep(0)
    assert match.stop.is_set()
    assert len(looked) < 20
    answering.set()
    await playing
    assert match.state.status == "stopped"
    assert len(read_episode(match.path).decisions) == 2


class LateBecauseOfFaults(FunctionAgent):
    """Its server fails once in a game, and only when the other player has moved on."""

    def __init__(self, moved_on: asyncio.Event, failures: list[None]) -> None:
        super().__init__(lambda seen: Decision((Move("run"),), usage=Usage(prompt_tokens=5)))
        self.moved_on, self.failures, self.failed = moved_on, failures, False

    async def act(self, observation: Observation) -> Decision:
        if self.failures and not self.failed:
            await self.moved_on.wait()
            self.failures.pop()
            self.failed = True
            self.moved_on.clear()
            raise InfrastructureError("reset", "The connection was reset.", retry_after=0.0)
        return await super().act(observation)


def after_faults(path: Path, failures: int, **settings: Any) -> Match:
    moved_on, left = asyncio.Event(), [None] * failures

    def count(seen: Observation) -> Decision:
        if seen.index >= 3:
            moved_on.set()
        return Decision((Move("rest"),))

    plan = plan_of(replace(RUNNING, fps=3_000), realtime=True, **settings)
    return Match(plan, path, [lambda: FunctionAgent(count), lambda: LateBecauseOfFaults(moved_on, left)])


async def test_a_fault_that_cost_game_time_begins_the_match_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(RunningEnv, "card", replace(RUNNING, fps=3_000))
    match = await after_faults(tmp_path / "match.jsonl", 1).play()
    assert (match.state.status, match.state.restarts) == ("done", 1)
    log = read_episode(match.path)
    assert len(log.void) >= 4
    assert log.void[-1]["seat"] == 1
    assert match.state.decisions == len(log.decisions)
    spent = sum(line["usage"]["prompt_tokens"] or 0 for line in log.void + log.decisions)
    assert match.state.tokens == spent > 5
    restart = next(line for line in stable_lines(match.path) if line["type"] == "restart")
    assert restart["seat"] == 1
    assert "slow" in restart["why"]
    assert [step.record["index"] for step in walk_match(match.path)] == list(range(len(log.decisions)))


async def test_faults_without_end_put_a_match_off_that_is_then_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(RunningEnv, "card", replace(RUNNING, fps=3_000))
    match = after_faults(tmp_path / "match.jsonl", 2, max_retries=1)
    with pytest.raises(GaveUpError, match="after 1 restarts"):
        await match.play()
    assert match.state.gave_up == 1
    log = read_episode(match.path)
    assert (log.decisions, len(log.void) >= 8) == ([], True)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_record_can_be_walked_to_the_same_end(kind: str, tmp_path: Path):
    match = await Match(KINDS[kind], tmp_path / "match.jsonl", thinkers(seconds=2.0)).play()
    log = read_episode(match.path)
    walked = list(walk_match(match.path))
    assert [step.record for step in walked] == log.decisions
    assert all(step.observation.text and f"player_{step.seat}" in step.observation.text for step in walked)
    assert walked[-1].referee.outcome == match.state.outcome
    assert tuple(walked[-1].referee.scores) == match.state.scores


async def test_a_game_that_ends_while_both_think_is_walked_to_its_end(tmp_path: Path):
    plan = plan_of(RUNNING, realtime=True)
    for_ever = Decision((Move("run"),), latency=Latency(total=1000.0))
    match = await Match(plan, tmp_path / "match.jsonl", [lambda: FunctionAgent(lambda seen: for_ever)] * 2).play()
    steps: list[int] = []
    walked = list(walk_match(match.path, lambda game, moves: steps.append(len(moves))))
    assert (walked[-1].referee.outcome, sum(steps)) == ("finished", 160)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [({"seat": 1}, "not to decide"), ({"seat": None}, "damaged"), ({"score": 7.0}, "gives score")],
    ids=str,
)
async def test_damaged_records_are_refused(change: dict[str, Any], complaint: str, tmp_path: Path):
    match = await Match(plan_of(COUNTING), tmp_path / "match.jsonl", thinkers(faulty=False)).play()
    lines = [json.loads(line) for line in match.path.read_text().splitlines()]
    lines[1] |= change
    match.path.write_text("".join(json.dumps(line) + "\n" for line in lines[:-1]))
    with pytest.raises(RecordError, match=complaint):
        await Match(plan_of(COUNTING), match.path, thinkers()).play()
    with pytest.raises(RecordError, match=complaint):
        list(walk_match(match.path))


async def test_a_server_may_move_and_a_player_may_not_change(tmp_path: Path):
    match = await Match(plan_of(COUNTING), tmp_path / "match.jsonl", thinkers()).play()
    cut = b"".join(match.path.read_bytes().splitlines(keepends=True)[:3])
    moved = (PLAYERS[0].model_copy(update={"base_url": "http://elsewhere/v1"}), PLAYERS[1])
    match.path.write_bytes(cut)
    assert (await Match(plan_of(COUNTING, players=moved), match.path, thinkers()).play()).state.status == "done"
    match.path.write_bytes(cut)
    other = (PLAYERS[0].model_copy(update={"history": 3}), PLAYERS[1])
    with pytest.raises(RecordError, match="was begun with"):
        await Match(plan_of(COUNTING, players=other), match.path, thinkers()).play()


async def test_a_state_can_be_read_without_playing(tmp_path: Path):
    match = await Match(plan_of(RUNNING), tmp_path / "match.jsonl", thinkers()).play()
    state = MatchState(match.plan)
    state.read(read_episode(match.path))
    assert (state.status, state.outcome, state.scores) == ("done", match.state.outcome, match.state.scores)
    assert (state.decisions, state.tokens) == (match.state.decisions, match.state.tokens)
    assert [seat.verdicts[Verdict.OK] for seat in state.seats] == [s.verdicts[Verdict.OK] for s in match.state.seats]


async def test_show_tells_who_decided_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    players = (PlayerRecord(model="one\x1b[2J"), PlayerRecord(model="other", reference=True))
    plan = plan_of(COUNTING, players=players, observations=("text", "both"))
    match = await Match(plan, tmp_path / "match.jsonl", [thinkers()[0], lambda: Faulty(1)]).play()
    show(match.path, None)
    shown = capsys.readouterr().out
    assert "\x1b[2J" not in shown
    assert "other (reference) (player_1)" in shown
    assert "system prompt of other (reference)" in shown
    assert "prompt (with the frame)" in shown
    assert shown.count("infrastructure: The connection was reset.") == 1
    scores = " to ".join(f"{score:g}" for score in match.state.scores)
    assert f"{match.state.outcome} · score {scores} · {match.state.decisions} decisions" in shown
    show(match.path, 1)
    shown = capsys.readouterr().out
    assert "decision 1" in shown
    assert "decision 0" not in shown
    assert "system prompt" not in shown


async def test_show_tells_the_faults_of_games_that_both_play_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    told = "infrastructure: The connection was reset."
    match = await Match(plan_of(RUNNING), tmp_path / "match.jsonl", [thinkers()[0], lambda: Faulty(2)]).play()
    show(match.path, None)
    assert capsys.readouterr().out.count(told) == 2
    monkeypatch.setattr(RunningEnv, "card", replace(RUNNING, fps=3_000))
    begun_anew = await after_faults(tmp_path / "anew.jsonl", 1).play()
    show(begun_anew.path, None)
    assert told not in capsys.readouterr().out  # that was in the game which is void


def test_copies_of_a_model_sample_apart():
    copy = PLAYERS[0].model_copy(update={"copy_number": 1})
    for seed in (5, 2**31 - 1):
        plan = plan_of(COUNTING, seed=seed, players=(PLAYERS[0], copy))
        assert plan.seat_plan(0).sampling_seed == seed
        assert plan.seat_plan(1).sampling_seed == (seed + 2**30) % 2**31
        assert plan.seat_plan(1).id == f"{plan.id}-1"


async def test_rounds_of_tetris_versus_are_cut_off_and_resumed_in_their_middle(tmp_path: Path):
    """One seat needs several answers a piece, the other one: most cuts are within a round."""
    plan = plan_of(card("tetris-versus"), max_decisions=12, observations=(None, None))

    def dropper(seen: Observation) -> Decision:
        return Decision((Move(("left", "right")[seen.index % 2]), Move("hard_drop")))

    def nudger(seen: Observation) -> Decision:
        return Decision((Move("hard_drop" if seen.index % 3 == 2 else "left"),))

    def agents() -> list[Callable[[], Agent]]:
        return [lambda: FunctionAgent(dropper), lambda: FunctionAgent(nudger)]

    whole = await Match(plan, tmp_path / "whole.jsonl", agents()).play()
    assert whole.state.outcome == "decision_limit"
    assert [sum(line["seat"] == seat for line in read_episode(whole.path).decisions) for seat in (0, 1)] == [4, 12]
    lines = whole.path.read_bytes().splitlines(keepends=True)
    for cut in range(1, len(lines), 2):
        path = tmp_path / f"cut-{cut}.jsonl"
        path.write_bytes(b"".join(lines[:cut]))
        again = await Match(plan, path, agents()).play()
        assert by_seat(path) == by_seat(whole.path)
        assert len(again.answers) == len(lines) - 1 - cut
    for _ in walk_match(whole.path):
        pass
