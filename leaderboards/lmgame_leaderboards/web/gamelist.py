"""The finished games of a ledger, in columns.

A game is made into an object as it is asked for. Objects of all games of a large store would take seconds to make, in
which nobody is served, and the collector of garbage would go through them again and again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any, overload

GAME_COLUMNS = ("conditions", "seed", "outcome", "finished", "folder", "file", "seats")
SIDE_COLUMNS = ("player", "score", "decisions", "tokens", "cost", "latency")


@dataclass(frozen=True, slots=True)
class Side:
    """One seat of a game."""

    player: str
    """The entrant's id."""
    score: float
    decisions: int
    tokens: int | None
    cost: float | None
    """US dollars."""
    latency: float | None
    """Median of its answers, in seconds."""


@dataclass(frozen=True, slots=True)
class Game:
    """A finished game."""

    conditions: str
    seed: int
    outcome: str
    finished: float
    """Unix time."""
    source: str
    """Where its record lay when it was taken in."""
    sides: tuple[Side, ...]

    def side(self, player: str) -> Side:
        """The first seat of that player, who must be in it."""
        return next(side for side in self.sides if side.player == player)

    def side_of(self, seat: int) -> Side:
        """The side at that seat; the only one, where they raced."""
        return self.sides[seat if len(self.sides) > 1 else 0]


def columns(rows: Sequence[tuple[Sequence[Any], Sequence[Sequence[Any]]]]) -> dict[str, Any]:
    """Games in JSON's own types, for `Games.of`.

    Args:
        rows: Of each game what `GAME_COLUMNS` name, but for `seats`, and of each of its seats what `SIDE_COLUMNS` name;
            `conditions` and `player` are numbers.
    """
    folders: dict[str, int] = {}
    outcomes: dict[str, int] = {}
    games: dict[str, list[Any]] = {name: [] for name in GAME_COLUMNS}
    sides: dict[str, list[Any]] = {name: [] for name in SIDE_COLUMNS}
    for (label, seed, outcome, finished, folder, file), seats in rows:
        row = (
            *(label, seed, outcomes.setdefault(outcome, len(outcomes)), finished),
            *(folders.setdefault(folder, len(folders)), file, len(seats)),
        )
        for column, value in zip(games.values(), row, strict=True):
            column.append(value)
        for seat in seats:
            for column, value in zip(sides.values(), seat, strict=True):
                column.append(value)
    return {"games": games, "sides": sides, "folders": list(folders), "outcomes": list(outcomes)}


@dataclass(frozen=True)
class Games(Sequence[Game]):
    """All games, in the order of the ledger; what is looked up by numbers costs no objects."""

    labels: list[str]
    """Of conditions, by their numbers."""
    players: list[str]
    """Entrants' ids, by their numbers."""
    folders: list[str]
    outcomes: list[str]
    games: Mapping[str, Sequence[Any]]
    """A value a game, by `GAME_COLUMNS`."""
    sides: Mapping[str, Sequence[Any]]
    """A value a seat, by `SIDE_COLUMNS`."""
    first: Sequence[int] = field(init=False)
    """Where each game's seats begin in `sides`, and where the last one's end."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "first", list(accumulate(self.games["seats"], initial=0)))

    @classmethod
    def of(cls, document: Mapping[str, Any], labels: list[str], players: list[str]) -> "Games":
        """Read what `columns` wrote. Raises KeyError, TypeError or ValueError where it is something else."""
        games = {name: document["games"][name] for name in GAME_COLUMNS}
        sides = {name: document["sides"][name] for name in SIDE_COLUMNS}
        found = cls(labels, players, document["folders"], document["outcomes"], games, sides)
        lengths = {len(column) for column in games.values()}, {len(column) for column in sides.values()}
        if lengths != ({len(found)}, {found.first[-1]}) or not set(games["seats"]) <= {1, 2}:
            raise ValueError("columns of different lengths")
        numbers = (games["conditions"], labels), (sides["player"], players)
        texts = (games["folder"], found.folders), (games["outcome"], found.outcomes)
        for column, named in (*numbers, *texts):
            if column and not 0 <= min(column) <= max(column) < len(named):
                raise ValueError("a number without a name")
        return found

    def __len__(self) -> int:
        return len(self.first) - 1

    @overload
    def __getitem__(self, index: int) -> Game: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Game]: ...
    def __getitem__(self, index: int | slice) -> Game | Sequence[Game]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        label, seed, outcome, finished, folder, file, seats = (column[number] for column in self.games.values())
        start = self.first[number]
        return Game(
            self.labels[label],
            seed,
            self.outcomes[outcome],
            finished,
            self.folders[folder] + file,
            tuple(self.side(at) for at in range(start, start + seats)),
        )

    def side(self, at: int) -> Side:
        """The side of that number among all."""
        player, *figures = (column[at] for column in self.sides.values())
        return Side(self.players[player], *figures)

    def sides_of(self, number: int) -> range:
        """Numbers of the sides of a game."""
        return range(self.first[number], self.first[number + 1])

    def places(self) -> list[str]:
        """Sources of games, of each folder one at least."""
        columns = self.games["folder"], self.games["file"]
        found = [self.folders[number] + file for number, file in dict(zip(*columns, strict=True)).items()]
        # Paths of other systems aren't taken apart.
        return found + [file for number, file in zip(*columns, strict=True) if not self.folders[number]]

    @cached_property
    def by_player(self) -> Mapping[int, Sequence[int]]:
        """Numbers of games by their players' numbers."""
        found: dict[int, list[int]] = {}
        players = self.sides["player"]
        for number, (start, stop) in enumerate(zip(self.first, self.first[1:], strict=False)):
            for player in {*players[start:stop]}:
                found.setdefault(player, []).append(number)
        return found

    @cached_property
    def raced(self) -> Mapping[tuple[int, int], Sequence[int]]:
        """Numbers of episodes of one player, by number of their conditions and by seed."""
        found: dict[tuple[int, int], list[int]] = {}
        columns = (self.games[name] for name in ("conditions", "seed", "seats"))
        for number, (label, seed, seats) in enumerate(zip(*columns, strict=True)):
            if seats == 1:
                found.setdefault((label, seed), []).append(number)
        return found

    @cached_property
    def by_conditions(self) -> Mapping[int, Sequence[int]]:
        """Numbers of games by the number of their conditions."""
        found: dict[int, list[int]] = {}
        for number, label in enumerate(self.games["conditions"]):
            found.setdefault(label, []).append(number)
        return found
