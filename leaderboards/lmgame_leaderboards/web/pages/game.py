"""The games: a list of all, and a page for each under each preset."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from lmgame_leaderboards.web import addresses
from lmgame_leaderboards.web.drawing import Scale, drawn_interval
from lmgame_leaderboards.web.folders import Shelf
from lmgame_leaderboards.web.ledger import Ledger
from lmgame_leaderboards.web.pages.model import aligned, listed_game, score_words
from lmgame_leaderboards.web.render import digits_of, estimate, plain
from lmgame_leaderboards.web.stage import GameSheet

SHOWN = 5
"""Best and worst games, and players, on a page."""


def games_page(sheets: Sequence[GameSheet], ledger: Ledger | None, posters: Mapping[str, str]) -> dict[str, Any]:
    """All games; posters are addresses of pictures by `game/preset`."""
    counts: dict[str, int] = defaultdict(int)
    for label, about in (ledger.conditions if ledger else {}).items():
        counts[label.partition(" (")[0]] += about["n"]
    return {
        "title": "Games",
        "games": [
            {
                "name": sheet.name,
                "title": sheet.title,
                "to": addresses.game(sheet.name),
                "players": "one player" if sheet.seats == 1 else "two players",
                "score": sheet.score,
                "poster": posters.get(sheet.name),
                "count": counts.get(sheet.name, 0),
            }
            for sheet in sheets
        ],
    }


def game_page(sheet: GameSheet, ledger: Ledger | None, shelf: Shelf, poster: str | None) -> dict[str, Any]:
    """A game under one preset: its card, and what has been played of it."""
    labels = [label for label in (ledger.conditions if ledger else {}) if label.partition(" (")[0] == sheet.name]
    ends = [end for score in sheet.baselines.values() for end in (score.mean, *score.ci95)]
    scale, digits = Scale(ends), digits_of(ends)
    return {
        "title": f"{sheet.title} ({sheet.preset})",
        "sheet": sheet,
        "poster": poster,
        "digits": digits,
        "baselines": [
            {
                "player": player,
                "n": score.n,
                "mean": score.mean,
                "ci95": score.ci95,
                "reference": score.reference,
                "drawn": drawn_interval(score.mean, score.ci95, scale, told=estimate(score.mean, score.ci95, digits)),
            }
            for player, score in sorted(sheet.baselines.items(), key=lambda item: -item[1].mean)
        ],
        "boards": [_board(ledger, label, shelf, sheet) for label in labels] if ledger else [],
    }


def _board(ledger: Ledger, label: str, shelf: Shelf, sheet: GameSheet) -> dict[str, Any]:
    shown = [row for row in ledger.boards[label]["rows"] if not row["baseline"]][:SHOWN]
    scores = [next((score for score in row["games"] if score["conditions"] == label), None) for row in shown]
    return {
        "name": plain(label),
        "to": addresses.board(ledger.clock, label),
        "n": ledger.conditions[label]["n"],
        "score": score_words([sheet], ledger.conditions[label]),
        "digits": digits_of(score["mean"] for score in scores if score),
        "players": [
            {
                "name": plain(row["name"]),
                "to": addresses.model(ledger.clock, row["player"]),
                "rating": row["rating"],
                "rank": row["rank"],
                "score": score,
            }
            for row, score in zip(shown, scores, strict=True)
        ],
        "extremes": _extremes(ledger, label, shelf),
    }


def _extremes(ledger: Ledger, label: str, shelf: Shelf) -> list[dict[str, Any]]:
    """Best and worst games; among equal scores the shorter one first."""
    best, worst = ledger.extremes(label, 2 * SHOWN + 1)
    few = len(worst) <= 2 * SHOWN
    return aligned(
        [
            {"what": word, **listed_game(ledger, game, side.player, shelf)}
            for word, found in (("best", best[:SHOWN]), ("worst", [] if few else worst[:SHOWN]))
            for side, game in found
        ]
    )
