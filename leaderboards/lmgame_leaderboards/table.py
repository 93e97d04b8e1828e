"""The result table as Markdown: reads well as it stands, and pastes into an issue."""

import re
from collections.abc import Iterable, Sequence

from lmgame_leaderboards.results import Summary

HEAD = ("Game", "Preset", "Player", "n", "Metric", "", "Value", "95 % CI")
RIGHT = (False, False, False, True, False, False, True, True)
"""Which columns hold numbers."""


REFERENCE = (
    "{} is a reference: it was trained on these very games. Its scores are a fixed point to compare with, no evidence "
    "about general models, and are never ranked among theirs."
)


def markdown_table(summaries: Iterable[Summary], model: str, *, clock: str = "paused", reference: bool = False) -> str:
    """A table with the model's row for each game and preset, and the baselines' rows below it, worst first.

    Args:
        summaries: From `summarize`.
        model: What the model's rows are called.
        clock: The run's clock; `realtime` is told beside the preset, since such scores stand apart.
        reference: Whether the model was trained on the games, which is then said in its rows and below the table.

    Returns:
        Lines ending in a newline each, columns padded. ↑ says that more is better; the interval is that of the mean,
        a dash where there is none.
    """
    player = f"**{model}** (reference)" if reference else f"**{model}**"
    rows: list[tuple[str, ...]] = []
    for summary in summaries:
        preset = summary.preset if clock == "paused" else f"{summary.preset}, {clock}"
        rows.append(_row(summary.game, preset, player, summary.n, summary.mean, summary.ci95))
        for baseline, score in sorted(summary.baselines.items(), key=lambda item: (item[1].mean, item[0])):
            name = f"{baseline} (reference)" if score.reference else baseline
            rows.append(_row("", "", name, score.n, score.mean, score.ci95))
    table = markdown_of(HEAD, RIGHT, rows)
    return f"{table}\n{escaped(REFERENCE.format(model))}\n" if reference else table


def _row(
    game: str, preset: str, player: str, n: int, mean: float | None, ci95: tuple[float, float] | None
) -> tuple[str, ...]:
    value, *ends = numbers([] if mean is None else [mean, *(ci95 or ())])
    return (game, preset, player, str(n), "score", "↑", value, f"[{', '.join(ends)}]" if ends else "–")


def numbers(values: Sequence[float]) -> list[str]:
    """Numbers to one more digit than the interval makes sensible: two decimals, one, or none as they grow."""
    if not values:
        return ["–"]
    spread = max(values) - min(values) if len(values) > 1 else max(abs(value) for value in values)
    decimals = 2 if spread < 10 else 1 if spread < 1000 else 0
    return [f"{value:,.{decimals}f}" for value in values]


def markdown_of(head: Sequence[str], right: Sequence[bool], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table with padded columns, lines ending in a newline each.

    Args:
        head: The columns' names.
        right: Which columns hold numbers.
        rows: Cells; bars in them are escaped and line breaks made spaces.
    """
    cells = [tuple(head), *(tuple(escaped(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [_line(row, widths, right) for row in cells]
    rule = "|".join(
        "-" * (width + 1) + ":" if flush else "-" * (width + 2) for width, flush in zip(widths, right, strict=True)
    )
    lines.insert(1, f"|{rule}|")
    return "".join(f"{line}\n" for line in lines)


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if flush else cell.ljust(width) for cell, width, flush in zip(row, widths, right, strict=True)
    )
    return f"| {' | '.join(padded)} |"


_MARKS = re.compile(r"[\\`*~<>\[\]&]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown takes for more than itself; an underscore between letters is one."""


def literal(text: str) -> str:
    """Text that Markdown shows letter by letter, such as a model's name, which may say anything: neither a link, nor
    an image, nor emphasis, nor HTML. `escaped` does the rest for a table's cell."""
    return _MARKS.sub(r"\\\g<0>", text)


def escaped(cell: str) -> str:
    """A cell that can't break the table: bars escaped, line breaks made spaces."""
    return " ".join(cell.split()).replace("|", "\\|")
