"""An arena's standings: ratings of each game and of all together, and the pairwise matrix."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lmgame.arenas.schedule import Meeting
from lmgame_leaderboards import PlayedGame, PlayedSeat, PlayerRecord
from lmgame_leaderboards.table import markdown_of

if TYPE_CHECKING:
    # Slow to load, and most commands need no ratings.
    from lmgame_leaderboards.ratings import Ratings

ANCHOR = "random"
"""The model whose rating is 0 where it plays."""

HEAD = ("Rank", "Player", "Elo", "95 % CI", "W", "D", "L", "n")
HEAD_OF_GAME = (*HEAD, "Score", "Unusable", "Faults")
UNUSABLE = ("unparsable", "illegal", "truncated", "refused", "timeout")
"""Verdicts of answers that were a model's own fault."""


@dataclass(frozen=True)
class Standings:
    """Ratings of an arena's players, in one game or in all."""

    game: str | None
    """Game with preset; None for all together, each of which weighs the same."""
    players: Mapping[str, PlayerRecord]
    """By key."""
    seats: Mapping[str, Sequence[PlayedSeat]]
    """What each player played in that game, by key; empty for all together."""
    ratings: "Ratings | None"
    """Its players are keys; None where there are none, for want of matches."""
    warnings: Sequence[str]

    def document(self) -> dict[str, Any]:
        """The same in JSON's own types."""
        found = self.ratings
        return {
            "game": self.game,
            "rows": [] if found is None else [self._row(row) for row in found.rows],
            "matrix": {}
            if found is None
            else {
                "players": list(found.players),
                "share": [[None if math.isnan(share) else share for share in row] for row in found.matrix.tolist()],
                "met": found.met.tolist(),
            },
            "seat": {} if found is None else {game: term.value for game, term in found.seat.items()},
            "warnings": list(self.warnings),
        }

    def _row(self, row: Any) -> dict[str, Any]:
        player = self.players[row.player]
        told = {
            "model": player.name,
            "player": player.key,
            "reference": player.reference,
            "rank": None if row.rank is None else list(row.rank),
            "rating": row.value,
            "ci95": list(row.interval),
            **{name: getattr(row, name) for name in ("wins", "draws", "losses", "n")},
        }
        if not (seats := self.seats.get(row.player)):
            return told
        return told | {
            "mean_score": fmean(seat.score for seat in seats),
            "unusable": _unusable(seats),
            "infrastructure_faults": sum(seat.infrastructure_faults for seat in seats),
        }

    def markdown(self) -> str:
        """A table that can be pasted into an issue, and below it the matrix and the warnings."""
        title = self.game or "All games, each weighing the same"
        parts = [f"**{title}**\n"]
        if self.ratings is not None:
            head = HEAD_OF_GAME if self.seats else HEAD
            right = [column not in ("Player", "95 % CI") for column in head]
            parts.append(markdown_of(head, right, [self._cells(row) for row in self.ratings.rows]))
            if len(self.ratings.rows) > 2:
                parts.append(self._matrix(self.ratings))
        parts += [f"{warning}\n" for warning in self.warnings]
        return "\n".join(parts)

    def _name(self, key: str) -> str:
        player = self.players[key]
        return f"{player.name} (reference)" if player.reference else player.name

    def _cells(self, row: Any) -> list[str]:
        low, high = ("–" if end is None else f"{end:+,.0f}" for end in row.interval)
        rank = "–" if row.rank is None else "–".join(map(str, dict.fromkeys(row.rank)))
        cells = [rank, self._name(row.player), f"{row.value:+,.0f}", f"[{low}, {high}]"]
        cells += [str(count) for count in (row.wins, row.draws, row.losses, row.n)]
        if seats := self.seats.get(row.player):
            cells += [f"{fmean(seat.score for seat in seats):,.6g}", f"{100 * _unusable(seats):.0f} %"]
            cells.append(str(sum(seat.infrastructure_faults for seat in seats)))
        return cells

    def _matrix(self, ratings: "Ratings") -> str:
        """Share of points of each row's player against each column's."""
        numbers = [str(number + 1) for number in range(len(ratings.players))]
        rows = [
            [number, self._name(key), *("–" if math.isnan(share) else f"{100 * share:.0f} %" for share in shares)]
            for number, key, shares in zip(numbers, ratings.players, ratings.matrix.tolist(), strict=True)
        ]
        return markdown_of(("", "Points of", *numbers), (True, False, *(True for _ in numbers)), rows)


def standings_of(
    meetings: Sequence[Meeting], seeds: Sequence[int], played: Mapping[str, PlayedGame]
) -> list[Standings]:
    """Standings of each game that was played, and, where these are several, of all together first.

    Args:
        meetings: Who met whom, in which game.
        seeds: On which seeds they may have met.
        played: Finished games by id.
    """
    from lmgame_leaderboards.ratings import Matches, NotConnectedError, rate  # as above

    players = {player.key: player for meeting in meetings for player in (meeting.first, meeting.second)}
    played = {id_: game for id_, game in played.items() if all(seat.player.key in players for seat in game.seats)}
    anchor = next((key for key, player in players.items() if player.name == ANCHOR), None)
    references = frozenset(key for key, player in players.items() if player.reference)
    games = list(dict.fromkeys(meeting.name[0] for meeting in meetings))
    found: list[Standings] = []
    for game in [None, *games] if len(games) > 1 else games:
        chosen = [meeting for meeting in meetings if game is None or meeting.name[0] == game]
        matches = Matches.of(match for m in chosen for seed in seeds for match in m.on(seed).matches(played))
        if not len(matches.game):
            continue
        seats: dict[str, list[PlayedSeat]] = {}
        for one in played.values():
            if f"{one.game}/{one.preset}" == game:
                for seat in one.seats:
                    seats.setdefault(seat.player.key, []).append(seat)
        try:
            ratings = rate(matches, anchor=anchor, unranked=references)
            warnings = [_named(warning, players) for warning in ratings.warnings]
        except NotConnectedError as error:
            ratings, warnings = None, [_named(str(error), players)]
        found.append(Standings(game, players, seats, ratings, warnings))
    return found


def _unusable(seats: Sequence[PlayedSeat]) -> float:
    """Share of decisions that were a model's own fault."""
    decisions = sum(seat.decisions for seat in seats)
    return sum(seat.verdicts.get(name, 0) for seat in seats for name in UNUSABLE) / decisions if decisions else 0.0


def _named(text: str, players: Mapping[str, PlayerRecord]) -> str:
    """A warning with names in place of keys."""
    for key, player in players.items():
        text = text.replace(key, player.name)
    return text
