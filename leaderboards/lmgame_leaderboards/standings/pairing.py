"""From played games to matches: raced ones derived from episodes on the same seed, shared ones as they are."""

from collections import defaultdict
from collections.abc import Sequence

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

    blocks: list[np.ndarray] = []
    unit = 0
    for (game, _), scores in sorted(raced.items()):
        if len(scores) > 1:
            blocks.append(_all_against_all(game, unit, scores))
            unit += 1
    for (game, *_), rows in sorted(shared.items()):
        blocks.append(np.array([(game, one, other, result, unit, 1.0) for one, other, result in sorted(rows)]))
        unit += 1
    table = np.concatenate(blocks) if blocks else np.empty((0, 6))
    # Only conditions in which somebody met somebody are games of the ratings.
    used, game = np.unique(table[:, 0].astype(np.int32), return_inverse=True)
    return Matches(
        players=players,
        games=tuple(field.conditions[number] for number in used),
        game=game.astype(np.int32),
        first=table[:, 1].astype(np.int32),
        second=table[:, 2].astype(np.int32),
        result=table[:, 3],
        unit=table[:, 4].astype(np.int32),
        seated=table[:, 5].astype(bool),
    )


def _all_against_all(game: int, unit: int, scores: dict[int, float]) -> np.ndarray:
    """Each two players' match on one seed, as rows of `matches_of`'s table."""
    players = np.array(sorted(scores))
    values = np.array([scores[player] for player in players])
    first, second = np.triu_indices(len(players), 1)
    lead = values[first] - values[second]
    result = np.where(lead > 0, WIN, np.where(lead < 0, LOSS, DRAW))
    same = np.ones(len(first))
    return np.stack([game * same, players[first], players[second], result, unit * same, 0 * same], axis=1)


def _result(own: float, other: float) -> float:
    return DRAW if own == other else WIN if own > other else LOSS
