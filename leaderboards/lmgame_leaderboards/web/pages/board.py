"""The leaderboard: a table of players, who took points from whom, scores, and what they cost."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean, quantiles
from typing import Any

from lmgame_leaderboards.standings.rows import VERDICTS
from lmgame_leaderboards.web import addresses
from lmgame_leaderboards.web.addresses import There
from lmgame_leaderboards.web.drawing import Scale, drawn_interval
from lmgame_leaderboards.web.ledger import JOINT, Ledger
from lmgame_leaderboards.web.pages.model import score_words
from lmgame_leaderboards.web.render import cents_of, digits_of, estimate, plain
from lmgame_leaderboards.web.stage import GameSheet

DRAWN = 30
"""Most players in a chart."""


def board_page(
    ledger: Ledger, label: str, clocks: Sequence[str], sheets: Sequence[GameSheet], there: There
) -> dict[str, Any]:
    """A leaderboard.

    Args:
        ledger: Of the clock.
        label: Whose board; `JOINT` for all games together.
        clocks: Those of which there are games.
        sheets: The games, whose reference scores are drawn beside; they say what scores count.
        there: Which pages of two models there are.
    """
    board = ledger.boards.get(label)
    return {
        "title": f"{plain(label)} leaderboard" if label else "Leaderboard",
        "label": label,
        "clock": ledger.clock,
        "choices": _choices(ledger, label, clocks),
        "board": board and _table(ledger, label, board),
        "score_words": score_words(sheets, ledger.conditions[label]) if label in ledger.conditions else "",
        "charts": board and _charts(ledger, label, board, _references(ledger, label, sheets), there),
        "notes": board["notes"] if board else [],
        "published": _published(board["published"]) if board else [],
        "games_counted": ledger.conditions[label]["n"] if label in ledger.conditions else len(ledger.games),
    }


def _choices(ledger: Ledger, label: str, clocks: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Links to the other boards."""
    boards = [
        {
            "name": plain(other) if other else "All games",
            "to": addresses.board(ledger.clock, other),
            "here": other == label,
        }
        for other in ledger.boards
    ]
    names = {"paused": "paused clock", "realtime": "real-time clock"}
    others = [
        {"name": names[clock], "to": addresses.board(clock, JOINT), "here": clock == ledger.clock} for clock in clocks
    ]
    return {"boards": boards if len(boards) > 1 else [], "clocks": others if len(others) > 1 else []}


def _score_of(row: Mapping[str, Any], label: str) -> Mapping[str, Any] | None:
    """A row's score under some conditions; a game's own reference scores stand under its plain name."""
    names = (label, label.partition(" (")[0])
    return next((score for score in row["games"] if score["conditions"] in names), None)


def _table(ledger: Ledger, label: str, board: Mapping[str, Any]) -> dict[str, Any]:
    rows = list(board["rows"])
    if not board["rated"] and label:
        rows.sort(key=lambda row: -(score["mean"] if (score := _score_of(row, label)) else float("-inf")))
    ratings = Scale([end for row in rows if row["rating"] is not None for end in (row["rating"], *row["ci95"])])
    scores = [score for row in rows if label and (score := _score_of(row, label))]
    ends = [end for score in scores for end in (score["mean"], *(score["ci95"] or ()))]
    digits, on_scores = digits_of(ends), Scale(ends)
    shown = [_row(ledger, row, label, ratings, on_scores, digits) for row in rows]
    return {
        "rows": shown,
        "rated": board["rated"],
        "anchor": board["anchor"],
        "digits": digits,
        "cents": cents_of(row["cost"] for row in shown),
        "with": {
            name: any(row[name] is not None for row in shown)
            for name in ("tokens", "cost", "latency", "score", "n", "unusable")
        },
        "players": sum(not row["baseline"] for row in rows),
    }


def _row(
    ledger: Ledger, row: Mapping[str, Any], label: str, ratings: Scale, on_scores: Scale, digits: int
) -> dict[str, Any]:
    score = _score_of(row, label) if label else None
    unusable = None if row["baseline"] else sum(row[verdict] or 0 for verdict in VERDICTS)
    told = estimate(row["rating"], row["ci95"], 0) if row["rating"] is not None else ""
    return {
        "name": plain(row["name"]),
        "to": addresses.model(ledger.clock, row["player"]) if row["player"] else None,
        "harness": plain(", ".join(row["harness"])),
        "reference": row["reference"],
        "baseline": row["baseline"],
        "rank": row["rank"],
        "rating": row["rating"],
        "ci95": row["ci95"],
        "drawn": drawn_interval(row["rating"], row["ci95"], ratings, told=told) if told else "",
        "wins": row["wins"],
        "draws": row["draws"],
        "losses": row["losses"],
        "n": row["n"] or None,
        "score": score,
        "score_drawn": _drawn_score(score, on_scores, digits),
        "unusable": unusable,
        "unusable_told": ", ".join(f"{100 * row[v]:.1f} % {v}" for v in VERDICTS if row[v]),
        "tokens": row["tokens_per_game"],
        "cost": row["cost_per_game"],
        "latency": row["latency_median"],
    }


