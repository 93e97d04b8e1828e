"""Which games are played next: all in turn, where ratings are least certain, or until a test has decided."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from statistics import fmean
from typing import TYPE_CHECKING, Protocol

from lmgame.arenas.request import ArenaRequest
from lmgame.match_plan import game_id
from lmgame_games import Card
from lmgame_leaderboards import PlayedGame, PlayerRecord

if TYPE_CHECKING:
    # Slow to load, and most commands need no ratings.
    from lmgame_leaderboards.ratings import Match, SequentialTest

FIRST_SEEDS = 2
"""Seeds on which neighbours meet before ratings decide who meets next."""


@dataclass(frozen=True, slots=True, eq=False)
class Fixture:
    """One game that is to be played: who sits where, and on which seed."""

    card: Card
    seed: int
    players: tuple[PlayerRecord, ...]
    """By seat; one where each plays alone."""
    keys: tuple[str, ...]
    """The players' keys."""

    @property
    def id(self) -> str:
        """Names the game within its arena, and its record."""
        return game_id(self.card, self.seed, self.keys)


@dataclass(frozen=True, eq=False)
class Meeting:
    """Two players in one game, on whatever seeds."""

    card: Card
    first: PlayerRecord
    second: PlayerRecord

    @cached_property
    def name(self) -> tuple[str, str, str]:
        """Game with preset, and both players' keys."""
        return f"{self.card.game}/{self.card.preset}", self.first.key, self.second.key

    def on(self, seed: int) -> "Pairing":
        """The two on that seed."""
        return Pairing(self, seed)


@dataclass(frozen=True, slots=True, eq=False)
class Pairing:
    """Two players who meet in a game on one seed, which counts as one unit."""

    meeting: Meeting
    seed: int

    @property
    def name(self) -> tuple[tuple[str, str, str], int]:
        """The meeting's name, and the seed."""
        return self.meeting.name, self.seed

    def fixtures(self) -> tuple[Fixture, Fixture]:
        """What is to be played: both alone, or both seat orders of a shared game."""
        card, first, second = self.meeting.card, self.meeting.first, self.meeting.second
        _, one, other = self.meeting.name
        if card.seats == 1:
            return Fixture(card, self.seed, (first,), (one,)), Fixture(card, self.seed, (second,), (other,))
        return (
            Fixture(card, self.seed, (first, second), (one, other)),
            Fixture(card, self.seed, (second, first), (other, one)),
        )

    def matches(self, played: Mapping[str, PlayedGame]) -> list["Match"]:
        """What ratings are computed from: one match, or those of both seat orders; empty where not all is played."""
        from lmgame_leaderboards.ratings import Match  # as above

        games = [game for fixture in self.fixtures() if (game := played.get(fixture.id))]
        if len(games) < 2:
            return []
        game, one, other = self.meeting.name
        scores = [[seat.score for seat in found.seats] for found in games]
        if self.meeting.card.seats == 1:
            # A player's episode stands in its matches with all others.
            points = result(scores[0][0], scores[1][0])
            return [Match(game, one, other, points, unit=self.seed, seated=False)]
        unit = (self.seed, one, other)
        return [
            Match(game, one, other, result(*scores[0]), unit, seated=True),
            Match(game, other, one, result(*scores[1]), unit, seated=True),
        ]

    def points(self, played: Mapping[str, PlayedGame]) -> float | None:
        """The first player's share of points, in [0, 1]; None where not all has been played.

        Args:
            played: Finished games by id.
        """
        games = [game for fixture in self.fixtures() if (game := played.get(fixture.id))]
        if len(games) < 2:
            return None
        scores = [[seat.score for seat in game.seats] for game in games]
        if self.meeting.card.seats == 1:
            return result(scores[0][0], scores[1][0])
        return fmean([result(scores[0][0], scores[0][1]), result(scores[1][1], scores[1][0])])


def result(own: float, other: float) -> float:
    """Points of one match: 1 for the higher score, one half for equal ones."""
    return 0.5 if own == other else float(own > other)


class Schedule(Protocol):
    """Says what is to be played next."""

    def next(self, played: Mapping[str, PlayedGame]) -> list[Pairing]:
        """The next pairings, none of which was named before; empty when all is said. Depends on nothing but the
        request and the results.

        Args:
            played: Finished games by id.
        """
        ...


def meetings_of(request: ArenaRequest, players: Mapping[tuple[str, int], PlayerRecord]) -> list[Meeting]:
    """All who may meet, game by game.

    Args:
        request: What is asked for.
        players: By model and number of the copy.
    """
    cards = request.settings.cards()
    return [Meeting(card, players[a], players[b]) for card in cards for a, b in request.meetings()]


