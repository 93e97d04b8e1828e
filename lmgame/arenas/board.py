"""How an arena stands while it is played: its games, and the points so far. What a display reads."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lmgame.arenas.schedule import Fixture, Meeting, Pairing, result
from lmgame.episode import EpisodeState
from lmgame.match_state import MatchState
from lmgame_leaderboards import PlayedGame, PlayerRecord

GameState = EpisodeState | MatchState
"""Where a game stands: one player's own, or one that two share."""


@dataclass(slots=True)
class Tally:
    """A player's matches so far."""

    wins: int = 0
    draws: int = 0
    losses: int = 0

    @property
    def n(self) -> int:
        """Matches."""
        return self.wins + self.draws + self.losses

    @property
    def share(self) -> float | None:
        """Share of points in [0, 1]; None before the first match."""
        return (self.wins + self.draws / 2) / self.n if self.n else None

    def add(self, points: float) -> None:
        """One more match, which brought 1, one half or 0 points."""
        if points == 0.5:
            self.draws += 1
        elif points > 0.5:
            self.wins += 1
        else:
            self.losses += 1


@dataclass(slots=True)
class Entry:
    """One game that was asked for."""

    fixture: Fixture
    state: GameState


class Board:
    """All games of an arena that were asked for so far, by id, and what came of them.

    Args:
        players: By key.
        meetings: Who may meet.
    """

    def __init__(self, players: dict[str, PlayerRecord], meetings: Iterable[Meeting]) -> None:
        self.players = players
        self.entries: dict[str, Entry] = {}
        self.played: dict[str, PlayedGame] = {}
        """Finished games."""
        self.tallies = {key: Tally() for key in players}
        self._opponents: dict[tuple[str, str], list[str]] = {}
        """By game with preset and player: whom it meets there."""
        for meeting in meetings:
            game, first, second = meeting.name
            self._opponents.setdefault((game, first), []).append(second)
            self._opponents.setdefault((game, second), []).append(first)
        self._raced: dict[tuple[str, int], dict[str, float]] = {}
        """Scores in raced games, by game with preset and seed, then player."""

    def finish(self, fixture: Fixture, game: PlayedGame) -> None:
        """Take in a finished game. Taking it in twice does nothing."""
        if fixture.id in self.played:
            return
        self.played[fixture.id] = game
        if len(game.seats) == 2:
            first, second = (seat.score for seat in game.seats)
            self.tallies[fixture.players[0].key].add(result(first, second))
            self.tallies[fixture.players[1].key].add(result(second, first))
            return
        key, score = fixture.players[0].key, game.seats[0].score
        where = f"{fixture.card.game}/{fixture.card.preset}"
        scores = self._raced.setdefault((where, fixture.seed), {})
        for other in self._opponents.get((where, key), ()):
            if other in scores:
                self.tallies[key].add(result(score, scores[other]))
                self.tallies[other].add(result(scores[other], score))
        scores[key] = score

    @property
    def done(self) -> int:
        """Games that were asked for and are over."""
        return sum(entry.state.status == "done" for entry in list(self.entries.values()))

    def add(self, pairings: Iterable[Pairing]) -> list[Fixture]:
        """The games of these pairings that are not on the board yet, each once."""
        new: dict[str, Fixture] = {}
        for pairing in pairings:
            for fixture in pairing.fixtures():
                if fixture.id not in self.entries:
                    new.setdefault(fixture.id, fixture)
        return list(new.values())


class ArenaWatcher(Protocol):
    """Told of an arena's progress. Calls come from its own event loop and must return at once; only `fetched` comes
    from another thread."""

    def note(self, text: str) -> None:
        """Something a person may want to know, such as that a model is being fetched."""

    def warn(self, text: str) -> None:
        """Something that a person should still see when all is over, such as that a model doesn't answer."""

    def fetched(self, what: str, done: int, total: int | None) -> None:
        """`done` of `total` bytes of a download are here."""

    def began(self, folder: Path, board: Board) -> None:
        """Play begins; the board changes as it goes on."""

    def moved(self, entry: Entry) -> None:
        """A game has moved on."""


class Unwatched:
    """Watches and says nothing."""

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    def fetched(self, what: str, done: int, total: int | None) -> None: ...

    def began(self, folder: Path, board: Board) -> None: ...

    def moved(self, entry: Entry) -> None: ...
