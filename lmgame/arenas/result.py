"""What an arena came to: its games, the standings, and how each two players compare."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lmgame.arenas.request import ArenaRequest
from lmgame.arenas.schedule import Meeting, Pairing, Schedule, UntilDecided, meetings_of
from lmgame_leaderboards import SCHEMA_VERSION, ArenaRecord, PlayedGame, PlayerRecord, game_path

if TYPE_CHECKING:
    # Slow to load, and most commands need no ratings.
    from lmgame_leaderboards.ratings import Comparison
    from lmgame_leaderboards.standings import Standings


@dataclass(frozen=True)
class MeetingResult:
    """Two players in one game."""

    game: str
    """Game with preset."""
    first: str
    """Names of the players."""
    second: str
    comparison: "Comparison"
    """Of their scores, pair by pair: the first's less the second's."""
    mirror: bool = False
    """Whether the second is a copy of the first."""
    decided: str | None = None
    """With `--until-decided`: `first`, `second`, `equal` or `undecided`."""

    def document(self) -> dict[str, Any]:
        """The same in JSON's own types."""
        told = {"game": self.game, "first": self.first, "second": self.second, "mirror": self.mirror}
        told |= asdict(self.comparison)
        return told if self.decided is None else told | {"decided": self.decided}


@dataclass(frozen=True)
class ArenaResult:
    """What an arena came to."""

    folder: Path
    arena: ArenaRecord
    request: ArenaRequest
    players: Mapping[tuple[str, int], PlayerRecord]
    """Those asked for, by model and number of the copy."""
    played: Mapping[str, PlayedGame]
    """Their finished games, by id."""
    schedule: Schedule
    faults: int
    """Infrastructure faults, of which none has changed a score."""
    unfinished: int
    """Games that were to be played and are not over."""
    stopped: str | None = None
    """Why the arena is incomplete: `budget` or `infrastructure`; None if it is complete."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """By player's name: the fault that put its games off."""

    @property
    def games(self) -> list[PlayedGame]:
        """The finished games."""
        return list(self.played.values())

    @property
    def complete(self) -> bool:
        """Whether all is played that was asked for."""
        return self.stopped is None

    @cached_property
    def meetings(self) -> list[Meeting]:
        """Who met whom, in which game."""
        return meetings_of(self.request, self.players)

    @cached_property
    def ranked(self) -> list[PlayedGame]:
        """The games that standings are made of. Copies are a control and no competitors, so their games stand in
        `comparisons` alone, unless nobody else has met."""
        own = [game for game in self.games if not any(seat.player.copy_number for seat in game.seats)]
        return own if len(self.request.models) > 1 else self.games

    @cached_property
    def standings(self) -> "Standings":
        """Ratings over all games, each weighing the same, with scores and the pairwise matrix."""
        from lmgame_leaderboards.standings import standings_of  # as above

        return standings_of(self.ranked)

    @cached_property
    def by_game(self) -> "dict[str, Standings]":
        """The standings of each game alone, by `game/preset`."""
        from lmgame_leaderboards.standings import standings_by_game  # as above

        return standings_by_game(self.ranked)

    @cached_property
    def comparisons(self) -> list[MeetingResult]:
        """How each two players compare in each game, where they have met."""
        from lmgame_leaderboards.ratings import compare_scores  # as above

        found: list[MeetingResult] = []
        for meeting in self.meetings:
            differences = [
                pair for seed in self.request.seeds if (pair := self._difference(meeting.on(seed))) is not None
            ]
            if not differences:
                continue
            test = self.schedule.tests.get(meeting.name) if isinstance(self.schedule, UntilDecided) else None
            found.append(
                MeetingResult(
                    meeting.name[0],
                    meeting.first.name,
                    meeting.second.name,
                    compare_scores(differences),
                    mirror=bool(meeting.second.copy_number),
                    decided=test.verdict if test else None,
                )
            )
        return found

    def _difference(self, pairing: Pairing) -> float | None:
        """The first player's score less the second's; in a shared game the mean over both seat orders."""
        games = [game for fixture in pairing.fixtures() if (game := self.played.get(fixture.id))]
        if len(games) < 2:
            return None
        scores = [[seat.score for seat in game.seats] for game in games]
        if pairing.meeting.card.seats == 1:
            return scores[0][0] - scores[1][0]
        return fmean([scores[0][0] - scores[0][1], scores[1][1] - scores[1][0]])

    def record_path(self, game: str) -> Path:
        """The record of a game, by its id."""
        return game_path(self.folder, game)

    def worth_seeing(self) -> dict[str, tuple[Path, ...]]:
        """For each game one match to replay, its records by `game/preset`: that with the most decisions among those
        that were won, or else among all."""
        best: dict[str, tuple[tuple[bool, int], tuple[Path, ...]]] = {}
        for meeting in self.meetings:
            for seed in self.request.seeds:
                pairing = meeting.on(seed)
                fixtures = pairing.fixtures()
                for chosen in (fixtures,) if meeting.card.seats == 1 else ((fixtures[0],), (fixtures[1],)):
                    games = [game for fixture in chosen if (game := self.played.get(fixture.id))]
                    if len(games) < len(chosen):
                        continue
                    seats = [seat for game in games for seat in game.seats]
                    worth = (seats[0].score != seats[1].score, sum(seat.decisions for seat in seats))
                    if meeting.name[0] not in best or worth > best[meeting.name[0]][0]:
                        best[meeting.name[0]] = worth, tuple(self.record_path(fixture.id) for fixture in chosen)
        return {game: paths for game, (_, paths) in best.items()}

    def document(self) -> dict[str, Any]:
        """The same as one JSON document, as `--json` prints it."""
        return {
            "schema_version": SCHEMA_VERSION,
            "arena": self.arena.model_dump(mode="json", exclude={"schema_version"}),
            "complete": self.complete,
            "stopped": self.stopped,
            "problems": dict(self.problems),
            "unfinished": self.unfinished,
            "infrastructure_faults": self.faults,
            "games": [
                {
                    "id": id_,
                    "game": game.game,
                    "preset": game.preset,
                    "seed": game.seed,
                    "players": [seat.player.key for seat in game.seats],
                    "scores": [seat.score for seat in game.seats],
                    "outcome": game.outcome,
                }
                for id_, game in self.played.items()
            ],
            "comparisons": [meeting.document() for meeting in self.comparisons],
            "standings": self.standings.document(),
            "standings_by_game": {game: one.document() for game, one in self.by_game.items()},
        }
