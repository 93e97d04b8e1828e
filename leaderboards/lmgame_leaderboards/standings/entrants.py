"""Who stands in a table: players of the store, told apart by what they were shown, and called by names that differ."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lmgame_leaderboards.played import PlayedGame, PlayedSeat
from lmgame_leaderboards.schema import PlayerRecord, canonical_json


@dataclass(frozen=True, slots=True)
class Entrant:
    """One row's player."""

    id: str
    """The player's key; with what it was shown behind a colon, where one player was shown different things."""
    name: str
    """What it is called; no other row is called so."""
    player: PlayerRecord
    observation: str | None
    """What it was shown, where that tells it apart."""


@dataclass(frozen=True, slots=True)
class Seated:
    """A seat of a game, and who sat there."""

    game: PlayedGame
    seat: PlayedSeat
    entrant: str
    """The entrant's id."""
    conditions: str
    """Label of the game's conditions."""


@dataclass(frozen=True)
class Field:
    """All games that count, and all who played them."""

    entrants: dict[str, Entrant]
    """By id."""
    games: list[tuple[Seated, ...]]
    """Seat by seat."""
    conditions: tuple[str, ...]
    """Labels, sorted."""
    left_out: int
    """Games that don't count, because one of their players was asked in other words since."""


def field_of(games: Sequence[PlayedGame]) -> Field:
    """Sort games by conditions and players.

    Under the same conditions only those games of a player count that were played with its latest prompt; what it was
    asked in other words before doesn't belong with them.

    Args:
        games: Of one clock.
    """
    labels = _labels(games)
    keys: dict[int, str] = {}

    def key(player: PlayerRecord) -> str:
        # Games share few players' records, and a key is a hash over all settings.
        if id(player) not in keys:
            keys[id(player)] = player.key
        return keys[id(player)]

    shown: dict[tuple[str, str], set[str | None]] = defaultdict(set)
    for game in games:
        for seat in game.seats:
            shown[labels[id(game)], key(seat.player)].add(seat.observation)
    split = {player for (_, player), kinds in shown.items() if len(kinds) > 1}

    def entrant(seat: PlayedSeat) -> str:
        player = key(seat.player)
        return f"{player}:{seat.observation}" if player in split else player

    latest: dict[tuple[str, str], tuple[float, str | None]] = {}
    seated: list[tuple[Seated, ...]] = []
    for game in games:
        label = labels[id(game)]
        seats = tuple(Seated(game, seat, entrant(seat), label) for seat in game.seats)
        seated.append(seats)
        for one in seats:
            now = (game.finished, one.seat.prompt_hash)
            if (label, one.entrant) not in latest or now[0] > latest[label, one.entrant][0]:
                latest[label, one.entrant] = now
    kept = [
        seats
        for seats in seated
        if all(one.seat.prompt_hash == latest[one.conditions, one.entrant][1] for one in seats)
    ]
    entrants = {
        one.entrant: Entrant(
            one.entrant, one.seat.player.name, one.seat.player, one.seat.observation if ":" in one.entrant else None
        )
        for seats in kept
        for one in seats
    }
    used = sorted({one.conditions for seats in kept for one in seats})
    return Field(_named(entrants), kept, tuple(used), len(seated) - len(kept))


def _labels(games: Iterable[PlayedGame]) -> dict[int, str]:
    """A label of each game's conditions, by the game's `id()`: `game/preset`, with what else tells them apart."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    of_game: dict[int, str] = {}
    for game in games:
        conditions = game.conditions
        text = canonical_json(conditions)
        found[text] = f"{game.game}/{game.preset}", conditions
        of_game[id(game)] = text
    groups: dict[str, list[str]] = defaultdict(list)
    for text, (name, _) in found.items():
        groups[name].append(text)
    labels: dict[str, str] = {}
    for name, texts in groups.items():
        several = [found[text][1] for text in texts]
        for text in texts:
            labels[text] = name + _difference(found[text][1], several)
    return {game: labels[text] for game, text in of_game.items()}


def _difference(own: Mapping[str, Any], several: Sequence[Mapping[str, Any]]) -> str:
    """What tells these conditions from the others, in brackets; nothing where there are no others."""
    told = []
    for name, value in own.items():
        if any(other[name] != value for other in several):
            shown = canonical_json(value) if isinstance(value, dict) else "none" if value is None else str(value)[:16]
            told.append(f"{name} {shown}")
    return f" ({', '.join(told)})" if told else ""


def _named(entrants: Mapping[str, Entrant]) -> dict[str, Entrant]:
    """The same entrants, with names that differ: those called the same get what tells them apart."""
    called: dict[str, list[Entrant]] = defaultdict(list)
    for entrant in entrants.values():
        called[entrant.name].append(entrant)
    named: dict[str, Entrant] = {}
    for name, same in called.items():
        settings = {entrant.id: _settings(entrant) for entrant in same}
        for entrant in same:
            told = [
                _told(key, value)
                for key, value in settings[entrant.id].items()
                if any(others.get(key) != value for others in settings.values())
            ]
            suffix = f" ({', '.join(told)})" if told else f" ({entrant.id[:8]})"
            named[entrant.id] = replace(entrant, name=name + suffix) if len(same) > 1 else entrant
    return named


_SHORT = {"temperature": "T", "top_p": "top-p", "max_tokens": "tokens", "request_timeout": "timeout"}


def _told(key: str, value: Any) -> str:
    if key in ("observation", "model"):
        return str(value)
    if key == "harness":
        return "+".join(value) or "bare"
    return f"{_SHORT.get(key, key)}={value}"


def _settings(entrant: Entrant) -> dict[str, Any]:
    """All that could tell two players of one name apart, flat and without what is not set."""
    player = entrant.player
    settings = {
        "model": player.model,
        "harness": list(player.harness),
        "history": player.history,
        **player.sampling,
        "structured": player.structured,
        "weights": player.weights and player.weights[:8],
        "copy": player.copy_number,
        "observation": entrant.observation,
    }
    return {key: value for key, value in settings.items() if value is not None}
