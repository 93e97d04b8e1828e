"""From templates to pages. Everything that comes from records is escaped by Jinja, and printable before that."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import floor, isfinite, isinf, isnan, log10
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from lmgame_common import printable

HERE = Path(__file__).parent
STATIC = HERE / "static"
UNKNOWN = "–"

EXPORT_POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src 'self' file: data:; "
    "form-action 'none'; base-uri 'none'"
)
"""Content security policy of pages that are files: nothing inline, nothing from a network."""

_POINT, _DIGIT = "\u2008", "\u2007"
"""Blanks as wide as a point and as a digit."""
_SHORT = 120
"""Characters of a name that a table shows."""


def digits_of(values: Iterable[float | None]) -> int:
    """Digits after the point for all numbers of a column: about three or four that count in the greatest, one at least
    where a small one would be lost beside it, and no more than are needed. What isn't known counts for nothing."""
    known = [abs(value) for value in values if value is not None and isfinite(value)]
    greatest = max(known, default=0.0)
    most = 0 if greatest >= 1000 else 1 if greatest >= 100 else 2 if greatest >= 1 else 3
    if not most and any(value < 10 and value != int(value) for value in known):
        most = 1
    return next((digits for digits in range(most) if all(round(value, digits) == value for value in known)), most)


def number(value: float | None, digits: int | None = None, room: int = 0) -> str:
    """With thousands apart and a true minus sign; by default with about four digits that count.

    Args:
        value: The number; None: it isn't known.
        digits: After the point.
        room: Digits after the point that others in the column have: blanks make up for those that this one lacks.
    """
    if value is None or isnan(value):
        return UNKNOWN
    if isinf(value):
        return "∞" if value > 0 else "−∞"
    if digits is None:
        size = abs(value)
        digits = 0 if value == int(value) or size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 3
    shown = f"{value:,.{digits}f}".replace("-", "−") if round(value, digits) else f"{0:.{digits}f}"
    if room <= digits:
        return shown
    return shown + ("" if digits else _POINT) + _DIGIT * (room - digits)


def interval(ends: Any, digits: int | None = None) -> str:
    """Both ends with as many digits, or one where the results set no limit to the other."""
    if ends is None or tuple(ends) == (None, None):
        return UNKNOWN
    low, high = ends
    if low is None:
        return f"≤ {number(high, digits)}"
    if high is None:
        return f"≥ {number(low, digits)}"
    if digits is None:
        digits = digits_of((low, high))
    return f"{number(low, digits)} to {number(high, digits)}"


def estimate(value: float | None, ends: Any, digits: int | None = None) -> str:
    """A value with its interval, in words; for those who don't see it drawn."""
    return f"{number(value, digits)}, 95 % interval {interval(ends, digits)}"


def ranks(rank: Any) -> str:
    """A rank, or a range of ranks."""
    if not rank:
        return UNKNOWN
    low, high = rank
    return str(low) if low == high else f"{low}–{high}"


def percent(share: float | None, digits: int = 0) -> str:
    """A share of 1 in percent."""
    return UNKNOWN if share is None else f"{100 * share:.{digits}f} %"


def seconds(value: float | None) -> str:
    """A duration, of as many digits however long it is."""
    return UNKNOWN if value is None else f"{value:,.2f} s"


def cents_of(prices: Iterable[float | None]) -> int:
    """Digits after the point for all prices of a column: two that count of the lowest, cents at least."""
    lowest = min((price for price in prices if price and price > 0 and isfinite(price)), default=1.0)
    return min(6, max(2, 1 - floor(log10(lowest))))


def dollars(value: float | None, digits: int | None = None) -> str:
    """A price; by default with three digits that count where it is less than a dollar."""
    if value is None:
        return UNKNOWN
    if digits is not None:
        return f"${value:,.{digits}f}"
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.3g}"


def moment(when: float | str | None) -> Markup | str:
    """A time, from Unix seconds or ISO 8601; in UTC."""
    if not when:
        return UNKNOWN
    try:
        then = datetime.fromtimestamp(when, UTC) if isinstance(when, int | float) else datetime.fromisoformat(when)
        then = then.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return UNKNOWN
    return Markup('<time datetime="{}">{}</time>').format(then.isoformat(), then.strftime("%Y-%m-%d %H:%M"))


def plain(text: Any, longest: int = _SHORT) -> str:
    """Somebody's name or word, on one line."""
    found = printable(" ".join(str(text)[: 4 * longest].split()))
    return found if len(found) <= longest else f"{found[:longest]}…"


def words(text: Any) -> str:
    """The game's own words for things, such as `topped_out`, as people write them."""
    return plain(text).replace("_", " ")


def command(text: str) -> Markup:
    """A command line that can be copied."""
    return Markup('<code class="command" tabindex="0">{}</code>').format(escape(text))


class Pages:
    """Makes pages of templates.

    Args:
        live: Whether a server stands behind them; else they are files.
    """

    def __init__(self, *, live: bool) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "number": number,
            "interval": interval,
            "ranks": ranks,
            "percent": percent,
            "seconds": seconds,
            "dollars": dollars,
            "moment": moment,
            "plain": plain,
            "words": words,
            "command": command,
        }
        self._environment.globals |= {"live": live, "policy": EXPORT_POLICY}
        self.live = live
        self.footer = ""
        """What stands below every page."""

    def page(self, template: str, address: str, context: Mapping[str, Any]) -> bytes:
        """A whole page.

        Args:
            template: File in `templates`.
            address: The page's own, such as `models/0123.html`, from which links to others are told.
            context: What the template shows.
        """
        root = "../" * address.count("/")
        return (
            self._environment.get_template(template)
            .render(root=root, address=address, footer=self.footer, **context)
            .encode()
        )