def _drawn_score(score: Mapping[str, Any] | None, scale: Scale, digits: int) -> Any:
    if score is None:
        return ""
    return drawn_interval(score["mean"], score["ci95"], scale, told=estimate(score["mean"], score["ci95"], digits))


def _references(ledger: Ledger, label: str, sheets: Sequence[GameSheet]) -> dict[str, float]:
    """Mean reference scores of the card under which these games were played, by player."""
    if not label or ledger.conditions[label]["options"]:
        return {}
    played = ledger.conditions[label]
    for sheet in sheets:
        same = (sheet.game, sheet.preset, sheet.version) == (played["game"], played["preset"], played["version"])
        if same and played["max_decisions"] in (None, sheet.max_decisions):
            return {player: score.mean for player, score in sheet.baselines.items()}
    return {}


def _charts(
    ledger: Ledger, label: str, board: Mapping[str, Any], references: Mapping[str, float], there: There
) -> dict[str, Any]:
    """What the charts draw."""
    names = {player: plain(about["name"], 40) for player, about in ledger.players.items()}
    matrix = board["matrix"]
    order = matrix["players"]
    return {
        "matrix": {
            "players": [names[player] for player in order],
            "cells": [[row, column, round(share, 4), n] for row, column, share, n in matrix["cells"]],
            "links": {
                f"{row},{column}": to
                for row, column, *_ in matrix["cells"]
                if there(to := addresses.versus(ledger.clock, order[row], order[column]))
            },
            "of": board["met"],
        },
        "scores": _distributions(ledger, label, references, names) if label else None,
        "costs": _costs(board, label),
    }


def five_numbers(scores: Sequence[float]) -> list[float]:
    """Least, lower quartile, median, upper quartile, greatest."""
    if len(scores) == 1:
        return [scores[0]] * 5
    return [min(scores), *quantiles(scores, n=4, method="inclusive"), max(scores)]


def _distributions(
    ledger: Ledger, label: str, references: Mapping[str, float], names: Mapping[str, str]
) -> dict[str, Any]:
    """How the scores of each player are spread, the best mean first, beside the game's reference scores."""
    found = sorted(ledger.scores(label).items(), key=lambda item: -fmean(item[1]))
    return {
        "players": [names[player] for player, _ in found[:DRAWN]],
        "boxes": [five_numbers(scores) for _, scores in found[:DRAWN]],
        "n": [len(scores) for _, scores in found[:DRAWN]],
        "points": [sorted(scores) if len(scores) <= 60 else [] for _, scores in found[:DRAWN]],
        "baselines": [{"name": plain(player), "mean": mean} for player, mean in references.items()],
        "of": len(found),
    }


def _costs(board: Mapping[str, Any], label: str) -> dict[str, Any]:
    """Rating, or mean score where there are no ratings, against tokens, cost and latency."""
    points = []
    for row in board["rows"]:
        score = _score_of(row, label) if label else None
        value = row["rating"] if board["rated"] else score and score["mean"]
        if value is None or row["baseline"]:
            continue
        ends = row["ci95"] if board["rated"] else score and score["ci95"]
        points.append(
            {
                "name": plain(row["name"], 40),
                "value": value,
                "ci95": ends,
                "tokens": row["tokens_per_game"],
                "cost": row["cost_per_game"],
                "latency": row["latency_median"],
            }
        )
    kinds = [kind for kind in ("tokens", "cost", "latency") if sum(point[kind] is not None for point in points) > 1]
    return {
        "points": points,
        "kinds": kinds,
        "value": "rating, Elo points" if board["rated"] else "mean score",
        "unknown": {kind: [point["name"] for point in points if point[kind] is None] for kind in kinds},
    }


def _published(scores: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    by_game: dict[str, list[float | None]] = defaultdict(list)
    for score in scores:
        by_game[f"{score['game']}/{score['preset']}"] += [score["mean"], *(score["ci95"] or ())]
    digits = {game: digits_of(values) for game, values in by_game.items()}
    room = max(digits.values(), default=0)
    return [
        {
            "model": plain(score["model"]),
            "harness": "yes" if score["harness"] else "no",
            "game": plain(f"{score['game']}/{score['preset']}"),
            "n": score["n"],
            "mean": score["mean"],
            "ci95": score["ci95"],
            "digits": digits[f"{score['game']}/{score['preset']}"],
            "room": room,
            "source": plain(score["source"], 300),
            "note": plain(score["note"] or "", 300),
        }
        for score in scores
    ]
