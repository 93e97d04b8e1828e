"""What a match is, before anybody plays it: names of records, limits, and what can't be played at all."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lmgame.episode import EpisodePlan
from lmgame.request import Clock
from lmgame_common import UsageError
from lmgame_games import Card, ObservationKind, SharedGame, game, make_shared
from lmgame_leaderboards import PlayerRecord, episode_id

SHORT_KEY = 8
"""Hex digits of a player's key in the names of records."""


def game_id(preset: Card, seed: int, keys: Sequence[str]) -> str:
    """Names the record of a game by the keys of its players, seat by seat."""
    return "-".join([episode_id(preset.game, preset.preset, seed), *(key[:SHORT_KEY] for key in keys)])


def raced_id(preset: Card, seed: int, player: PlayerRecord) -> str:
    """Names the record of one player's side of a raced match."""
    return game_id(preset, seed, [player.key])


def shared_id(preset: Card, seed: int, players: Sequence[PlayerRecord]) -> str:
    """Names the record of a shared match, whose first player has the first seat."""
    return game_id(preset, seed, [player.key for player in players])


@dataclass(frozen=True, kw_only=True)
class MatchPlan:
    """What one shared match is: a card, a seed, who sits where, limits."""

    card: Card
    seed: int
    players: tuple[PlayerRecord, PlayerRecord]
    """Seat by seat."""
    max_decisions: int
    """Of each seat."""
    realtime: bool = False
    observations: tuple[ObservationKind | None, ObservationKind | None] = (None, None)
    """What each seat is shown; None for agents that look at their seat themselves."""
    options: Mapping[str, Any] = field(default_factory=dict)
    max_retries: int = 8

    @property
    def id(self) -> str:
        """Names the match, and its record's file."""
        return shared_id(self.card, self.seed, self.players)

    def make(self) -> SharedGame:
        """The environment, not yet reset."""
        return make_shared(self.card.game, self.card.preset, **self.options)

    def seat_plan(self, seat: int) -> EpisodePlan:
        """The match as the agent at one seat is told of it; its name is the match's and the seat's."""
        return EpisodePlan(
            card=self.card,
            seed=self.seed,
            max_decisions=self.max_decisions,
            realtime=self.realtime,
            observation=self.observations[seat],
            options=self.options,
            max_retries=self.max_retries,
            name=f"{self.id}-{seat}",
            copy_number=self.players[seat].copy_number,
        )

    def settled(self, settlers: Sequence[Callable[[EpisodePlan], EpisodePlan]]) -> "MatchPlan":
        """The same match with what its seats see filled in, by each seat's `Players.settle`."""
        first, second = (settle(self.seat_plan(seat)).observation for seat, settle in enumerate(settlers))
        return replace(self, observations=(first, second))


def check_shared(preset: Card, clock: Clock, models: Iterable[str]) -> None:
    """Whether players can meet in this shared game, under this clock.

    Raises:
        UsageError: For a clock that the game doesn't have, and for people.
    """
    if clock == "realtime" and not preset.timed:
        raise UsageError(
            f"No time passes in {preset.game} while nobody moves, so it has no real-time clock. "
            "Leave --clock out, or choose another game."
        )
    if "human" in models:
        raise UsageError(f"People can't play matches of {preset.game} yet. Choose models, random or scripted.")


def one_player_only(names: Iterable[str]) -> None:
    """Raise UsageError if a game among these, each given as NAME or NAME/PRESET, is for more than one player."""
    for name in (given.partition("/")[0] for given in names):
        if (seats := game(name).seats) > 1:
            raise UsageError(
                f"{name} is for {seats} players, and `lmgame play` has one. "
                f"Use lmgame match --model A --model B --game {name}."
            )
