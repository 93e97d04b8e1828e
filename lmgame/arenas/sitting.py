"""One sitting of an arena: what its folder has, what is asked for now, and the way from one to the other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from lmgame.arenas.board import Board, Entry, GameState
from lmgame.arenas.budget import ArenaBudget
from lmgame.arenas.contenders import Contender, concurrency_of
from lmgame.arenas.request import ArenaRequest
from lmgame.arenas.schedule import Adaptive, Fixture, Meeting, RoundRobin, Schedule, UntilDecided, meetings_of
from lmgame.episode import EpisodePlan, EpisodeState
from lmgame.lines import usage_of
from lmgame.match_plan import MatchPlan
from lmgame.match_state import MatchState
from lmgame_leaderboards import ArenaFolder, EpisodeLog, PlayedGame, PlayerRecord, played_game, read_episode

ROUND = 2
"""Pairings of one round for each game in flight, where results decide what is played next."""


@dataclass
class Sitting:
    """An arena between its folder and its players.

    Args:
        request: What is asked for.
        folder: The arena's, locked.
        contenders: By model.
    """

    request: ArenaRequest
    folder: ArenaFolder
    contenders: Mapping[str, Contender]
    players: dict[tuple[str, int], PlayerRecord] = field(init=False)
    """As the folder knows them, by model and number of the copy."""
    by_key: dict[str, Contender] = field(init=False)
    """By player's key; a copy is the same contender."""
    meetings: list[Meeting] = field(init=False)
    board: Board = field(init=False)
    budget: ArenaBudget = field(init=False)
    schedule: Schedule = field(init=False)
    workers: int = field(init=False)

    def __post_init__(self) -> None:
        known = {player.key: player for player in self.folder.record.players}
        self.players, self.by_key = {}, {}
        self.budget = ArenaBudget(self.request.budget)
        for (model, number), record in players_of(self.request, self.contenders).items():
            contender = self.contenders[model]
            self.players[model, number] = known[record.key]
            self.by_key[record.key] = contender
            self.budget.add_player(record.key, contender.request.price, free=contender.free)
        self.meetings = meetings_of(self.request, self.players)
        self.board = Board({player.key: player for player in self.players.values()}, self.meetings)
        self.workers = concurrency_of(self.contenders, self.request)
        self.schedule = self._schedule()

    def _schedule(self) -> Schedule:
        request, ahead = self.request, ROUND * self.workers
        if request.adaptive:
            return Adaptive(self.meetings, request.seeds, ahead)
        if request.until_decided:
            from lmgame_leaderboards.ratings import SequentialTest  # slow to load

            test = partial(SequentialTest, alpha=request.alpha, beta=request.beta, margin=request.margin)
            return UntilDecided(self.meetings, request.seeds, test, self.workers)
        return RoundRobin(self.meetings, request.seeds)

    def look(self) -> list[Fixture]:
        """Take in what earlier sittings left of these players' games; those that were cut off.

        Raises:
            RecordError: For a record that is damaged.
        """
        there = {path.stem for path in self.folder.game_path("any").parent.glob("*.jsonl")}
        pairings = (meeting.on(seed) for meeting in self.meetings for seed in self.request.seeds)
        self._enter(fixture for fixture in self.board.add(pairings) if fixture.id in there)
        return [entry.fixture for entry in self.board.entries.values() if entry.state.status == "cut off"]

    @property
    def exhausted(self) -> bool:
        """Whether the budget allows for nothing more."""
        return self.budget.spent or not self.budget.room(0)

    def next(self) -> list[Fixture]:
        """The games to be played next; empty when nothing is left."""
        while pairings := self.schedule.next(self.board.played):
            asked = {fixture.id: fixture for pairing in pairings for fixture in pairing.fixtures()}
            self._enter(self.board.add(pairings))
            if todo := [f for f in asked.values() if self.board.entries[f.id].state.status == "waiting"]:
                return todo
        return []

    def _enter(self, fixtures: Iterable[Fixture]) -> None:
        """Put games on the board, as far as they have been played."""
        for fixture in fixtures:
            state, path = self._state(fixture), self.folder.game_path(fixture.id)
            self.board.entries[fixture.id] = Entry(fixture, state)
            if not path.exists():
                continue
            log = read_episode(path)
            if not log.header:
                continue
            self._charge(fixture, log)
            if isinstance(state, MatchState):
                state.read(log)
            else:
                read_state(state, log)
            if log.outcome:
                self.budget.games += 1
                self.board.finish(fixture, self.result(fixture, log))

    def _charge(self, fixture: Fixture, log: EpisodeLog) -> None:
        for line in [*log.void, *log.decisions]:
            self.budget.charge(fixture.players[line.get("seat", 0)].key, usage_of(line), line["verdict"])

    def _state(self, fixture: Fixture) -> GameState:
        plan = self.plan(fixture)
        return MatchState(plan) if isinstance(plan, MatchPlan) else EpisodeState(plan)

    def result(self, fixture: Fixture, log: EpisodeLog | None = None) -> PlayedGame:
        """What a finished game came to."""
        log = log or read_episode(self.folder.game_path(fixture.id))
        return played_game(log, run=self.folder.record.id)

    def plan(self, fixture: Fixture) -> EpisodePlan | MatchPlan:
        """How a game is to be played; what its players see is not yet settled."""
        settings, card = self.request.settings, fixture.card
        common = {
            "card": card,
            "seed": fixture.seed,
            "max_decisions": settings.decisions(card),
            "realtime": settings.clock == "realtime",
            "options": settings.options_of(card.game),
            "max_retries": settings.max_retries,
        }
        if len(fixture.players) == 1:
            return EpisodePlan(**common, name=fixture.id, copy_number=fixture.players[0].copy_number)
        return MatchPlan(**common, players=(fixture.players[0], fixture.players[1]))


def players_of(request: ArenaRequest, contenders: Mapping[str, Contender]) -> dict[tuple[str, int], PlayerRecord]:
    """Everybody who plays, copies included, by model and number of the copy."""
    players = {(model, 0): contenders[model].record for model in request.models}
    if request.mirror:
        players |= {(model, 1): contenders[model].copy() for model in request.models}
    return players


def read_state(state: EpisodeState, log: EpisodeLog) -> None:
    """Take over what earlier sittings left of one player's game."""
    state.faults = len(log.faults)
    for line in log.decisions:
        state.tokens += usage_of(line).total
        state.decisions, state.score = state.decisions + 1, line["score"]
    if log.outcome:
        state.status, state.outcome = "done", log.outcome["outcome"]
    elif log.decisions:
        state.status = "cut off"
