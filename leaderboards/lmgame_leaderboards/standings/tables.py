"""Standings as tables: Markdown that pastes into an issue, and flat rows for other programs."""

from collections.abc import Iterable, Sequence

from lmgame_leaderboards.ratings import Interval
from lmgame_leaderboards.standings.rows import GameScore, Row
from lmgame_leaderboards.standings.standings import Standings
from lmgame_leaderboards.table import REFERENCE, escaped, markdown_of, numbers

RATED = (
    "Rank",
    "Model",
    "Harness",
    "Rating",
    "95 % CI",
    "W / D / L",
    "n",
    "Illegal",
    "Timeout",
    "Tokens",
    "Cost",
    "Latency",
)
RATED_RIGHT = (True, False, False, True, True, True, True, True, True, True, True, True)
SCORED = ("Game", "Model", "n", "Score", "95 % CI")
SCORED_RIGHT = (False, False, True, True, True)


def markdown(standings: Standings) -> str:
    """All of it: ratings, scores by game, the pairwise matrix, published scores, and what is to be said about them."""
    parts = [rating_table(standings), score_table(standings.rows), matrix_table(standings), published_table(standings)]
    notes = [f"- {escaped(note)}" for note in notes_of(standings)]
    return "\n".join([part for part in parts if part] + (["\n".join(notes) + "\n"] if notes else []))


def notes_of(standings: Standings) -> list[str]:
    """What a reader must know: the scale, the clock, who is no evidence, and the warnings."""
    notes: list[str] = []
    ratings = standings.ratings
    if ratings is not None:
        zero = f"{standings.names[ratings.anchor]} is 0" if ratings.anchor else "the mean is 0"
        weight = ", each game weighing the same" if len(ratings.games) > 1 else ""
        notes.append(f"Rating: Elo points, {zero}{weight}; rank: best to worst that the 95 % intervals allow.")
    if standings.clock != "paused":
        notes.append(f"Clock: {standings.clock}; latency costs in the game.")
    notes += [REFERENCE.format(row.name) for row in standings.rows if row.reference and not row.baseline]
    if any(row.baseline for row in standings.rows):
        notes.append("Rows marked (card) are the games' own measured reference scores.")
    return notes + standings.warnings


def rating_table(standings: Standings) -> str:
    """Ratings with everything beside them, a row a player that has met somebody; empty where nobody has."""
    rows = [_rated(row) for row in standings.rows if row.rating is not None]
    if not rows:
        return ""
    kept = [column for column in range(len(RATED)) if column < 7 or any(row[column] != "–" for row in rows)]
    return markdown_of(
        [RATED[column] for column in kept],
        [RATED_RIGHT[column] for column in kept],
        [[row[column] for column in kept] for row in rows],
    )


def _rated(row: Row) -> tuple[str, ...]:
    assert row.rating is not None
    return (
        rank(row),
        _marked(row),
        "+".join(row.harness) or "–",
        f"{row.rating:,.0f}",
        interval(row.ci95),
        f"{row.wins} / {row.draws} / {row.losses}",
        str(row.n),
        share(row.shares.get("illegal")),
        share(row.shares.get("timeout")),
        "–" if row.tokens_per_game is None else f"{row.tokens_per_game:,.0f}",
        "–" if row.cost_per_game is None else f"${row.cost_per_game:.4f}",
        "–" if row.latency_median is None else f"{row.latency_median:.2f} s",
    )


def rank(row: Row) -> str:
    """Such as `1`, `2–4`, or a dash for who is not ranked."""
    if row.rank is None:
        return "–"
    best, worst = row.rank
    return str(best) if best == worst else f"{best}–{worst}"


def interval(ends: Interval) -> str:
    """Such as `[12, 40]`, or `≥ 12` where the results set no upper limit."""
    low, high = ends
    if low is None and high is None:
        return "no limits"
    if high is None:
        return f"≥ {low:,.0f}"
    if low is None:
        return f"≤ {high:,.0f}"
    return f"[{low:,.0f}, {high:,.0f}]"


def share(value: float | None) -> str:
    """A share in per cent; a dash where nothing is known."""
    return "–" if value is None else f"{100 * value:.1f} %"


