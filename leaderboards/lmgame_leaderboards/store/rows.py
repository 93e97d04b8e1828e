"""A played game as rows of the tables, and back."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Row, Select, select

from lmgame_leaderboards.played import PlayedGame, PlayedSeat
from lmgame_leaderboards.results import LatencySummary, UsageTotals
from lmgame_leaderboards.schema import PlayerRecord, canonical_json
from lmgame_leaderboards.store.tables import games, seats

OUTSIDE_KEY = {"base_url", "reference"}
"""Fields of a player that are not part of its key, so that they stand with the seat."""

USAGE = tuple(UsageTotals.__dataclass_fields__)
LATENCY = tuple(LatencySummary.__dataclass_fields__)

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class GameRows:
    """What stands of one game in the tables."""

    players: dict[str, Values]
    """By their keys."""
    game: Values
    seats: list[Values]

    @property
    def order(self) -> tuple[float, int]:
        """Of two rows with one key, the greater in this stays: the game that was finished later. The digest decides
        between those that finished at once, so that the order of coming in never does."""
        return self.game["finished"], self.game["digest"]


Players = dict[int, tuple[PlayerRecord, Values]]
"""Rows of players by their `id`, each beside its player, so that no other can get that id meanwhile."""


def rows_of(game: PlayedGame, known: Players) -> GameRows:
    """The rows of a game. Entries that are None in settings and options are dropped, as identities drop them.

    Args:
        game: The game.
        known: The rows of players seen before, which is added to; many games share few players.

    Raises:
        ValueError: If it has numbers that aren't finite.
    """
    for seat in game.seats:
        if id(seat.player) not in known:
            known[id(seat.player)] = seat.player, _player_row(seat.player)
    player_rows = [known[id(seat.player)][1] for seat in game.seats]
    key = game.key_of([row["key"] for row in player_rows])
    seat_rows: list[Values] = []
    for number, (seat, player_row) in enumerate(zip(game.seats, player_rows, strict=True)):
        player = seat.player
        seat_rows.append(
            {
                "game_key": key,
                "number": number,
                "player_key": player_row["key"],
                "base_url": player.base_url,
                "reference": player.reference,
                "score": float(seat.score),
                "decisions": seat.decisions,
                "observation": seat.observation,
                "prompt_hash": seat.prompt_hash,
                "verdicts": json.dumps(dict(seat.verdicts), sort_keys=True, separators=(",", ":")),
                "infrastructure_faults": seat.infrastructure_faults,
                **{name: getattr(seat.usage, name) for name in USAGE},
                "cost_usd": _float(seat.usage.cost_usd),
                **{f"latency_{name}": _float(getattr(seat.latency, name)) for name in LATENCY},
            }
        )
    row: Values = {
        "key": key,
        "game": game.game,
        "preset": game.preset,
        "version": game.version,
        "options": canonical_json(game.options),
        "clock": game.clock,
        "max_decisions": game.max_decisions,
        "rom": game.rom,
        "seed": game.seed,
        "outcome": game.outcome,
        "finished": float(game.finished),
        "run": game.run,
        "episode": game.episode,
    }
    digest = _digest([row, seat_rows])
    players = {row["key"]: row for row in player_rows}
    return GameRows(players, {**row, "source": game.source, "digest": digest}, seat_rows)


def _player_row(player: PlayerRecord) -> Values:
    settings = canonical_json(player.model_dump(mode="json", exclude=OUTSIDE_KEY))
    return {"key": player.key, "model": player.model, "settings": settings}


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _digest(value: Any) -> int:
    """The first 63 bits of a SHA-256: as a number, since texts are not everywhere in the same order."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


GAME_COLUMNS = ("version", "max_decisions", "rom", "outcome", "finished", "run", "episode", "source")
"""Fields of a game that stand in the table as they are."""


def query() -> Select[Any]:
    """All games, a row a seat, for `games_of`."""
    of_game = [games.c.key, games.c.game, games.c.preset, games.c.clock, games.c.seed, games.c.options]
    of_seat = [column for column in seats.c if column.name != "game_key"]
    return (
        select(*of_game, *(games.c[name] for name in GAME_COLUMNS), *of_seat)
        .join_from(games, seats)
        .order_by(games.c.key, seats.c.number)
    )


def games_of(rows: Iterable[Row[Any]], settings: dict[str, str]) -> list[PlayedGame]:
    """Games from the rows of `query`, sorted by game, preset, seed and key.

    Args:
        rows: Ordered by game and number of the seat.
        settings: Of all players, by key.
    """
    players: dict[tuple[str, str | None, bool], PlayerRecord] = {}
    parsed: dict[str, dict[str, Any]] = {}
    found: list[tuple[tuple[str, str, int, str], PlayedGame]] = []
    head = 6 + len(GAME_COLUMNS)
    for key, group in groupby(rows, key=lambda row: row[0]):
        of_seats: list[PlayedSeat] = []
        row: Any = ()
        for row in group:
            (
                _,
                player_key,
                base_url,
                reference,
                score,
                decisions,
                observation,
                prompt_hash,
                verdicts,
                faults,
                *figures,
            ) = row[head:]
            player = players.get((player_key, base_url, reference))
            if player is None:
                about = {**json.loads(settings[player_key]), "base_url": base_url, "reference": reference}
                player = players[player_key, base_url, reference] = PlayerRecord.model_validate(about)
            if verdicts not in parsed:
                parsed[verdicts] = json.loads(verdicts)
            of_seats.append(
                PlayedSeat(
                    player=player,
                    score=score,
                    decisions=decisions,
                    observation=observation,
                    prompt_hash=prompt_hash,
                    verdicts=parsed[verdicts],
                    infrastructure_faults=faults,
                    usage=UsageTotals(*figures[: len(USAGE)]),
                    latency=LatencySummary(*figures[len(USAGE) :]),
                )
            )
        _, game, preset, clock, seed, options, *plain = row[:head]
        if options not in parsed:
            parsed[options] = json.loads(options)  # shared by games, as verdicts are: nobody changes them
        played = PlayedGame(
            game=game,
            preset=preset,
            clock=clock,
            seed=seed,
            options=parsed[options],
            seats=tuple(of_seats),
            **dict(zip(GAME_COLUMNS, plain, strict=True)),
        )
        found.append(((game, preset, seed, key), played))
    found.sort(key=lambda pair: pair[0])
    return [played for _, played in found]
