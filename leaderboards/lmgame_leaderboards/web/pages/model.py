"""A model's page, and the matches of two models."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from lmgame_leaderboards.ratings.comparison import compare_scores
from lmgame_leaderboards.web import addresses
from lmgame_leaderboards.web.addresses import There
from lmgame_leaderboards.web.drawing import Scale, drawn_interval
from lmgame_leaderboards.web.folders import Shelf
from lmgame_leaderboards.web.ledger import Bout, Game, Ledger
from lmgame_leaderboards.web.render import digits_of, estimate, number, plain, words
from lmgame_leaderboards.web.stage import GameSheet

SHOWN = 10
"""Best, worst and newest games on a page."""
MOST_BOUTS = 1000
"""Matches of two models on one page."""


def score_words(sheets: Sequence[GameSheet], played: Mapping[str, Any]) -> str:
    """What a score counts; empty where no sheet says it.

    Args:
        sheets: The games.
        played: What was played: `game`, `preset`, `version`, `options`.
    """
    wanted = played["game"], played["preset"], played["version"]
    found = next((sheet for sheet in sheets if (sheet.game, sheet.preset, sheet.version) == wanted), None)
    return plain(found.score, 400) if found and "score" not in (played["options"] or {}) else ""


def aligned(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Listed games whose scores stand in one column: those of one game have as many digits after the point, `digits`,
    and all have room for `room`, so that points stand below each other."""
    scores: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        scores[row["game"]].append(row["score"])
    digits = {game: digits_of(own) for game, own in scores.items()}
    room = max(digits.values(), default=0)
    return [{**row, "digits": digits[row["game"]], "room": room} for row in rows]


def model_page(ledger: Ledger, player: str, shelf: Shelf, there: There) -> dict[str, Any]:
    """A model: its ratings, scores, opponents and games. `there` tells which pages of two models there are."""
    about = ledger.players[player]
    name = plain(about["name"])
    games = ledger.games_of(player)
    return {
        "title": name,
        "name": name,
        "model": plain(about["model"], 300),
        "reference": about["reference"],
        "clock": ledger.clock,
        "settings": [(words(key), plain(value)) for key, value in about["settings"].items()],
        "ratings": _ratings(ledger, player),
        "scores": _scores(ledger, player),
        "opponents": _opponents(ledger, player, there),
        "games": _listed(ledger, sorted(games, key=lambda game: -game.finished)[:SHOWN], player, shelf),
        "extremes": _extremes(ledger, games, player, shelf),
        "count": len(games),
    }


def _ratings(ledger: Ledger, player: str) -> list[dict[str, Any]]:
    found = []
    for label, board in ledger.boards.items():
        own = next((row for row in board["rows"] if row["player"] == player), None)
        if own is None or own["rating"] is None:
            continue
        scale = Scale([e for row in board["rows"] if row["rating"] is not None for e in (row["rating"], *row["ci95"])])
        told = estimate(own["rating"], own["ci95"], 0)
        found.append(
            {
                "name": plain(label) if label else "All games",
                "to": addresses.board(ledger.clock, label),
                "rank": own["rank"],
                "of": sum(row["rank"] is not None for row in board["rows"]),
                "rating": own["rating"],
                "ci95": own["ci95"],
                "drawn": drawn_interval(own["rating"], own["ci95"], scale, told=told),
                "record": (own["wins"], own["draws"], own["losses"]),
            }
        )
    return found


def _scores(ledger: Ledger, player: str) -> list[dict[str, Any]]:
    found = []
    for label in ledger.conditions:
        rows = ledger.boards[label]["rows"]
        own = next((row for row in rows if row["player"] == player), None)
        score = own and next((score for score in own["games"] if score["conditions"] == label), None)
        if own is None or score is None:
            continue
        digits = digits_of((score["mean"], *(score["ci95"] or ())))
        marks = [
            (
                f"{plain(row['name'])}{', card' if row['baseline'] else ''}: {number(other['mean'], digits)}",
                other["mean"],
            )
            for row in rows
            if row["baseline"] or row["player"] == player or row["model"] in ("random", "scripted")
            for other in row["games"]
            if other["conditions"].partition(" (")[0] == label.partition(" (")[0] and row["player"] != player
        ]
        own_scores = ledger.scores(label)[player]
        values = [score["mean"], *(score["ci95"] or ()), *(mark for _, mark in marks), *own_scores]
        told = estimate(score["mean"], score["ci95"], digits)
        found.append(
            {
                "name": plain(label),
                "to": addresses.board(ledger.clock, label),
                "n": score["n"],
                "mean": score["mean"],
                "ci95": score["ci95"],
                "digits": digits,
                "least": min(own_scores),
                "most": max(own_scores),
                "ends_digits": digits_of((min(own_scores), max(own_scores))),
                "drawn": drawn_interval(score["mean"], score["ci95"], Scale(values), marks, told),
                "marks": "; ".join(name for name, _ in marks),
            }
        )
    return found


