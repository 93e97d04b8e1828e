"""Who stands in a table: players of the store, told apart by what they were shown, and called by names that differ."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    local: bool = False
    """Whether it is a player of this machine, to which sampling and the like mean nothing."""


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
    left_out: list[tuple[Seated, ...]]
    """Games that don't count, because one of their players was asked in other words since."""

    def only(self, label: str) -> "Field":
        """The games under some conditions alone; players are called as they are among all games."""
        games = [seats for seats in self.games if seats[0].conditions == label]
        playing = {one.entrant for seats in games for one in seats}
        return Field(
            {id_: entrant for id_, entrant in self.entrants.items() if id_ in playing},
            games,
            (label,),
            [seats for seats in self.left_out if seats[0].conditions == label],
        )


def field_of(games: Sequence[PlayedGame]) -> Field:
    """Sort games by conditions and players.

    Under the same conditions only those games of a player count that were played with its latest prompt; what it was
    asked in other words before doesn't belong with them.

    Args:
        games: Of one clock.
    """
    labels = _labels(games)
    key = _keys(games)
    shown: dict[tuple[str, str], set[str | None]] = defaultdict(set)
    for game in games:
        for seat in game.seats:
            shown[labels[id(game)], key(seat)].add(seat.observation)
    split = {player for (_, player), kinds in shown.items() if len(kinds) > 1}

    def entrant(seat: PlayedSeat) -> str:
        player = key(seat)
        return f"{player}:{seat.observation}" if player in split else player

    latest: dict[tuple[str, str], tuple[float, str]] = {}
    seated: list[tuple[Seated, ...]] = []
    for game in games:
        label = labels[id(game)]
        seats = tuple(Seated(game, seat, entrant(seat), label) for seat in game.seats)
        seated.append(seats)
        for one in seats:
            # By the hash where times are equal, so that the order of games doesn't matter.
            now = (game.finished, one.seat.prompt_hash or "")
            latest[label, one.entrant] = max(now, latest.get((label, one.entrant), now))
    kept: dict[tuple[Any, ...], tuple[Seated, ...]] = {}
    left_out: list[tuple[Seated, ...]] = []
    for seats in seated:
        if any((one.seat.prompt_hash or "") != latest[one.conditions, one.entrant][1] for one in seats):
            left_out.append(seats)
            continue
        # Players of this machine may have played one game under several settings, which is no more than one game.
        same = (seats[0].conditions, seats[0].game.seed, *(one.entrant for one in seats))
        if same not in kept or _later(seats, kept[same]):
            kept[same] = seats
    entrants = {one.entrant: _entrant(one) for seats in kept.values() for one in seats}
    used = sorted({seats[0].conditions for seats in kept.values()})
    return Field(_named(entrants), list(kept.values()), tuple(used), left_out)


def _later(seats: Sequence[Seated], than: Sequence[Seated]) -> bool:
    """Whether a game ended after another one; which one where both ended together, doesn't depend on their order."""
    now, before = seats[0].game, than[0].game
    return (now.finished, now.key) > (before.finished, before.key)


def _local(seat: PlayedSeat) -> bool:
    """Whether a player of this machine sat there, who is told nothing."""
    return seat.prompt_hash is None and seat.player.base_url is None


def _entrant(one: Seated) -> Entrant:
    player, local = one.seat.player, _local(one.seat)
    if local:
        player = _bare(player)
    return Entrant(one.entrant, player.name, player, one.seat.observation if ":" in one.entrant else None, local)


def _bare(player: PlayerRecord) -> PlayerRecord:
    return player.model_copy(update={"sampling": {}, "history": 0, "structured": None})


def _keys(games: Iterable[PlayedGame]) -> Callable[[PlayedSeat], str]:
    """Keys of players by their seats. One of this machine is the same whatever settings were meant for others beside
    it; the smallest of its keys stands for all."""
    # Games share few players' records, and a key is a hash over all settings.
    keys: dict[tuple[int, bool], str] = {}
    alike: dict[str, set[str]] = defaultdict(set)
    for game in games:
        for seat in game.seats:
            of = id(seat.player), _local(seat)
            if of not in keys:
                keys[of] = _bare(seat.player).key if of[1] else seat.player.key
                alike[keys[of]].add(seat.player.key)
    smallest = {of: min(alike[key]) for of, key in keys.items()}
    return lambda seat: smallest[id(seat.player), _local(seat)]


def _labels(games: Iterable[PlayedGame]) -> dict[int, str]:
    """A label of each game's conditions, by the game's `id()`: `game/preset`, with what else tells them apart."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    of_game: dict[int, str] = {}
    # Many games share few conditions, whose canonical form takes long to make.
    known: dict[tuple[Any, ...], str] = {}
    for game in games:
        options = canonical_json(dict(game.options)) if game.options else ""
        fields = (game.game, game.preset, game.version, options, game.clock, game.max_decisions, game.rom)
        if fields not in known:
            known[fields] = canonical_json(game.conditions)
            found[known[fields]] = f"{game.game}/{game.preset}", game.conditions
        of_game[id(game)] = known[fields]
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
        keys = [
            key
            for key in dict.fromkeys(key for own in settings.values() for key in own)
            if len({canonical_json({"value": own.get(key)}) for own in settings.values()}) > 1
        ]
        for entrant in same:
            told = ", ".join(_told(key, settings[entrant.id].get(key)) for key in keys) or entrant.id[:8]
            named[entrant.id] = replace(entrant, name=f"{name} ({told})") if len(same) > 1 else entrant
    # Names are whatever somebody calls a model, so that even these may be the same.
    often = Counter(entrant.name for entrant in named.values())
    return {
        id_: replace(entrant, name=f"{entrant.name} [{id_[:8]}]") if often[entrant.name] > 1 else entrant
        for id_, entrant in named.items()
    }


_SHORT = {"temperature": "T", "top_p": "top-p", "max_tokens": "tokens", "request_timeout": "timeout"}


def _told(key: str, value: Any) -> str:
    if key == "harness":
        return "+".join(value) or "bare"
    if key in ("observation", "model") and value is not None:
        return str(value)
    return f"{_SHORT.get(key, key)}={'default' if value is None else value}"


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
