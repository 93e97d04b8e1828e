"""Two players side by side: their paired differences on the seeds that both have played."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from lmgame_common import UnknownNameError, UsageError
from lmgame_leaderboards.ratings import Comparison, ErrorRates, SequentialTest, Verdict, compare_scores
from lmgame_leaderboards.standings.entrants import Entrant, Field


@dataclass(frozen=True, slots=True)
class Pair:
    """What two players came to on one seed: a raced match, or both seat orders of a shared game."""

    seed: int
    difference: float
    """The first player's score less the second's; the mean over both seat orders."""
    points: float
    """The first player's share of points, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a sequential test says, told of the pairs in the order of their seeds."""

    rates: ErrorRates
    verdict: Verdict
    pairs: int
    """Pairs it took, or all there were."""
    interval: tuple[float, float]
    """Of the first player's share of points, at 1 - alpha, whenever one looks."""


@dataclass(frozen=True, slots=True)
class Versus:
    """Two players under some conditions."""

    conditions: str
    first: Entrant
    second: Entrant
    comparison: Comparison
    pairs: list[Pair]
    decided: Decided | None = None
    unpaired: int = 0
    """Their matches of a shared game that lack the one with swapped seats, and so don't count."""
    left_out: int = 0
    """Games of theirs that don't count, because one of them was asked in other words since."""

    def document(self) -> dict[str, Any]:
        """The same in JSON's own types; described in FORMAT.md."""
        compared, decided = self.comparison, self.decided
        interval = None if compared.interval is None else list(compared.interval)
        return {
            "conditions": self.conditions,
            "first": self.first.name,
            "second": self.second.name,
            "players": [self.first.id, self.second.id],
            **asdict(compared),
            "interval": interval,
            "told_apart": compared.told_apart,
            "seeds": [pair.seed for pair in self.pairs],
            "unpaired": self.unpaired,
            "left_out": self.left_out,
            "sequential": None if decided is None else asdict(decided) | {"interval": list(decided.interval)},
        }


def entrant_called(field: Field, name: str) -> Entrant:
    """The player of that name, model, or beginning of a key.

    Raises:
        UnknownNameError: If nobody is called so, with the closest name.
        UsageError: If several players are meant, naming them.
    """
    everybody = list(field.entrants.values())
    for chosen in (
        [one for one in everybody if one.name == name or one.id == name],
        [one for one in everybody if name in (one.player.model, one.player.name)],
        [one for one in everybody if len(name) >= 4 and one.id.startswith(name)],
    ):
        if len(chosen) == 1:
            return chosen[0]
        if chosen:
            names = ", ".join(f"{one.name!r} ({one.id[:8]})" for one in sorted(chosen, key=lambda one: one.name))
            raise UsageError(f"{name!r} may mean any of {names}. Give one of these names, or the key in brackets.")
    if not everybody:
        raise UsageError(f"Nobody has played anything of that yet, so that {name!r} can't be compared.")
    raise UnknownNameError("player", name, [one.name for one in everybody])


def compare(field: Field, first: Entrant, second: Entrant, rates: ErrorRates | None = None) -> list[Versus]:
    """How two players compare, under each conditions that both have played on common seeds.

    Args:
        field: Games of one clock.
        first, second: Two of its entrants.
        rates: Run the sequential test with these error rates as well.

    Raises:
        UsageError: If both are the same player.
    """
    if first.id == second.id:
        raise UsageError(f"{first.name} was named twice; a comparison is between two players.")
    found: list[Versus] = []
    for label in field.conditions:
        pairs, unpaired = _pairs(field, label, first.id, second.id)
        if not pairs:
            continue
        found.append(
            Versus(
                label,
                first,
                second,
                compare_scores([pair.difference for pair in pairs]),
                pairs,
                decided=_decide(pairs, rates) if rates else None,
                unpaired=unpaired,
                left_out=sum(
                    seats[0].conditions == label and any(one.entrant in (first.id, second.id) for one in seats)
                    for seats in field.left_out
                ),
            )
        )
    return found


def _decide(pairs: Sequence[Pair], rates: ErrorRates) -> Decided:
    test = SequentialTest(rates.alpha, rates.beta, rates.margin)
    for pair in pairs:
        if test.add(pair.points) != "undecided":
            break
    return Decided(rates, test.verdict, test.n, test.interval)


def _pairs(field: Field, label: str, first: str, second: str) -> tuple[list[Pair], int]:
    """The pairs of two entrants, by seed; of shared games only those with both seat orders, and how many matches there
    are without the other order."""
    alone: dict[int, dict[str, float]] = defaultdict(dict)
    shared: dict[int, dict[str, tuple[float, float]]] = defaultdict(dict)
    for seats in field.games:
        if seats[0].conditions != label:
            continue
        seed = seats[0].game.seed
        if len(seats) == 1:
            alone[seed][seats[0].entrant] = seats[0].seat.score
        elif {seat.entrant for seat in seats} == {first, second}:
            own, theirs = (seats[0], seats[1]) if seats[0].entrant == first else (seats[1], seats[0])
            shared[seed][seats[0].entrant] = own.seat.score, theirs.seat.score
    found = [
        Pair(seed, *_told([(scores[first], scores[second])]))
        for seed, scores in alone.items()
        if first in scores and second in scores
    ]
    found += [Pair(seed, *_told(orders.values())) for seed, orders in shared.items() if len(orders) == 2]
    unpaired = sum(len(orders) < 2 for orders in shared.values())
    return sorted(found, key=lambda pair: pair.seed), unpaired


def _told(scores: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Mean difference and mean points over some matches' scores."""
    scores = list(scores)
    difference = fmean(own - theirs for own, theirs in scores)
    return difference, fmean(0.5 if own == theirs else float(own > theirs) for own, theirs in scores)
