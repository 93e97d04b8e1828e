"""What answers do to a shared game. Playing, resuming and replaying all go through here, so they can't differ.

The referee is pure: it knows no clock, no files and no models. It says which seats are to be asked and takes their
answers; what happens then depends on the answers and, under the real-time clock, on the step at which each arrives.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lmgame.episode import observe
from lmgame_agents import Decision, Observation, Verdict
from lmgame_games import AlternatingGame, Card, Move, ObservationKind, SharedGame, SimultaneousGame
from lmgame_games.shared import AGENTS

OnStep = Callable[[SharedGame, Mapping[str, Move]], None]
"""Told of the game after its reset and at its end (no moves), and after each step, with the move of each seat that
moved."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A seat that is to decide, and what it saw at that moment."""

    seat: int
    observation: Observation
    """Its `index` counts the decisions of this seat alone."""
    at: int
    """Steps that had been played then."""
    score: float
    """The seat's score then."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an answer, as its line in the record tells it."""

    decision: Decision
    """As it was answered; with another verdict where a move wasn't legal after all."""
    score: float
    """The seat's score: after the decision where seats take turns, else when it was asked for."""
    played: int | None = None
    """How many of its moves were played; None where that shows only later."""


@dataclass(slots=True)
class _Side:
    """What the referee knows of one seat."""

    asked: Asked | None = None
    answer: Decision | None = None
    """Given, and not yet begun."""
    arrives: int = 0
    """The step at which the answer begins, under the real-time clock."""
    playing: Decision | None = None
    moves: deque[Move] = field(default_factory=deque[Move])
    """Those of `playing` that are still to come."""
    stale: bool = False
    """Whether what the answer was meant for went while it was thought about."""
    turn_done: bool = False
    """Whether its turn of this round is over, in games that have `rounds`."""
    decisions: int = 0
    unusable: int = 0
    """Unusable answers in a row."""
    feedback: str | None = None


