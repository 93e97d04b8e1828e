"""The whole store at one glance: standings of all games together and of each, and the games behind them.

Made once for each state of the store, by a process of its own (`keeper`), since ratings of large stores take a while;
pages only look things up.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import nsmallest
from typing import Any

from lmgame_leaderboards.played import PlayedGame
from lmgame_leaderboards.published import PublishedScore
from lmgame_leaderboards.schema import BaselineRecord
from lmgame_leaderboards.standings import Entrant, Standings, field_of, notes_of, standings_by_game, standings_of
from lmgame_leaderboards.web.gamelist import Game, Games, Side, columns

FORM = 3
"""Rises when the ledger's document changes, so that older ones are made anew."""
CLOCKS = ("paused", "realtime")
"""A ledger each: their games are never ranked together."""
JOINT = ""
"""Label of the board over all games together."""
MANY, MANY_ROUNDS, FIRST_ROUNDS = 20_000, 200, 20
"""Games beyond which a store is large, and the bootstrap rounds that then have to do: all in all, and at first. A
standard deviation of so many is off by 1 / √(2 · rounds): by 5 % and by 16 %."""
MATRIX = 30
"""Most players whose pairwise results are drawn; a model's page has all of its opponents."""


@dataclass(frozen=True, slots=True)
class Bout:
    """One match of a player: a shared game, or two episodes raced on one seed."""

    conditions: str
    seed: int
    own: Game
    other: Game
    """The same game where it was shared."""
    scores: tuple[float, float]
    """The player's own, and the opponent's."""
    opponent: str
    seat: int
    """Where the player sat in a shared game; 0 where they raced."""

    @property
    def result(self) -> str:
        """`won`, `lost` or `drawn`."""
        own, other = self.scores
        return "drawn" if own == other else "won" if own > other else "lost"


