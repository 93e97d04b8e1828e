"""Many games of many players in flight at once, until all are over, the budget is spent, or nobody answers."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from lmgame.arenas.board import ArenaWatcher, Entry
from lmgame.arenas.contenders import Opened
from lmgame.arenas.schedule import Fixture
from lmgame.arenas.sitting import Sitting
from lmgame.episode import Episode, EpisodeState
from lmgame.identity import told_hash, versions_here
from lmgame.match_header import Entrant, raced_header, shared_header
from lmgame.match_plan import MatchPlan
from lmgame.match_state import MatchState
from lmgame.retry import GaveUpError, Stop
from lmgame.schedule import GIVE_UP_AFTER
from lmgame.shared_match import SharedMatch
from lmgame_agents import Decision, InfrastructureError
from lmgame_games import Card


@dataclass(slots=True)
class _InPlay:
    """A game that is being played, and what ends it early."""

    fixture: Fixture
    stop: Stop


class ArenaRunner:
    """Plays games of one arena.

    Args:
        sitting: What is asked for, and how it stands.
        opened: Who is ready to play.
        watcher: Told of every change.
    """

    def __init__(self, sitting: Sitting, opened: Opened, watcher: ArenaWatcher) -> None:
        self._sitting, self._opened, self._watcher = sitting, opened, watcher
        self._board, self._contenders, self._budget = sitting.board, sitting.by_key, sitting.budget
        self._versions = versions_here(sitting.folder.record.versions.rom)
        self._left: list[Fixture] = []
        self._in_play: list[_InPlay] = []
        self._freed = asyncio.Event()
        self._put_off: Counter[str] = Counter()
        """Games in a row that a player's faults have put off, with no answer of it in between."""
        self._ended = False
        self.stopped: str | None = None
        """Why games were left unfinished: `budget` or `infrastructure`."""
        self.problems: dict[str, str] = {}
        """By player's key: the fault that put its games off, in words."""
        self.down: set[str] = set()
        """Keys of players who are not asked any more."""
        for key, contender in self._contenders.items():
            if fault := opened.failed.get(contender.request.model):
                self._give_up(key, str(fault))

    @property
    def ended(self) -> bool:
        """Whether nothing more may be played in this sitting."""
        return self._ended

    async def play(self, fixtures: Iterable[Fixture]) -> None:
        """Play these until none is left or nothing more can be done; those that were cut off first."""
        states = self._board.entries
        left = [fixture for fixture in fixtures if states[fixture.id].state.status != "done"]
        self._left = sorted(left, key=lambda fixture: states[fixture.id].state.status != "cut off")
        workers = [asyncio.create_task(self._work()) for _ in range(min(self._sitting.workers, len(self._left)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        if self.problems and not self.stopped:
            self.stopped = "infrastructure"

    async def _work(self) -> None:
        while not self._ended:
            freed = self._freed
            fixture = self._take()
            if fixture is None:
                if not self._left or not self._in_play:
                    return
                await freed.wait()
                continue
            game = _InPlay(fixture, Stop())
            self._in_play.append(game)
            try:
                await self._play(game)
            finally:
                self._in_play.remove(game)
                self._freed.set()
                self._freed = asyncio.Event()

    def _take(self) -> Fixture | None:
        """The next game that can be played now; those of players who don't answer any more are put off."""
        if self._left and not self._budget.room(len(self._in_play)):
            if not self._in_play:
                self._end("budget")
            return None
        busy = {
            self._model(player.key)
            for game in self._in_play
            for player in game.fixture.players
            if self._contenders[player.key].one_at_a_time
        }
        for fixture in list(self._left):
            keys = [player.key for player in fixture.players]
            if self.down.intersection(keys):
                self._left.remove(fixture)
                self._put(fixture, "put off")
            elif not busy.intersection(self._model(key) for key in keys):
                self._left.remove(fixture)
                return fixture
        return None

    def _model(self, key: str) -> str:
        return self._contenders[key].request.model

    def _put(self, fixture: Fixture, status: str) -> None:
        entry = self._board.entries[fixture.id]
        entry.state.status = status
        self._watcher.moved(entry)

    async def _play(self, game: _InPlay) -> None:
        fixture, entry = game.fixture, self._board.entries[game.fixture.id]
        try:
            await self._match(game, entry).play()
        except InfrastructureError as fault:
            self._put(fixture, "put off")
            if game.stop.is_set():
                return
            seat = entry.state.gave_up if isinstance(entry.state, MatchState) else 0
            key = fixture.players[seat or 0].key
            self._put_off[key] += 1
            self.problems[key] = str(fault)
            if not isinstance(fault, GaveUpError) or self._put_off[key] >= self._patience(key):
                self._give_up(key, str(fault))
            return
        if entry.state.status == "done":
            self._budget.games += 1
            self._board.finish(fixture, self._sitting.result(fixture))

    def _match(self, game: _InPlay, entry: Entry) -> Episode | SharedMatch:
        """What plays a game into its record."""
        fixture, state, plan = game.fixture, entry.state, self._sitting.plan(game.fixture)
        path = self._sitting.folder.game_path(fixture.id)
        players = [self._opened.players[self._model(player.key)] for player in fixture.players]
        entrants = [
            Entrant(player=player, prompt_hash=self._prompt_hash(player.key, fixture.card), endpoint=one.about)
            for player, one in zip(fixture.players, players, strict=True)
        ]

        def on_change(_: EpisodeState | MatchState) -> None:
            self._watcher.moved(entry)

        if isinstance(plan, MatchPlan):
            assert isinstance(state, MatchState)
            state.plan = plan = plan.settled([one.settle for one in players])
            return SharedMatch(
                plan,
                path,
                shared_header(plan, entrants, self._versions),
                [one.make for one in players],
                state,
                on_answer=lambda seat, decision: self._answered(fixture.players[seat].key, decision),
                on_change=on_change,
                stop=game.stop,
            )
        assert isinstance(state, EpisodeState)
        state.plan = plan = players[0].settle(plan)
        return Episode(
            plan,
            path,
            raced_header(plan, entrants[0], self._versions),
            players[0].make,
            state,
            on_answer=lambda decision: self._answered(fixture.players[0].key, decision),
            on_change=on_change,
            stop=game.stop,
        )

    def _prompt_hash(self, key: str, card: Card) -> str | None:
        contender = self._contenders[key]
        return None if contender.target is None else told_hash(contender.request, card)

    def _answered(self, key: str, decision: Decision) -> None:
        self._put_off[key] = 0
        self._budget.charge(key, decision.usage, decision.verdict)
        if self._budget.spent:
            self._end("budget")

    def _patience(self, key: str) -> int:
        """Games of a player that may be put off in a row: three, or all that it has."""
        own = sum(key in [player.key for player in entry.fixture.players] for entry in self._board.entries.values())
        return min(GIVE_UP_AFTER, own)

    def _give_up(self, key: str, problem: str) -> None:
        """Ask this player, and its copy, nothing more; others go on."""
        for other, contender in self._contenders.items():
            if contender.request.model == self._model(key):
                self.down.add(other)
                self.problems.setdefault(other, problem)
        for game in self._in_play:
            if self.down.intersection(player.key for player in game.fixture.players):
                game.stop.set()
        self._freed.set()
        self._freed = asyncio.Event()

    def _end(self, why: str) -> None:
        self.stopped = self.stopped or why
        self._ended = True
        for game in self._in_play:
            game.stop.set()
        self._freed.set()
        self._freed = asyncio.Event()