class Referee:
    """Drives one shared game from answers.

    Seats that take turns: an answer's moves are played as long as it is the seat's turn. An unusable one plays the
    legal moves before its fault and then the game's `idle`; where the game has none, the seat is asked again.

    Seats that move at once, paused clock: when both have answered, their first moves are played together, then their
    second ones, and so on. A seat whose moves are out, or whose turn is over, stands still until both are asked anew.
    Where the card has `rounds`, one whose turn isn't over is asked again, alone, until both have finished their turns:
    else who does next to nothing in each answer would outlive everybody who plays.

    Seats that move at once, real-time clock: time goes in steps of one move. An answer that took a while arrives that
    many steps after it was asked for, and from then on one of its moves is played each step; until then its seat
    idles. A seat whose moves are out, or whose turn is over, is asked anew at once, whatever the other does. Moves are
    dropped if what they were meant for went while the seat thought.

    `forfeit_after` unusable answers in a row lose the game; if both seats reach that together, or a seat that is to be
    asked has used up its decisions, the game ends as it stands; but in `rounds` such a seat loses if the other one has
    decisions left.

    Args:
        game: The game; it is reset here.
        seed: The match's seed.
        max_decisions: Most decisions of each seat.
        realtime: Whether the game runs on while seats think; only where they move at once.
        observations: What each seat is shown.
        on_step: Told of every step.
    """

    def __init__(
        self,
        game: SharedGame,
        seed: int,
        *,
        max_decisions: int,
        realtime: bool = False,
        observations: Sequence[ObservationKind | None] = (None, None),
        on_step: OnStep | None = None,
    ) -> None:
        self.game, self.realtime = game, realtime
        self.now = 0
        """Steps played."""
        self.outcome: str | None = None
        """How the game ended; None while it goes on."""
        self._card: Card = game.card
        self._limit, self._kinds, self._on_step = max_decisions, observations, on_step
        self._sides = (_Side(), _Side())
        _table(game).reset(seed=seed)
        self._told({})
        self._go_on((0, 1))

    @property
    def scores(self) -> list[float]:
        """Each seat's score so far."""
        scores = self.game.scores()
        return [float(scores[agent]) for agent in AGENTS]

    @property
    def decisions(self) -> list[int]:
        """How many decisions of each seat are over."""
        return [side.decisions for side in self._sides]

    def wanted(self) -> list[Asked]:
        """The seats that are to decide and haven't answered yet, each with what it saw when it came to that."""
        return [side.asked for side in self._sides if side.asked]

    def asked(self, seat: int) -> Asked | None:
        """That seat's part of `wanted`."""
        return self._sides[seat].asked

    def arrival(self, seat: int, seconds: float) -> int:
        """The step, under the real-time clock, at which an answer of a seat that is wanted arrives.

        Args:
            seat: Whose.
            seconds: How long the whole answer took.
        """
        return max(self.now, self._due(seat, seconds))

    def late(self, seat: int, seconds: float) -> int:
        """How many steps the game has run beyond the one at which such an answer should have arrived."""
        return max(0, self.now - self._due(seat, seconds))

    def answer(self, seat: int, decision: Decision, at: int | None = None) -> Settled:
        """Take the answer of a seat that is wanted, and play as far as that allows.

        Args:
            seat: Whose answer it is.
            decision: The answer.
            at: Under the real-time clock the step at which it arrives, at least the present one; None: what its
                latency comes to.
        """
        side = self._sides[seat]
        asked = side.asked
        assert asked is not None, f"seat {seat} was not asked"
        decision = self._judged(decision)
        if isinstance(self.game, AlternatingGame):
            side.asked = None
            return self._take_turn(self.game, seat, decision)
        if self.realtime:
            side.arrives = self.arrival(seat, decision.latency.total) if at is None else max(at, self.now)
        side.asked, side.answer = None, decision
        if self.realtime:
            self.advance(self.now)
        elif not self.wanted():
            self._play_round()
        return Settled(decision, asked.score)

    def advance(self, until: float) -> None:
        """Let time pass under the real-time clock: at most to step `until` as long as a seat is thinking.

        It stops early where a seat is to be asked, at the state that the seat is to see. Where both seats have
        answered, time passes until one is to be asked, whatever `until` says.
        """
        if not self.realtime:
            return
        thinking = len(self.wanted())
        while self.outcome is None:
            self._begin_arrived()
            if self.outcome or len(self.wanted()) > thinking:
                return
            if thinking and self.now >= until:
                return
            self._tick()
            if len(self.wanted()) > thinking:
                return

    def reach(self, seat: int) -> Asked | None:
        """Let time pass until that seat is to be asked, the other one thinking as long as need be.

        Returns:
            What it is asked; None if the game ends before.
        """
        while self._sides[seat].asked is None and self.realtime and self.outcome is None:
            self.advance(math.inf)
        return self._sides[seat].asked

    def run_out(self, steps: int) -> None:
        """Under the real-time clock, play on to a step that is known to have been reached while seats thought."""
        while self.realtime and self.outcome is None and self.now < steps:
            self.advance(steps)

    def _due(self, seat: int, seconds: float) -> int:
        asked = self._sides[seat].asked
        assert asked is not None, f"seat {seat} was not asked"
        return asked.at + math.floor(seconds * steps_a_second(self._card))

    def _judged(self, decision: Decision) -> Decision:
        """The decision with its moves cut off before the first that is illegal whatever the state, which agents of
        other people may not have checked."""
        for number, move in enumerate(decision.moves):
            problem = self._card.problem(move)
            if number >= self._card.max_moves:
                problem = f"{len(decision.moves)} moves were given; at most {self._card.max_moves} are possible."
            if problem:
                return _illegal(decision, number, problem)
        return decision

    def _take_turn(self, game: AlternatingGame, seat: int, decision: Decision) -> Settled:
        agent, played = AGENTS[seat], 0
        for move in decision.moves:
            if problem := game.problem(agent, move):
                decision = _illegal(decision, played, problem)
                break
            self._step({agent: move})
            played += 1
            if game.over or game.agent_selection != agent:
                break
        # A seat that has made all the moves of its turn may be to move again, and owes nothing for it.
        its_turn = not game.over and game.agent_selection == agent and played < self._card.max_moves
        if decision.verdict is not Verdict.OK and its_turn and (idle := game.idle(agent)):
            self._step({agent: idle})
        self._over_with(seat, decision)
        self._go_on((seat,))
        return Settled(decision, self.scores[seat], played)

    def _play_round(self) -> None:
        playing = [seat for seat, side in enumerate(self._sides) if side.answer]
        for seat in playing:
            self._begin(seat)
        while any(side.moves for side in self._sides) and not self.game.over:
            moves = {AGENTS[seat]: self._next(seat) for seat, side in enumerate(self._sides) if side.moves}
            infos = self._step(moves)
            for agent, side in zip(AGENTS, self._sides, strict=True):
                if agent in moves and _turn_over(infos, agent):
                    side.moves.clear()
                    side.turn_done = True
        for seat in playing:
            decision = self._sides[seat].playing
            assert decision is not None
            self._over_with(seat, decision)
        self._go_on(playing, then=self._still_to_come())

    def _still_to_come(self) -> Sequence[int]:
        """The seats that are to be asked after a round, or a part of one."""
        left = [seat for seat, side in enumerate(self._sides) if not side.turn_done]
        if self._card.rounds and left:
            return left
        for side in self._sides:
            side.turn_done = False
        return (0, 1)

    def _begin(self, seat: int) -> None:
        """Make what was answered the seat's moves to come."""
        side = self._sides[seat]
        assert side.answer is not None
        side.playing, side.answer = side.answer, None
        side.moves = deque(() if side.stale else side.playing.moves)
        side.stale = False
        if side.playing.verdict is not Verdict.OK:
            side.moves.append(self._idle(seat))

    def _begin_arrived(self) -> None:
        finished = []
        for seat, side in enumerate(self._sides):
            if side.answer and side.arrives <= self.now:
                self._begin(seat)
                if not side.moves:
                    finished.append(seat)
        self._finish(finished)

    def _tick(self) -> None:
        """One step of the real-time clock."""
        infos = self._step({agent: self._next(seat) for seat, agent in enumerate(AGENTS)})
        finished = []
        for seat, side in enumerate(self._sides):
            turn_over = _turn_over(infos, AGENTS[seat])
            if side.playing is None:
                side.stale = side.stale or turn_over
            elif turn_over or not side.moves:
                side.moves.clear()
                finished.append(seat)
        if finished or self.game.over:
            self._finish(finished)

    def _finish(self, seats: Sequence[int]) -> None:
        for seat in seats:
            playing = self._sides[seat].playing
            assert playing is not None
            self._over_with(seat, playing)
        if seats or self.game.over:
            self._go_on(seats)

    def _over_with(self, seat: int, decision: Decision) -> None:
        """Count a decision whose moves are all played or dropped."""
        side = self._sides[seat]
        side.playing = None
        side.decisions += 1
        side.unusable = 0 if decision.verdict is Verdict.OK else side.unusable + 1
        side.feedback = decision.problem

    def _go_on(self, seats: Sequence[int], then: Sequence[int] | None = None) -> None:
        """End the game, or ask the seats whose turn it is.

        Args:
            seats: Those whose decision is over.
            then: Those to be asked, where they are others.
        """
        if self.game.over:
            self._end(self.game.outcome())
            return
        if lost := [seat for seat in seats if self._sides[seat].unusable >= self._card.forfeit_after]:
            if len(lost) == 1:
                self.game.forfeit(AGENTS[lost[0]])
            else:
                self.game.adjudicate()
            self._end("forfeit")
            return
        asked = seats if then is None else then
        if isinstance(self.game, AlternatingGame):
            asked = (AGENTS.index(self.game.agent_selection),)
        if spent := [seat for seat in asked if self._sides[seat].decisions >= self._limit]:
            alone = len(spent) == 1 and self._sides[1 - spent[0]].decisions < self._limit
            if self._card.rounds and not self.realtime and alone:
                self.game.forfeit(AGENTS[spent[0]])
            else:
                self.game.adjudicate()
            self._end("decision_limit")
            return
        for seat in asked:
            self._ask(seat)

    def _end(self, outcome: str) -> None:
        self.outcome = outcome
        for side in self._sides:
            side.asked = None
        self._told({})  # the frame may say who has won

    def _ask(self, seat: int) -> None:
        side, view = self._sides[seat], self.game.seat(AGENTS[seat])
        side.stale = False
        observation = observe(
            view,
            self._kinds[seat],
            feedback=side.feedback,
            decisions_left=self._limit - side.decisions,
            index=side.decisions,
        )
        side.asked = Asked(seat, observation, self.now, float(view.score))

    def _next(self, seat: int) -> Move:
        """The move that the seat plays now; one that has become illegal meanwhile is an idle one, and the last."""
        side = self._sides[seat]
        if side.moves:
            move = side.moves.popleft()
            if self.game.problem(AGENTS[seat], move) is None:
                return move
            side.moves.clear()
        return self._idle(seat)

    def _idle(self, seat: int) -> Move:
        return self.game.idle(AGENTS[seat]) or self._card.idle

    def _step(self, moves: Mapping[str, Move]) -> Mapping[str, Mapping[str, Any]]:
        """Play one move of each seat named; the `infos` of the seats."""
        game = _table(self.game)
        actions = {agent: game.action(agent, move) for agent, move in moves.items()}
        if isinstance(game, SimultaneousGame):
            infos = game.step(actions)[4]
        else:
            (action,) = actions.values()
            game.step(action)
            infos = game.infos
        self.now += 1
        self._told(moves)
        return infos

    def _told(self, moves: Mapping[str, Move]) -> None:
        if self._on_step:
            self._on_step(self.game, moves)


def steps_a_second(card: Card) -> float:
    """Steps of the real-time clock in a second: moves of the game, played one after the other."""
    return card.fps / card.tap_frames


def _table(game: SharedGame) -> AlternatingGame | SimultaneousGame:
    assert isinstance(game, AlternatingGame | SimultaneousGame)
    return game


def _illegal(decision: Decision, legal: int, problem: str) -> Decision:
    """The decision as an illegal one whose first `legal` moves stood before its fault."""
    if decision.verdict is Verdict.OK:
        decision = replace(decision, verdict=Verdict.ILLEGAL, problem=problem)
    return replace(decision, moves=decision.moves[:legal])


def _turn_over(infos: Mapping[str, Mapping[str, Any]], agent: str) -> bool:
    return bool(infos.get(agent, {}).get("turn_over"))
