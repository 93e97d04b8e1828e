"""What each player's games came to, without ratings: scores, shares, tokens, latency."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from lmgame_leaderboards.ratings import Interval, Rating
from lmgame_leaderboards.schema import BaselineRecord
from lmgame_leaderboards.standings.entrants import Entrant, Seated
from lmgame_leaderboards.stats import mean_interval

VERDICTS = ("illegal", "unparsable", "truncated", "refused", "timeout")
"""Unusable answers whose shares are told."""


@dataclass(frozen=True, slots=True)
class GameScore:
    """A player's scores under some conditions; in a shared game those of its seats."""

    conditions: str
    game: str
    preset: str
    n: int
    mean: float
    ci95: tuple[float, float] | None
    """Student's, of the mean; None for a single game."""

    def document(self) -> dict[str, Any]:
        """The same in JSON's own types."""
        ci95 = None if self.ci95 is None else list(self.ci95)
        about = {"conditions": self.conditions, "game": self.game, "preset": self.preset}
        return {**about, "n": self.n, "mean": self.mean, "ci95": ci95}


@dataclass(frozen=True, slots=True)
class Row:
    """One player in a table."""

    name: str
    model: str
    player: str
    """The entrant's id; empty for a baseline from a game's card."""
    harness: tuple[str, ...] = ()
    reference: bool = False
    """Whether the model was trained on the games; such are rated and not ranked."""
    baseline: bool = False
    """Whether the row is a game's own measured reference score, of a player that has played nothing here."""
    rank: tuple[int, int] | None = None
    rating: float | None = None
    """Elo points; None where there is none, as without matches."""
    ci95: Interval = (None, None)
    wins: int = 0
    draws: int = 0
    losses: int = 0
    games: tuple[GameScore, ...] = ()
    decisions: int = 0
    shares: Mapping[str, float] = field(default_factory=dict)
    """Of all its decisions, by verdict of `VERDICTS`."""
    tokens_per_game: float | None = None
    """Prompt and completion tokens; None where no server reported any."""
    cost_per_game: float | None = None
    """US dollars."""
    latency_median: float | None = None
    """Seconds: the median over its games of each game's median."""
    infrastructure_faults: int = 0

    @property
    def n(self) -> int:
        """Matches."""
        return self.wins + self.draws + self.losses

    def document(self) -> dict[str, Any]:
        """The same in JSON's own types."""
        return {
            "model": self.model,
            "name": self.name,
            "player": self.player or None,
            "harness": list(self.harness),
            "reference": self.reference,
            "baseline": self.baseline,
            "rank": None if self.rank is None else list(self.rank),
            "rating": self.rating,
            "ci95": None if self.rating is None else list(self.ci95),
            "wins": self.wins,
            "draws": self.draws,
            "losses": self.losses,
            "n": self.n,
            "games": [score.document() for score in self.games],
            "decisions": self.decisions,
            **{verdict: self.shares.get(verdict) for verdict in VERDICTS},
            "tokens_per_game": self.tokens_per_game,
            "cost_per_game": self.cost_per_game,
            "latency_median": self.latency_median,
            "infrastructure_faults": self.infrastructure_faults,
        }


def rows_of(
    entrants: Mapping[str, Entrant],
    games: Iterable[Sequence[Seated]],
    ratings: Mapping[str, Rating],
    record: Mapping[str, tuple[int, int, int]],
) -> list[Row]:
    """A row for each player, best first: by rating, those without one after them by name.

    Args:
        entrants: By id.
        games: Seat by seat.
        ratings: By entrant's id.
        record: Wins, draws and losses, by entrant's id.
    """
    seats: dict[str, list[Seated]] = defaultdict(list)
    for game in games:
        for one in game:
            seats[one.entrant].append(one)
    rows = [
        _row(entrants[player], own, ratings.get(player), record.get(player, (0, 0, 0))) for player, own in seats.items()
    ]
    return sorted(rows, key=lambda row: (row.rating is None, -(row.rating or 0.0), row.name))


def _row(entrant: Entrant, own: Sequence[Seated], rating: Rating | None, record: tuple[int, int, int]) -> Row:
    decisions = sum(one.seat.decisions for one in own)
    counts = {verdict: sum(one.seat.verdicts.get(verdict, 0) for one in own) for verdict in VERDICTS}
    tokens = [t for one in own if (t := one.seat.usage.tokens) is not None]
    costs = [one.seat.usage.cost_usd for one in own if one.seat.usage.cost_usd is not None]
    # A median of 0 is that of a player that nobody had to wait for.
    latencies = [one.seat.latency.median for one in own if one.seat.latency.median]
    return Row(
        name=entrant.name,
        model=entrant.player.model,
        player=entrant.id,
        harness=tuple(entrant.player.harness),
        reference=any(one.seat.player.reference for one in own),
        rank=rating.rank if rating else None,
        rating=rating.value if rating else None,
        ci95=rating.interval if rating else (None, None),
        wins=record[0],
        draws=record[1],
        losses=record[2],
        games=_scores(own),
        decisions=decisions,
        shares={verdict: count / decisions for verdict, count in counts.items()} if decisions else {},
        tokens_per_game=sum(tokens) / len(tokens) if tokens else None,
        cost_per_game=sum(costs) / len(costs) if costs else None,
        latency_median=median(latencies) if latencies else None,
        infrastructure_faults=sum(one.seat.infrastructure_faults for one in own),
    )


def _scores(own: Sequence[Seated]) -> tuple[GameScore, ...]:
    grouped: dict[str, list[Seated]] = defaultdict(list)
    for one in own:
        grouped[one.conditions].append(one)
    found = []
    for label, seats in sorted(grouped.items()):
        mean, _, ci95 = mean_interval([one.seat.score for one in seats])
        found.append(GameScore(label, seats[0].game.game, seats[0].game.preset, len(seats), mean, ci95))
    return tuple(found)


def baseline_rows(
    baselines: Mapping[str, Mapping[str, BaselineRecord]], rows: Sequence[Row], conditions: Sequence[str]
) -> list[Row]:
    """Rows for the players that games were measured with, where they have played nothing here themselves.

    Args:
        baselines: Reference scores by `game/preset`, then by player, as in `RunRecord.baselines`.
        rows: Of those who have played.
        conditions: Labels of what was played.
    """
    played = {(row.model, score.conditions) for row in rows for score in row.games}
    found: dict[str, list[GameScore]] = defaultdict(list)
    reference: dict[str, bool] = {}
    for name in dict.fromkeys(label.partition(" (")[0] for label in conditions):
        game, _, preset = name.partition("/")
        for player, score in baselines.get(name, {}).items():
            if (player, name) not in played:
                found[player].append(GameScore(name, game, preset, score.n, score.mean, score.ci95))
                reference[player] = score.reference
    return [
        Row(player, player, "", baseline=True, reference=reference[player], games=tuple(scores))
        for player, scores in sorted(found.items())
    ]
