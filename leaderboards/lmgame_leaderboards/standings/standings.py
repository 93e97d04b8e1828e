"""Standings: who plays how well, by ratings where players have met, and by scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lmgame_common import UsageError
from lmgame_leaderboards.played import PlayedGame
from lmgame_leaderboards.published import PublishedScore
from lmgame_leaderboards.ratings import Matches, NotConnectedError, Ratings, rate
from lmgame_leaderboards.schema import BaselineRecord
from lmgame_leaderboards.standings.entrants import Field, field_of
from lmgame_leaderboards.standings.pairing import Meetings, matches_of
from lmgame_leaderboards.standings.rows import Row, baseline_rows, rows_of

ROUNDS = 1000


@dataclass(frozen=True)
class Standings:
    """A table of players."""

    rows: list[Row]
    """Best first; those without a rating after the others, baselines last."""
    clock: str
    conditions: tuple[str, ...]
    """What was played: `game/preset`, with what else tells conditions apart."""
    ratings: Ratings | None
    """Of entrants' ids; None where nobody has met anybody, or not all are connected by matches."""
    names: Mapping[str, str]
    """What entrants are called, by id."""
    meetings: Meetings | None = None
    """Who met whom; None where nobody has met anybody."""
    warnings: list[str] = field(default_factory=list)
    published: list[PublishedScore] = field(default_factory=list)
    """Scores from elsewhere under the same rules; never part of ratings."""

    @property
    def matrix(self) -> dict[str, dict[str, tuple[float, int]]]:
        """Share of points that the first named took from the second, and in how many matches, by names, best first."""
        if self.meetings is None:
            return {}
        met = self.meetings.table([row.player for row in self.rows if row.n])
        return {
            self.names[one]: {self.names[other]: found for other, found in others.items()}
            for one, others in met.items()
        }

    def document(self, *, matrix: bool = True) -> dict[str, Any]:
        """The same in JSON's own types; described in FORMAT.md. Without the matrix, where it isn't wanted: in a large
        field most of the document is that."""
        ratings = self.ratings
        terms = ("seat", "draw")
        return {
            "rows": [row.document() for row in self.rows],
            "clock": self.clock,
            "games": list(self.conditions),
            "anchor": None if ratings is None or ratings.anchor is None else self.names[ratings.anchor],
            "terms": {
                term: {
                    game: {"value": found.value, "ci95": list(found.interval)}
                    for game, found in (getattr(ratings, term) if ratings else {}).items()
                }
                for term in terms
            },
            "matrix": {
                one: {other: {"share": share, "n": n} for other, (share, n) in met.items()}
                for one, met in (self.matrix if matrix else {}).items()
            },
            "warnings": list(self.warnings),
            "published": [
                {
                    "model": score.model,
                    "harness": score.harness,
                    "game": score.game,
                    "preset": score.preset,
                    "n": score.n,
                    "mean": score.mean,
                    "ci95": None if score.ci95 is None else list(score.ci95),
                    "single_run": score.single_run,
                    "source": score.source,
                    "note": score.note,
                }
                for score in self.published
            ],
        }


def standings_of(
    games: Sequence[PlayedGame] | Field,
    *,
    baselines: Mapping[str, Mapping[str, BaselineRecord]] | None = None,
    published: Sequence[PublishedScore] = (),
    anchor: str = "random",
    rounds: int = ROUNDS,
) -> Standings:
    """The standings by some games: one game's, or several games' together, each of which then weighs the same.

    Args:
        games: All of one clock; others don't belong into one table. Or the field that was made of them.
        baselines: Reference scores of games' cards, for rows of their own.
        published: Scores from elsewhere; those under rules that were played here are shown beside.
        anchor: The model whose rating is 0, where it plays; else the mean is.
        rounds: Of the bootstrap.

    Raises:
        UsageError: For games of several clocks.
    """
    field = games if isinstance(games, Field) else field_of(games)
    clocks = {seats[0].game.clock for seats in (*field.games, *field.left_out)}
    if len(clocks) > 1:
        raise UsageError("Games of the paused and of the real-time clock are never ranked together: choose one clock.")
    matches = matches_of(field)
    meetings = Meetings.of(matches) if len(matches.game) else None
    ratings, warnings = _ratings(field, matches, anchor, rounds)
    rated = {row.player: row for row in ratings.rows} if ratings else {}
    rows = rows_of(field.entrants, field.games, rated, meetings.record() if meetings else {})
    if field.left_out:
        warnings.append(left_out(len(field.left_out)))
    played = {label.partition(" (")[0] for label in field.conditions}
    return Standings(
        rows=rows + baseline_rows(baselines or {}, rows, field.conditions),
        clock=clocks.pop() if clocks else "paused",
        conditions=field.conditions,
        ratings=ratings,
        names={entrant.id: entrant.name for entrant in field.entrants.values()},
        meetings=meetings,
        warnings=warnings,
        published=[score for score in published if f"{score.game}/{score.preset}" in played],
    )


def standings_by_game(games: Sequence[PlayedGame] | Field, **settings: Any) -> dict[str, Standings]:
    """Standings of each conditions' games alone, by label; arguments and errors as of `standings_of`."""
    field = games if isinstance(games, Field) else field_of(games)
    return {label: standings_of(field.only(label), **settings) for label in field.conditions}


def left_out(count: int) -> str:
    """What to say of games that don't count, of which there is at least one."""
    games = "1 game is" if count == 1 else f"{count:,} games are"
    return f"{games} left out, whose players have been asked in other words since."


def _ratings(field: Field, matches: Matches, anchor: str, rounds: int) -> tuple[Ratings | None, list[str]]:
    """Ratings of those who have met somebody, and what is to be said about them."""
    if not len(matches.game):
        return None, []
    met = np.bincount(matches.first, minlength=len(matches.players))
    met += np.bincount(matches.second, minlength=len(matches.players))
    matches = matches.among(np.flatnonzero(met).tolist())
    unranked = frozenset(one.entrant for seats in field.games for one in seats if one.seat.player.reference)
    known = {player: field.entrants[player].player for player in matches.players}
    anchors = [key for key, player in known.items() if player.model == anchor and not player.copy_number]
    try:
        found = rate(matches, anchor=anchors[0] if anchors else None, rounds=rounds, unranked=unranked)
    except NotConnectedError as error:
        pairs = ", ".join(
            f"{field.entrants[one].name} against {field.entrants[other].name}" for one, other in error.missing
        )
        return None, [f"No ratings: matches don't connect all players. Missing, for example: {pairs}."]
    warnings = [_renamed(warning, field) for warning in found.warnings]
    return found, warnings


def _renamed(warning: str, field: Field) -> str:
    """A warning with names in place of ids."""
    for entrant in field.entrants.values():
        warning = warning.replace(entrant.id, entrant.name)
    return warning