def _marked(row: Row) -> str:
    if row.baseline:
        return f"{row.name} (card)"
    return f"{row.name} (reference)" if row.reference else row.name


def score_table(rows: Iterable[Row]) -> str:
    """Mean scores, game by game, best first."""
    scores: dict[str, list[tuple[GameScore, Row]]] = {}
    for row in rows:
        for score in row.games:
            scores.setdefault(score.conditions, []).append((score, row))
    lines: list[list[str]] = []
    for label, found in sorted(scores.items()):
        for number, (score, row) in enumerate(sorted(found, key=lambda pair: (-pair[0].mean, pair[1].name))):
            value, *ends = numbers([score.mean, *(score.ci95 or ())])
            shown = f"[{', '.join(ends)}]" if ends else "–"
            lines.append([label if number == 0 else "", _marked(row), str(score.n), value, shown])
    return markdown_of(SCORED, SCORED_RIGHT, lines) if lines else ""


def matrix_table(standings: Standings) -> str:
    """Share of points that a row's player took from a column's, with the number of matches; best first."""
    matrix = standings.matrix
    if not matrix:
        return ""
    names = list(matrix)
    head = ["Points taken", *(f"{number}" for number in range(1, len(names) + 1))]
    lines = [
        [f"{number}. {name}", *(_met(matrix[name], other, name) for other in names)]
        for number, name in enumerate(names, 1)
    ]
    return markdown_of(head, [False, *(True for _ in names)], lines)


def _met(row: dict[str, tuple[float, int]], other: str, own: str) -> str:
    if other == own:
        return ""
    return f"{100 * row[other][0]:.0f} % of {row[other][1]}" if other in row else "–"


def published_table(standings: Standings) -> str:
    """Scores from elsewhere under the same rules, marked as such; empty where there are none."""
    lines: list[list[str]] = []
    for score in sorted(standings.published, key=lambda score: (score.game, score.preset, -score.mean, score.model)):
        value, *ends = numbers([score.mean, *(score.ci95 or ())])
        shown = f"[{', '.join(ends)}]" if ends else "single run"
        helped = "harness" if score.harness else "–"
        lines.append([f"{score.game}/{score.preset}", score.model, helped, str(score.n), value, shown])
    if not lines:
        return ""
    head = ["Published elsewhere", "Model", "Harness", "n", "Score", "95 % CI"]
    sources = dict.fromkeys(score.source for score in standings.published)
    notes = dict.fromkeys(score.note for score in standings.published if score.note)
    told = "".join(f"Source: {escaped(source)}\n" for source in sources) + "".join(
        f"{escaped(note)}\n" for note in notes
    )
    return markdown_of(head, [False, False, False, True, True, True], lines) + told


CSV_HEAD = (
    "name", "model", "player", "harness", "reference", "baseline", "rank_best", "rank_worst", "rating", "low", "high",
    "wins", "draws", "losses", "n", "conditions", "games", "mean", "mean_low", "mean_high", "illegal", "unparsable",
    "truncated", "refused", "timeout", "tokens_per_game", "cost_per_game", "latency_median",
)  # fmt: skip
"""Columns of `flat_rows`."""


def flat_rows(standings: Standings) -> list[Sequence[object]]:
    """One row a player and conditions, by `CSV_HEAD`; what holds for the player stands in each of its rows."""
    found: list[Sequence[object]] = []
    for row in standings.rows:
        for score in row.games:
            best, worst = row.rank or (None, None)
            low, high = score.ci95 or (None, None)
            found.append(
                [
                    row.name,
                    row.model,
                    row.player,
                    "+".join(row.harness),
                    int(row.reference),
                    int(row.baseline),
                    best,
                    worst,
                    row.rating,
                    *row.ci95,
                    row.wins,
                    row.draws,
                    row.losses,
                    row.n,
                    score.conditions,
                    score.n,
                    score.mean,
                    low,
                    high,
                    *(row.shares.get(v) for v in ("illegal", "unparsable", "truncated", "refused", "timeout")),
                    row.tokens_per_game,
                    row.cost_per_game,
                    row.latency_median,
                ]
            )
    return found
