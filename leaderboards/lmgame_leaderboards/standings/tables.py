"""Standings as tables: Markdown that pastes into an issue, columns for a terminal, and flat rows for other programs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lmgame_leaderboards.ratings import Interval
from lmgame_leaderboards.standings.rows import GameScore, Row
from lmgame_leaderboards.standings.standings import Standings
from lmgame_leaderboards.table import REFERENCE, escaped, literal, markdown_of, numbers

RATED = (
    "Rank",
    "Model",
    "Harness",
    "Rating",
    "95 % CI",
    "W / D / L",
    "n",
    "Illegal",
    "Unparsable",
    "Timeout",
    "Tokens",
    "Cost",
    "Latency",
)
WORDS = ("Model", "Harness")
"""Columns of `RATED` that hold words; they stand in every table."""
UNKNOWN = "–"


@dataclass(frozen=True)
class Table:
    """Rows of cells, as they are meant to be read: nothing in them is escaped."""

    head: tuple[str, ...]
    right: tuple[bool, ...]
    """Which columns hold numbers of ours; the others may hold names that anybody has made up."""
    rows: list[tuple[str, ...]]
    below: tuple[str, ...] = ()
    """Lines below the table."""

    def __bool__(self) -> bool:
        return bool(self.rows)

    def markdown(self) -> str:
        """Padded columns, lines ending in a newline each; empty where there are no rows."""
        if not self.rows:
            return ""
        rows = [
            [cell if flush else literal(cell) for cell, flush in zip(row, self.right, strict=True)] for row in self.rows
        ]
        # A line right below a table would be one of its rows.
        below = "".join(f"\n{escaped(literal(line))}\n" for line in self.below)
        return markdown_of(self.head, self.right, rows) + below

    def within(self, width: int, keep: int, gap: int = 2) -> "list[Table]":
        """The same in as few tables as have room, side by side columns becoming tables below each other.

        Args:
            width: Characters of a line.
            keep: How many of the first columns stand in each of the tables.
            gap: Characters between columns.
        """
        widths = [max(len(row[column]) for row in [self.head, *self.rows]) for column in range(len(self.head))]
        room = width - sum(widths[:keep])
        groups: list[list[int]] = [[]]
        used = 0
        for column in range(keep, len(self.head)):
            if groups[-1] and used + gap + widths[column] > room:
                groups.append([])
                used = 0
            groups[-1].append(column)
            used += gap + widths[column]
        tables = [self.only([*range(keep), *columns]) for columns in groups]
        return [*(replace(table, below=()) for table in tables[:-1]), tables[-1]]

    def only(self, columns: Sequence[int]) -> "Table":
        """The same with these columns alone."""

        def chosen[T](cells: Sequence[T]) -> tuple[T, ...]:
            return tuple(cells[column] for column in columns)

        return Table(chosen(self.head), chosen(self.right), [chosen(row) for row in self.rows], self.below)


def markdown(standings: Standings) -> str:
    """All of it: ratings, scores by game, the pairwise matrix, published scores, and what is to be said about them."""
    tables = rating_table(standings), score_table(standings.rows), matrix_table(standings), published_table(standings)
    parts = [table.markdown() for table in tables if table]
    notes = "".join(f"- {escaped(literal(note))}\n" for note in notes_of(standings))
    return "\n".join([*parts, notes] if notes else parts)


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


def rating_table(standings: Standings) -> Table:
    """Ratings with everything beside them, a row a player that has played here. Columns of which nothing is known are
    left out, as the ratings are where nobody has met anybody."""
    rows = [_rated(row) for row in standings.rows if not row.baseline]
    # Most players' answers can all be read.
    always = any(row.shares.get("unparsable") for row in standings.rows)
    kept = [
        column
        for column, name in enumerate(RATED)
        if name in WORDS or (any(row[column] != UNKNOWN for row in rows) and (name != "Unparsable" or always))
    ]
    right = tuple(name not in WORDS for name in RATED)
    return Table(RATED, right, rows).only(kept)


def _rated(row: Row) -> tuple[str, ...]:
    return (
        rank(row),
        _marked(row),
        "+".join(row.harness) or UNKNOWN,
        UNKNOWN if row.rating is None else f"{row.rating:,.0f}",
        UNKNOWN if row.rating is None else interval(row.ci95),
        f"{row.wins} / {row.draws} / {row.losses}" if row.n else UNKNOWN,
        str(row.n) if row.n else UNKNOWN,
        share(row.shares.get("illegal")),
        share(row.shares.get("unparsable")),
        share(row.shares.get("timeout")),
        UNKNOWN if row.tokens_per_game is None else f"{row.tokens_per_game:,.0f}",
        UNKNOWN if row.cost_per_game is None else f"${row.cost_per_game:.4f}",
        UNKNOWN if row.latency_median is None else f"{row.latency_median:.2f} s",
    )


def rank(row: Row) -> str:
    """Such as `1`, `2–4`, or a dash for who is not ranked."""
    if row.rank is None:
        return UNKNOWN
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
    return UNKNOWN if value is None else f"{100 * value:.1f} %"


def _marked(row: Row) -> str:
    marks = ["card"] * row.baseline + ["reference"] * row.reference
    return f"{row.name} ({', '.join(marks)})" if marks else row.name


def score_table(rows: Iterable[Row]) -> Table:
    """Mean scores, game by game, best first."""
    scores: dict[str, list[tuple[GameScore, Row]]] = {}
    for row in rows:
        for score in row.games:
            scores.setdefault(score.conditions, []).append((score, row))
    lines: list[tuple[str, ...]] = []
    for label, found in sorted(scores.items()):
        for number, (score, row) in enumerate(sorted(found, key=lambda pair: (-pair[0].mean, pair[1].name))):
            value, *ends = numbers([score.mean, *(score.ci95 or ())])
            shown = f"[{', '.join(ends)}]" if ends else UNKNOWN
            lines.append((label if number == 0 else "", _marked(row), str(score.n), value, shown))
    return Table(("Game", "Model", "n", "Score", "95 % CI"), (False, False, True, True, True), lines)


def matrix_table(standings: Standings) -> Table:
    """Share of points that a row's player took from a column's, with the number of matches; best first."""
    matrix = standings.matrix
    names = list(matrix)
    marked = {row.name: _marked(row) for row in standings.rows if not row.baseline}
    head = ("Points taken", *(f"{number}" for number in range(1, len(names) + 1)))
    lines = [
        (f"{number}. {marked[name]}", *(_met(matrix[name], other, name) for other in names))
        for number, name in enumerate(names, 1)
    ]
    return Table(head, (False, *(True for _ in names)), lines)


def _met(row: dict[str, tuple[float, int]], other: str, own: str) -> str:
    if other == own:
        return ""
    return f"{100 * row[other][0]:.0f} % of {row[other][1]}" if other in row else UNKNOWN


def published_table(standings: Standings) -> Table:
    """Scores from elsewhere under the same rules, marked as such; empty where there are none."""
    lines: list[tuple[str, ...]] = []
    for score in sorted(standings.published, key=lambda score: (score.game, score.preset, -score.mean, score.model)):
        value, *ends = numbers([score.mean, *(score.ci95 or ())])
        shown = f"[{', '.join(ends)}]" if ends else "single run"
        helped = "harness" if score.harness else UNKNOWN
        lines.append((f"{score.game}/{score.preset}", score.model, helped, str(score.n), value, shown))
    head = ("Published elsewhere", "Model", "Harness", "n", "Score", "95 % CI")
    sources = dict.fromkeys(f"Source: {score.source}" for score in standings.published)
    noted: dict[str, list[str]] = {}
    for score in standings.published:
        if score.note and score.model not in noted.setdefault(score.note, []):
            noted[score.note].append(score.model)
    notes = [f"{', '.join(models)}: {note}" for note, models in noted.items()]
    return Table(head, (False, False, False, True, True, True), lines, (*sources, *notes))


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