def _opponents(ledger: Ledger, player: str, there: There) -> list[dict[str, Any]]:
    """Whom it met, those it met most first."""
    rows = []
    for opponent, (won, drawn, lost) in ledger.opponents(player).items():
        n = won + drawn + lost
        to = addresses.versus(ledger.clock, player, opponent)
        rows.append(
            {
                "name": plain(ledger.players[opponent]["name"]),
                "to": to if there(to) else None,
                "n": n,
                "won": won,
                "drawn": drawn,
                "lost": lost,
                "share": (won + drawn / 2) / n,
            }
        )
    return sorted(rows, key=lambda row: (-row["n"], row["share"], row["name"]))


def _extremes(ledger: Ledger, games: Sequence[Game], player: str, shelf: Shelf) -> list[dict[str, Any]]:
    """The best and the worst game under each conditions that were played often enough to have both."""
    by_conditions: dict[str, list[Game]] = defaultdict(list)
    for game in games:
        by_conditions[game.conditions].append(game)
    found = []
    for own in by_conditions.values():
        if len(own) < 2:
            continue
        ordered = sorted(own, key=lambda game: game.side(player).score)
        for word, game in (("best", ordered[-1]), ("worst", ordered[0])):
            found.append({"what": word, **listed_game(ledger, game, player, shelf)})
    return aligned(found)


def _listed(ledger: Ledger, games: Sequence[Game], player: str, shelf: Shelf) -> list[dict[str, Any]]:
    return aligned([listed_game(ledger, game, player, shelf) for game in games])


def listed_game(ledger: Ledger, game: Game, player: str, shelf: Shelf) -> dict[str, Any]:
    """A game in a list, from one player's side."""
    own = game.side(player)
    others = [plain(ledger.players[side.player]["name"]) for side in game.sides if side is not own]
    return {
        "game": plain(game.conditions),
        "player": plain(ledger.players[player]["name"]),
        "seed": game.seed,
        "against": ", ".join(others),
        "score": own.score,
        "outcome": words(game.outcome),
        "decisions": own.decisions,
        "finished": game.finished,
        "to": record_address(game, shelf),
    }


def record_address(game: Game, shelf: Shelf) -> str | None:
    """Where a game can be watched; None where its record isn't on this machine."""
    place = shelf.place(game.source)
    return place and addresses.record(place[0].id, place[1])


def bout_address(bout: Bout, shelf: Shelf) -> str | None:
    """Where a match can be watched: both episodes side by side, or the shared game; at its decisive moment."""
    if bout.own is bout.other:
        address = record_address(bout.own, shelf)
        return address and f"{address}#@decisive"
    one, other = shelf.place(bout.own.source), shelf.place(bout.other.source)
    if not one or not other:
        return None
    return f"{addresses.race((one[0].id, one[1]), (other[0].id, other[1]))}@decisive"


def versus_page(
    ledger: Ledger, player: str, opponent: str, shelf: Shelf, sheets: Sequence[GameSheet]
) -> dict[str, Any]:
    """All matches of two, conditions by conditions, the first one's losses marked. `sheets` say what scores count."""
    names = [plain(ledger.players[one]["name"]) for one in (player, opponent)]
    by_conditions: dict[str, list[Bout]] = defaultdict(list)
    for bout in ledger.bouts(player, opponent):
        by_conditions[bout.conditions].append(bout)
    return {
        "title": f"{names[0]} against {names[1]}",
        "clock": ledger.clock,
        "names": names,
        "to": [addresses.model(ledger.clock, one) for one in (player, opponent)],
        "turned": addresses.versus(ledger.clock, opponent, player),
        "parts": [
            {**_part(label, bouts, shelf), "score": score_words(sheets, ledger.conditions[label])}
            for label, bouts in by_conditions.items()
        ],
    }


def _part(label: str, bouts: Sequence[Bout], shelf: Shelf) -> dict[str, Any]:
    results = Counter(bout.result for bout in bouts)
    pairs: dict[int, list[Bout]] = defaultdict(list)
    for bout in bouts:
        pairs[bout.seed].append(bout)
    shared = bouts[0].own is bouts[0].other
    # In shared games both seat orders on a seed are one unit.
    whole = [own for own in pairs.values() if not shared or len({bout.seat for bout in own}) == 2]
    differences = [fmean(bout.scores[0] - bout.scores[1] for bout in own) for own in whole]
    compared = compare_scores(differences) if differences else None
    return {
        "name": plain(label),
        "shared": shared,
        "won": results["won"],
        "drawn": results["drawn"],
        "lost": results["lost"],
        "compared": compared,
        "compared_digits": digits_of((compared.mean, *(compared.interval or ()))) if compared else 0,
        "digits": digits_of(score for bout in bouts for score in bout.scores),
        "rows": [
            {
                "seed": bout.seed,
                "seat": bout.seat,
                "scores": bout.scores,
                "result": bout.result,
                "outcome": words(bout.own.outcome),
                "decisions": bout.own.side_of(bout.seat).decisions,
                "to": bout_address(bout, shelf),
            }
            for bout in bouts[:MOST_BOUTS]
        ],
        "more": max(0, len(bouts) - MOST_BOUTS),
    }