class RoundRobin:
    """Every two players in every game, seed by seed, so that an arena that is stopped early is balanced."""

    def __init__(self, meetings: Sequence[Meeting], seeds: range) -> None:
        self._left = [meeting.on(seed) for seed in seeds for meeting in meetings]

    def next(self, played: Mapping[str, PlayedGame]) -> list[Pairing]:
        left, self._left = self._left, []
        return left


class UntilDecided:
    """Seed by seed, until a sequential test has decided between each two players in each game.

    Args:
        meetings: Who meets, in which game.
        seeds: Seeds that may be played.
        test: Makes a test.
        ahead: Pairings in play at once, over all meetings; more means that more are played than the test needs.
    """

    def __init__(
        self, meetings: Sequence[Meeting], seeds: range, test: Callable[[], "SequentialTest"], ahead: int
    ) -> None:
        self._seeds, self._ahead = seeds, ahead
        self._meetings = list(meetings)
        self.tests: dict[tuple[str, str, str], SequentialTest] = {meeting.name: test() for meeting in meetings}
        """By meeting's name."""
        self._fed = dict.fromkeys(self.tests, 0)
        self._named = dict.fromkeys(self.tests, 0)

    def _feed(self, played: Mapping[str, PlayedGame]) -> None:
        """Tell each test of the pairs that are whole, in the order of their seeds, until it has decided."""
        for meeting in self._meetings:
            name, test = meeting.name, self.tests[meeting.name]
            while test.verdict == "undecided" and self._fed[name] < len(self._seeds):
                points = meeting.on(self._seeds[self._fed[name]]).points(played)
                if points is None:
                    break
                test.add(points)
                self._fed[name] += 1

    def next(self, played: Mapping[str, PlayedGame]) -> list[Pairing]:
        self._feed(played)
        undecided = [meeting for meeting in self._meetings if self.tests[meeting.name].verdict == "undecided"]
        each = max(1, self._ahead // max(1, len(undecided)))
        chosen: list[Pairing] = []
        for meeting in undecided:
            name = meeting.name
            begin = max(self._named[name], self._fed[name])
            seeds = self._seeds[begin : begin + each]
            chosen += [meeting.on(seed) for seed in seeds]
            self._named[name] = begin + len(seeds)
        return chosen


class Adaptive:
    """A connected beginning, then always those pairs that tell most about the ratings.

    Args:
        meetings: Who may meet, in which game.
        seeds: Seeds that may be played, first ones first.
        count: Pairings of one round.
    """

    def __init__(self, meetings: Sequence[Meeting], seeds: range, count: int) -> None:
        self._meetings, self._seeds, self._count = meetings, seeds, count
        self._named: set[tuple[tuple[str, str, str], int]] = set()
        self._begun = False

    def next(self, played: Mapping[str, PlayedGame]) -> list[Pairing]:
        if not self._begun:
            self._begun = True
            return self._take(meeting.on(seed) for seed in self._seeds[:FIRST_SEEDS] for meeting in self._chain())
        left = {meeting.name: self._unplayed(meeting, played) for meeting in self._meetings}
        candidates = [name for name, pairings in left.items() if pairings]
        if not candidates:
            return []
        from lmgame_leaderboards.ratings import Matches, next_pairs  # as above

        pairings = (meeting.on(seed) for meeting in self._meetings for seed in self._seeds)
        matches = Matches.of(match for pairing in pairings for match in pairing.matches(played))
        chosen = next_pairs(matches, candidates, self._count)
        taken: list[Pairing] = []
        for name in chosen:
            if pairings := left[name]:
                taken.append(pairings.pop(0))
        # Whoever is named must have something left, or the arena would never end.
        return self._take(taken or [left[candidates[0]][0]])

    def _take(self, pairings: Iterable[Pairing]) -> list[Pairing]:
        taken = list(pairings)
        self._named.update(pairing.name for pairing in taken)
        return taken

    def _chain(self) -> list[Meeting]:
        """Of each game, as few meetings as connect everybody, in the order given."""
        chain: list[Meeting] = []
        groups: dict[tuple[str, str], dict[str, int]] = {}
        for meeting in self._meetings:
            group = groups.setdefault((meeting.card.game, meeting.card.preset), {})
            a = group.setdefault(meeting.first.key, len(group))
            b = group.setdefault(meeting.second.key, len(group))
            if a != b:
                for key in [key for key, of in group.items() if of == b]:
                    group[key] = a
                chain.append(meeting)
        return chain

    def _unplayed(self, meeting: Meeting, played: Mapping[str, PlayedGame]) -> list[Pairing]:
        """The first that the two haven't yet played or been asked to play: as many as a round may take."""
        found = (meeting.on(seed) for seed in self._seeds)
        left = (pairing for pairing in found if pairing.name not in self._named and pairing.points(played) is None)
        return list(islice(left, self._count))
