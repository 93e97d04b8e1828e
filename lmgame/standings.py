"""Leaderboards and comparisons out of the results store."""

import shlex
from typing import TYPE_CHECKING

from lmgame_common import UnknownNameError, UsageError
from lmgame_games import card, games
from lmgame_leaderboards import BaselineRecord, PlayedGame

if TYPE_CHECKING:
    # Slow to load, and most commands need no ratings.
    from lmgame_leaderboards.ratings import ErrorRates
    from lmgame_leaderboards.standings import Standings, Versus


def stored_games(
    game: str | None = None, preset: str | None = None, clock: str = "paused", db: str | None = None
) -> list[PlayedGame]:
    """Games of the results store.

    Args:
        game: `NAME` or `NAME/PRESET`; None: all.
        preset: The preset, where the game's name doesn't say it.
        clock: `paused` or `realtime`.
        db: The store, as `--db`.

    Raises:
        UnknownNameError: For a game, or a preset of a known game, that is neither known nor in the store.
        StoreError: If the store can't be read.
    """
    from lmgame_leaderboards.store import Store

    name, _, named = (game or "").partition("/")
    if named and preset not in (None, named):
        raise UsageError(f"--game {game} names a preset, and --preset {preset} another one; leave one out.")
    with Store.open(db) as store:
        found = store.games(game=name or None, preset=named or preset, clock=clock)
        if name and not found and name not in games():
            raise UnknownNameError("game", name, {*games(), *(one.game for one in store.games(clock=clock))})
    if name and not found:
        card(name, named or preset)  # which raises for a preset that there isn't
    return found


def card_baselines(played: list[PlayedGame]) -> dict[str, dict[str, BaselineRecord]]:
    """The measured reference scores on the cards of what was played, by `game/preset` and player; only of games that
    were played as the card has them, with its own limits."""
    found: dict[str, dict[str, BaselineRecord]] = {}
    for game, preset, version, limit in {
        (one.game, one.preset, one.version, one.max_decisions) for one in played if not one.options
    }:
        if game not in games() or preset not in games()[game].presets:
            continue
        known = card(game, preset)
        if version == known.version and limit in (None, known.max_decisions):
            found[f"{game}/{preset}"] = {
                player: BaselineRecord.model_validate(score, from_attributes=True)
                for player, score in known.baselines.items()
            }
    return found


def leaderboard(
    game: str | None = None,
    *,
    preset: str | None = None,
    clock: str = "paused",
    db: str | None = None,
    min_games: int = 1,
    rounds: int = 1000,
) -> "Standings":
    """The standings of all games in the results store, or of one game alone.

    Args:
        game: `NAME` or `NAME/PRESET`; None: all games together, each weighing the same.
        preset: The preset, where the game's name doesn't say it.
        clock: `paused` or `realtime`; the two are never ranked together.
        db: The store, as `--db`.
        min_games: Leave players out that have finished fewer games than this.
        rounds: Of the bootstrap behind the intervals.

    Raises:
        UnknownNameError: For an unknown game.
        StoreError: If the store can't be read.
    """
    from lmgame_leaderboards.standings import standings_of
    from lmgame_leaderboards.store import Store

    # A copy that a model plays against itself is a control, and no competitor.
    found = stored_games(game, preset, clock, db)
    played = [one for one in found if not any(seat.player.copy_number for seat in one.seats)]
    if min_games > 1:
        played = _frequent(played, min_games)
    with Store.open(db) as store:
        published = store.published() if clock == "paused" else []
    return standings_of(played, baselines=card_baselines(played), published=published, rounds=rounds)


def _frequent(played: list[PlayedGame], least: int) -> list[PlayedGame]:
    counts: dict[str, int] = {}
    for game in played:
        for seat in game.seats:
            counts[seat.player.key] = counts.get(seat.player.key, 0) + 1
    return [game for game in played if all(counts[seat.player.key] >= least for seat in game.seats)]


def compare(
    first: str,
    second: str,
    game: str | None = None,
    *,
    preset: str | None = None,
    clock: str = "paused",
    db: str | None = None,
    rates: "ErrorRates | None" = None,
) -> "list[Versus]":
    """How two models compare, game by game, on the seeds that both have played.

    Args:
        first, second: Models, players' names as the leaderboard shows them, or beginnings of their keys.
        game: `NAME` or `NAME/PRESET`; None: all.
        preset: The preset, where the game's name doesn't say it.
        clock: `paused` or `realtime`.
        db: The store, as `--db`.
        rates: Run the sequential test with these error rates as well.

    Raises:
        UnknownNameError: For an unknown game or player.
        UsageError: Where a name may mean several players.
        StoreError: If the store can't be read.
    """
    from lmgame_leaderboards.standings import compare as compared
    from lmgame_leaderboards.standings import entrant_called, field_of

    played = stored_games(game, preset, clock, db)
    if not played:
        command = shlex.join(["lmgame", "match", "--model", first, "--model", second, "--game", game or "tetris"])
        raise UsageError(f"Nothing of that is in the results store yet. Play: {command}")
    field = field_of(played)
    return compared(field, entrant_called(field, first), entrant_called(field, second), rates)
