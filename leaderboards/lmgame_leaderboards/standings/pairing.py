"""From played games to matches: raced ones derived from episodes on the same seed, shared ones as they are."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lmgame_leaderboards.played import PlayedGame
from lmgame_leaderboards.ratings import DRAW, LOSS, WIN, Matches
from lmgame_leaderboards.standings.entrants import Field, field_of


def matches_of(games: Sequence[PlayedGame] | Field) -> Matches:
    """All matches in played games, between entrants' ids.

    In one-player games any two players that played the same seed under the same conditions have met there: the higher
    score wins. All matches on a seed are one unit, since each player's episode stands in several of them. In shared
    games the unit is the pair: what the two played on a seed, in either seat order.

    Args:
        games: Of one clock.
    """
    field = games if isinstance(games, Field) else field_of(games)
    players = tuple(sorted(field.entrants))
    at = {player: number for number, player in enumerate(players)}
    number_of = {label: number for number, label in enumerate(field.conditions)}
    raced: dict[tuple[int, int], dict[int, float]] = defaultdict(dict)
    shared: dict[tuple[int, int, int, int], list[tuple[int, int, float]]] = defaultdict(list)
    for seats in field.games:
        game, seed = number_of[seats[0].conditions], seats[0].game.seed
        if len(seats) == 1:
            raced[game, seed][at[seats[0].entrant]] = seats[0].seat.score
        elif seats[0].entrant != seats[1].entrant:
            one, other = at[seats[0].entrant], at[seats[1].entrant]
            result = _result(seats[0].seat.score, seats[1].seat.score)
            shared[game, seed, min(one, other), max(one, other)].append((one, other, result))

    blocks: list[_Block] = []
    for (game, _), scores in sorted(raced.items()):
        if len(scores) > 1:
            blocks.append(_all_against_all(game, scores))
    for (game, *_), rows in sorted(shared.items()):
        first, second, result = zip(*sorted(rows), strict=True)
        blocks.append(_Block(game, np.array(first), np.array(second), np.array(result), True))
    lengths = [len(block.first) for block in blocks]
    # Only conditions in which somebody met somebody are games of the ratings.
    used, games_at = np.unique([block.game for block in blocks], return_inverse=True)
    return Matches(
        players=players,
        games=tuple(field.conditions[number] for number in used),
        game=np.repeat(games_at.astype(np.int32), lengths),
        first=_joined([block.first for block in blocks], np.int32),
        second=_joined([block.second for block in blocks], np.int32),
        result=_joined([block.result for block in blocks], np.float64),
        unit=np.repeat(np.arange(len(blocks), dtype=np.int32), lengths),
        seated=np.repeat(np.array([block.seated for block in blocks], bool), lengths),
    )


class _Block(NamedTuple):
    """The matches of one unit."""

    game: int
    first: np.ndarray
    second: np.ndarray
    result: np.ndarray
    seated: bool


def _joined(parts: Sequence[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate(parts, dtype=kind) if parts else np.empty(0, kind)


def _all_against_all(game: int, scores: dict[int, float]) -> _Block:
    """Each two players' match on one seed."""
    players = np.array(sorted(scores), np.int32)
    values = np.array([scores[player] for player in players.tolist()])
    first, second = np.triu_indices(len(players), 1)
    lead = values[first] - values[second]
    result = np.where(lead > 0, WIN, np.where(lead < 0, LOSS, DRAW))
    return _Block(game, players[first], players[second], result, False)


def _result(own: float, other: float) -> float:
    return DRAW if own == other else WIN if own > other else LOSS


@dataclass(frozen=True, eq=False)
class Meetings:
    """How often who met whom, and with what result; known whether or not anybody can be rated."""

    players: tuple[str, ...]
    """Entrants' ids."""
    wins: np.ndarray
    """How often the row's player won against the column's, int64 of shape (players, players)."""
    draws: np.ndarray
    """How often the two drew, the same in both halves."""

    @classmethod
    def of(cls, matches: Matches) -> "Meetings":
        """Count matches."""
        count = len(matches.players)
        cells = (2 * matches.result).astype(np.int64)  # Losses, draws and wins of the first, in this order.
        cells = (cells * count + matches.first) * count + matches.second
        lost, drawn, won = np.bincount(cells, minlength=3 * count**2).reshape(3, count, count)
        return cls(matches.players, won + lost.T, drawn + drawn.T)

    def record(self) -> dict[str, tuple[int, int, int]]:
        """Wins, draws and losses, by player."""
        columns = zip(self.wins.sum(axis=1), self.draws.sum(axis=1), self.wins.sum(axis=0), strict=True)
        return {
            player: (int(won), int(drawn), int(lost))
            for player, (won, drawn, lost) in zip(self.players, columns, strict=True)
        }

    def table(self, order: Sequence[str]) -> dict[str, dict[str, tuple[float, int]]]:
        """Share of points that the first took from the second, and in how many matches, for those that have met.

        Args:
            order: The players that are wanted, in which order.
        """
        at = {player: number for number, player in enumerate(self.players)}
        met = self.wins + self.wins.T + self.draws
        points = self.wins + self.draws / 2
        return {
            one: {
                other: (float(points[at[one], at[other]] / n), n)
                for other in order
                if (n := int(met[at[one], at[other]]))
            }
            for one in order
            if one in at
        }
