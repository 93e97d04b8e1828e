"""Two small shared games, one whose seats take turns and one whose seats move at once, and agents that play them."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from lmgame_agents import Decision, Latency, Observation, Usage, Verdict
from lmgame_games import AlternatingGame, Card, Control, Game, Move, SharedGame, SimultaneousGame
from lmgame_games.shared import AGENTS

COUNTING = Card(
    game="counting",
    preset="standard",
    env_id="lmgame/Counting-v1",
    version=1,
    title="Counting",
    rules="Add one, two or three. Who reaches 21 wins.",
    controls=(Control("one", "adds 1"), Control("two", "adds 2"), Control("three", "adds 3")),
    max_moves=1,
    answers=('{"moves": ["one"]}',),
    idle=Move("one"),
    fps=60,
    move_frames="none",
    score="1 for a win",
    illegal="anything else",
    seed="where counting begins",
    max_decisions=50,
    seats=2,
    timed=False,
    forfeit_after=3,
)
RUNNING = Card(
    game="running",
    preset="standard",
    env_id="lmgame/Running-v1",
    version=1,
    title="Running",
    rules="Run. Trip the other.",
    controls=(Control("run", "a step ahead"), Control("trip", "throws the other back"), Control("rest", "nothing")),
    max_moves=4,
    answers=('{"moves": ["run"]}',),
    idle=Move("rest"),
    fps=60,
    tap_frames=60,
    move_frames="60: a step is a second",
    score="steps ahead",
    illegal="anything else",
    seed="how often a runner stumbles",
    max_decisions=50,
    seats=2,
    simultaneous=True,
    forfeit_after=3,
)


class _Toy(SharedGame):
    def __init__(self, preset: str = "standard", render_mode: str | None = None, **options: Any) -> None:
        self.options = options
        self.agents = list(AGENTS)
        self.lost: str | None = None
        self.stopped = False

    def action_space(self, agent: str) -> spaces.Discrete:
        return spaces.Discrete(3)

    def frame(self, agent: str) -> np.ndarray:
        return np.zeros((32, 32, 3), np.uint8)

    def view(self, agent: str) -> Any:
        return self.text(agent)

    def action(self, agent: str, move: Move) -> int:
        assert self.problem(agent, move) is None
        return [control.name for control in self.card.controls].index(move.name)

    def move(self, agent: str, action: int) -> Move:
        return Move(self.card.controls[action].name)

    def forfeit(self, agent: str) -> None:
        if not self.over:
            self.lost = agent

    def adjudicate(self) -> None:
        self.stopped = True

    def close(self) -> None:
        pass


class CountingEnv(_Toy, AlternatingGame):
    """`gentle=True`: an unusable answer is an idle move, `one`."""

    card = COUNTING

    def reset(self, seed: int | None = None, options: Any = None) -> None:
        self.total = (seed or 0) % 5
        self.agent_selection = AGENTS[0]
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in AGENTS}
        self.lost, self.stopped = None, False

    @property
    def over(self) -> bool:
        return self.total >= 21 or self.lost is not None or self.stopped

    def step(self, action: int) -> None:
        self.agent_selection = self._play(self.agent_selection, action)

    def _play(self, agent: str, action: int) -> str:
        self.total += action + 1
        return AGENTS[1 - AGENTS.index(agent)]

    def scores(self) -> dict[str, float]:
        if self.total >= 21:
            return {agent: float(agent != self.agent_selection) for agent in AGENTS}
        if self.lost:
            return {agent: float(agent != self.lost) for agent in AGENTS}
        return dict.fromkeys(AGENTS, 0.5 if self.stopped else 0.0)

    def legal_moves(self, agent: str) -> tuple[str, ...] | None:
        return ("one", "two", "three")[: 21 - self.total]

    def text(self, agent: str) -> str:
        return f"{self.total} ({agent})"

    def idle(self, agent: str) -> Move | None:
        return Move("one") if self.options.get("gentle") else None

    def outcome(self) -> str:
        return "counted"


class RunningEnv(_Toy, SimultaneousGame):
    """Who is 20 steps ahead or further after 80 own steps wins. A runner who passes a stone, a multiple of 5, has its
    turn over; so has one whose laces come undone, which they do every so often, running or not."""

    card = RUNNING

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.laces = 5 + (seed or 0) % 3
        self.ahead: dict[str, int] = dict.fromkeys(AGENTS, 0)
        self.clock: dict[str, int] = dict.fromkeys(AGENTS, 0)
        self.history: list[dict[str, int]] = []
        self.lost, self.stopped = None, False
        return dict.fromkeys(AGENTS, 0), {agent: {} for agent in AGENTS}

    @property
    def over(self) -> bool:
        done = max(self.ahead.values()) >= 20 or max(self.clock.values()) >= 80
        return done or self.lost is not None or self.stopped

    def step(self, actions: Mapping[str, int]) -> Any:
        self.history.append(dict(actions))
        before = dict(self.ahead)
        for agent, action in actions.items():
            self.clock[agent] += 1
            self.ahead[agent] += action == 0
            self.ahead[AGENTS[1 - AGENTS.index(agent)]] -= action == 1
        infos = {
            agent: {
                "score": float(self.ahead[agent]),
                "turn_over": agent in actions
                and (self.ahead[agent] // 5 > before[agent] // 5 or self.clock[agent] % self.laces == 0),
            }
            for agent in AGENTS
        }
        return {}, {}, dict.fromkeys(AGENTS, self.over), dict.fromkeys(AGENTS, False), infos

    def scores(self) -> dict[str, float]:
        if self.lost:
            return {agent: float(agent != self.lost) for agent in AGENTS}
        return {agent: float(self.ahead[agent]) for agent in AGENTS}

    def text(self, agent: str) -> str:
        return f"{self.ahead} {self.clock} ({agent})"

    def idle(self, agent: str) -> Move | None:
        return Move("rest")

    def outcome(self) -> str:
        return "finished"


def _game(card: Card, entry: str) -> Game:
    return Game(
        name=card.game,
        title=card.title,
        env_id=card.env_id,
        entry_point=f"{__name__}:{entry}",
        presets=("standard",),
        cards=lambda preset: card,
        seats=2,
        options={"gentle": "whether an unusable answer is an idle move"} if card is COUNTING else {},
    )


GAMES = {"counting": _game(COUNTING, "CountingEnv"), "running": _game(RUNNING, "RunningEnv")}


def chosen(observation: Observation, *, salt: str = "", seconds: float = 0.0, faulty: bool = True) -> Decision:
    """A decision that depends on nothing but what is seen; now and then an unusable one."""
    shown = f"{salt} {observation.text} {observation.index} {observation.feedback}"
    number = hashlib.sha256(shown.encode()).digest()
    running = "ahead" not in shown and "{" in (observation.text or "")
    latency = Latency(total=seconds * (1 + number[2] % 3))
    usage = Usage(prompt_tokens=10, completion_tokens=number[3] % 7)
    if faulty and number[0] % 4 == 0:
        moves = (Move("run"),) if running and number[1] % 2 else ()
        return Decision(moves, Verdict.UNPARSABLE, raw="?", problem="Say a move.", usage=usage, latency=latency)
    names = ("run", "run", "trip", "rest") if running else observation.legal_moves or ("one",)
    count = 1 + number[1] % 4 if running else 1
    moves = tuple(Move(names[number[k + 4] % len(names)]) for k in range(count))
    return Decision(moves, usage=usage, latency=latency)


class FunctionAgent:
    """Answers with what a function makes of the observation; remembers how many turns it knows of."""

    def __init__(self, decide: Callable[[Observation], Decision], pause: float = 0.0) -> None:
        self._decide, self._pause = decide, pause
        self.asked = 0
        self.recalled = 0
        self.closed = False

    async def act(self, observation: Observation) -> Decision:
        assert observation.index == self.asked + self.recalled
        await asyncio.sleep(self._pause)
        decision = self._decide(observation)
        self.asked += 1
        return decision

    def recall(self, observation: Observation, decision: Decision) -> None:
        assert observation.index == self.recalled
        self.recalled += 1

    def close(self) -> None:
        self.closed = True