@dataclass(frozen=True)
class Ledger:
    """What `ledger_document` wrote, with the ways to look things up."""

    boards: Mapping[str, Mapping[str, Any]]
    """By conditions' label; `JOINT` is all of them together, where there are several."""
    players: Mapping[str, Mapping[str, Any]]
    """By entrant's id: `name`, `model`, `settings`, `reference`, `local`."""
    conditions: Mapping[str, Mapping[str, Any]]
    """By label: `game`, `preset`, `n` and what else tells them apart."""
    games: Games
    clock: str = "paused"
    state: str = ""
    """Of the store, when this was made."""
    left_out: int = 0
    rough: bool = False
    """Whether its intervals are only first ones, and it is to be made again."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Ledger":
        """Read what `ledger_document` wrote. Raises KeyError, TypeError or ValueError where it is something else."""
        if document["form"] != FORM:
            raise ValueError(f"form {document['form']}, not {FORM}")
        found = Games.of(document["games"], list(document["conditions"]), list(document["players"]))
        return cls(
            boards=document["boards"],
            players=document["players"],
            conditions=document["conditions"],
            games=found,
            clock=document["clock"],
            state=document["state"],
            left_out=document["left_out"],
            rough=document["rough"],
        )

    @property
    def first_board(self) -> str:
        """Label of the board to show where none is asked for."""
        return JOINT if JOINT in self.boards else next(iter(self.boards), JOINT)

    def games_of(self, player: str) -> list[Game]:
        """A player's games."""
        return [self.games[number] for number in self._games_of(player)]

    def _games_of(self, player: str) -> Sequence[int]:
        number = self._numbers.get(player)
        return () if number is None else self.games.by_player.get(number, ())

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {player: number for number, player in enumerate(self.games.players)}

    def bouts(self, player: str, opponent: str | None = None) -> list[Bout]:
        """The matches of a player, against all or one, in the order of conditions and seeds."""
        found: list[Bout] = []
        games, players = self.games, self.games.sides["player"]
        against = None if opponent is None else self._numbers.get(opponent, -1)
        for number in self._games_of(player):
            game = games[number]
            if len(game.sides) == 1:
                own = game.sides[0].score
                for other_number in games.raced[games.games["conditions"][number], game.seed]:
                    if other_number == number or against not in (None, players[games.first[other_number]]):
                        continue
                    other = games[other_number]
                    met = other.sides[0]
                    if met.player != player:
                        scores = own, met.score
                        found.append(Bout(game.conditions, game.seed, game, other, scores, met.player, 0))
                continue
            for seat, other_seat in ((0, 1), (1, 0)):
                own, other = game.sides[seat], game.sides[other_seat]
                if own.player == player and other.player != player and opponent in (None, other.player):
                    scores = own.score, other.score
                    found.append(Bout(game.conditions, game.seed, game, game, scores, other.player, seat))
        return sorted(found, key=lambda bout: (bout.conditions, bout.seed, bout.seat))

    def opponents(self, player: str) -> dict[str, tuple[int, int, int]]:
        """How often a player won, drew and lost, by opponent: the same matches as `bouts`, only counted."""
        own = self._numbers.get(player)
        games, players, scores = self.games, self.games.sides["player"], self.games.sides["score"]
        won, drawn, lost = (defaultdict[int, int](int) for _ in range(3))

        def count(score: float, other: int) -> None:
            if (opponent := players[other]) != own:
                theirs = scores[other]
                (drawn if score == theirs else won if score > theirs else lost)[opponent] += 1

        for number in self._games_of(player):
            sides = games.sides_of(number)
            if len(sides) == 1:
                score = scores[sides[0]]
                for other in games.raced[games.games["conditions"][number], games.games["seed"][number]]:
                    count(score, games.first[other])
            for seat, other in zip(sides, sides[::-1], strict=True):
                if seat != other and players[seat] == own:
                    count(scores[seat], other)
        met = dict.fromkeys((*won, *drawn, *lost))
        return {games.players[opponent]: (won[opponent], drawn[opponent], lost[opponent]) for opponent in met}

    def scores(self, conditions: str) -> dict[str, list[float]]:
        """All scores under some conditions, by player."""
        return self._scores.get(conditions, {})

    @cached_property
    def _scores(self) -> dict[str, dict[str, list[float]]]:
        found: dict[str, dict[str, list[float]]] = {}
        games, (players, scores) = self.games, (self.games.sides[name] for name in ("player", "score"))
        for label, numbers in games.by_conditions.items():
            own: dict[str, list[float]] = defaultdict(list)
            for number in numbers:
                for side in games.sides_of(number):
                    own[games.players[players[side]]].append(scores[side])
            found[games.labels[label]] = dict(own)
        return found

    def extremes(self, conditions: str, count: int) -> tuple[list[tuple[Side, Game]], list[tuple[Side, Game]]]:
        """The best and the worst seats under some conditions, so many of each, with their games; among equal scores
        the shorter game first."""
        games, (scores, decisions) = self.games, (self.games.sides[name] for name in ("score", "decisions"))
        label = games.labels.index(conditions)
        sides = [(side, number) for number in games.by_conditions.get(label, ()) for side in games.sides_of(number)]
        best = nsmallest(count, sides, key=lambda one: (-scores[one[0]], decisions[one[0]]))
        worst = nsmallest(count, sides, key=lambda one: (scores[one[0]], decisions[one[0]]))
        one, other = ([(games.side(side), games[number]) for side, number in found] for found in (best, worst))
        return one, other


