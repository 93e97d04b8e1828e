"""Small pictures within tables: an interval on a scale, as SVG that needs no script and no style of its own."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

WIDTH, HEIGHT = 140, 18
MARGIN, TIP = 14, 2
"""From the edges to the outermost values, and to the tip of an arrow: points are 7 wide and leave it in sight."""


class Scale:
    """From values to pixels.

    Args:
        values: All that must have room; None among them counts for nothing.
    """

    def __init__(self, values: Iterable[float | None]) -> None:
        known = [value for value in values if value is not None]
        self.low, self.high = (min(known), max(known)) if known else (0.0, 1.0)
        if self.low == self.high:
            room = max(1.0, abs(self.low) * 1e-6)  # one more than a huge number is the same number
            self.low, self.high = self.low - room, self.high + room

    def at(self, value: float) -> float:
        """Pixels from the left."""
        share = (value - self.low) / (self.high - self.low)
        return round(MARGIN + min(1.0, max(0.0, share)) * (WIDTH - 2 * MARGIN), 1)


def drawn_interval(
    value: float | None,
    ends: Sequence[float | None] | None,
    scale: Scale,
    marks: Sequence[tuple[str, float]] = (),
    told: str = "",
) -> Markup:
    """A point with its interval; an end that isn't known runs to the edge, as an arrow.

    Args:
        value: The point; None: nothing is drawn but the marks.
        ends: The interval; None: the point alone.
        scale: Of all rows together.
        marks: Further values with their names, as ticks: baselines.
        told: The same in words.
    """
    # Numbers of ours are written as they are, words are escaped; formatting `Markup` takes ten times as long, and a
    # large board has a thousand of these.
    middle = HEIGHT / 2
    parts = [f"<title>{escape(told)}</title>"] if told else []
    for name, mark in marks:
        x = scale.at(mark)
        line = f'<line class="mark" x1="{x}" x2="{x}" y1="2" y2="{HEIGHT - 2}">'
        parts.append(f"{line}<title>{escape(name)}</title></line>")
    if value is not None:
        if ends is not None:
            low, high = (None if end is None else scale.at(end) for end in ends)
            left, right = TIP if low is None else low, WIDTH - TIP if high is None else high
            parts.append(f'<line class="span" x1="{left}" x2="{right}" y1="{middle}" y2="{middle}"/>')
            for end, x, out in ((low, left, -5), (high, right, 5)):
                if end is None:
                    parts.append(_line(x - out, middle - 4, x, middle) + _line(x - out, middle + 4, x, middle))
                else:
                    parts.append(_line(x, middle - 4, x, middle + 4))
        parts.append(f'<circle class="point" cx="{scale.at(value)}" cy="{middle}" r="3.5"/>')
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return Markup(f'<svg class="interval" {box} role="img">{"".join(parts)}</svg>')


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="span" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'