def ledger_document(
    games: Sequence[PlayedGame],
    *,
    clock: str = "paused",
    state: str = "",
    cards: Sequence[Mapping[str, Any]] = (),
    published: Sequence[PublishedScore] = (),
    rounds: int = 1000,
    first: bool = False,
) -> dict[str, Any]:
    """Everything that pages look up, in JSON's own types.

    Args:
        games: All of one clock. A copy that a model plays against itself is a control, and left out.
        clock: Theirs.
        state: Of the store, from `Store.state`.
        cards: What is known of games: `game`, `preset`, `version`, `max_decisions`, `baselines`.
        published: Scores from elsewhere.
        rounds: Of the bootstrap behind the intervals; of large stores at most `MANY_ROUNDS`.
        first: Whether somebody waits for it, so that intervals of a large store are to be only first ones.
    """
    wanted = min(rounds, MANY_ROUNDS) if len(games) > MANY else rounds
    rounds = min(wanted, FIRST_ROUNDS) if first and len(games) > MANY else wanted
    played = [game for game in games if not any(seat.player.copy_number for seat in game.seats)]
    found = field_of(played)
    known = {"baselines": _baselines(played, cards), "published": published, "rounds": rounds}
    boards = {label: _board(standings) for label, standings in standings_by_game(found, **known).items()}
    if len(boards) > 1:
        # A game's reference scores say nothing of all games together.
        boards = {JOINT: _board(standings_of(found, **{**known, "baselines": {}})), **boards}
    if len(games) > MANY:
        finer = "; better ones are being worked out" if rounds < wanted else ""
        for board in boards.values():
            board["notes"].append(f"Intervals rest on {rounds} bootstrap rounds{finer}.")
    ids = {id_: number for number, id_ in enumerate(found.entrants)}
    numbers = {label: number for number, label in enumerate(found.conditions)}
    counts: dict[str, int] = defaultdict(int)
    about: dict[str, Mapping[str, Any]] = {}
    rows: list[Any] = []
    references: set[str] = set()
    for seats in found.games:
        label, game = seats[0].conditions, seats[0].game
        counts[label] += 1
        about.setdefault(label, game.conditions)
        references.update(one.entrant for one in seats if one.seat.player.reference)
        folder, cut, file = game.source.rpartition("/")
        sides = [
            (
                ids[one.entrant],
                one.seat.score,
                one.seat.decisions,
                one.seat.usage.tokens,
                one.seat.usage.cost_usd,
                one.seat.latency.median,
            )
            for one in seats
        ]
        rows.append(((numbers[label], game.seed, game.outcome, game.finished, folder + cut, file), sides))
    return {
        "form": FORM,
        "clock": clock,
        "state": state,
        "boards": boards,
        "players": {id_: _player(entrant, id_ in references) for id_, entrant in found.entrants.items()},
        "conditions": {label: {**about[label], "n": counts[label]} for label in found.conditions},
        "games": columns(rows),
        "left_out": len(found.left_out),
        "rough": rounds < wanted,
    }


def _player(entrant: Entrant, reference: bool) -> dict[str, Any]:
    player = entrant.player
    settings = {
        "harness": ", ".join(player.harness) or None,
        "history": player.history or None,
        **player.sampling,
        "structured": player.structured,
        "shown": entrant.observation,
        "weights": player.weights and player.weights[:12],
    }
    return {
        "name": entrant.name,
        "model": player.model,
        "settings": {name: value for name, value in settings.items() if value is not None},
        "reference": reference,
        "local": entrant.local,
    }


def _board(standings: Standings) -> dict[str, Any]:
    """A board without what only programs want; the matrix of its best players alone."""
    document = standings.document(matrix=False)
    del document["matrix"], document["warnings"]
    shown = [row for row in standings.rows if row.n][:MATRIX]
    met = standings.meetings.table([row.player for row in shown]) if standings.meetings else {}
    return {
        **document,
        "notes": notes_of(standings),
        "rated": standings.ratings is not None,
        "matrix": {
            "players": [row.player for row in shown],
            "cells": [
                [row, column, *met[one.player][other.player]]
                for row, one in enumerate(shown)
                for column, other in enumerate(shown)
                if other.player in met.get(one.player, {})
            ],
        },
        "met": sum(row.n > 0 for row in standings.rows),
    }


def _baselines(
    played: Sequence[PlayedGame], cards: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, BaselineRecord]]:
    """The measured reference scores of what was played as cards have it, by `game/preset` and player."""
    asked = {(one.game, one.preset, one.version, one.max_decisions) for one in played if not one.options}
    return {
        f"{card['game']}/{card['preset']}": {
            player: BaselineRecord.model_validate(score) for player, score in card["baselines"].items()
        }
        for card in cards
        if any(
            asked_for[:3] == (card["game"], card["preset"], card["version"])
            and asked_for[3] in (None, card["max_decisions"])
            for asked_for in asked
        )
    }
