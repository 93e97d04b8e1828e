"""Numbers, times and names as pages show them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmgame_leaderboards.web.render import (
    UNKNOWN,
    Pages,
    cents_of,
    command,
    digits_of,
    dollars,
    interval,
    moment,
    number,
    percent,
    plain,
    ranks,
    seconds,
    words,
)

from .builders import HOSTILE


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (None, None, UNKNOWN),
        (0, None, "0"),
        (0.0, None, "0"),
        (-0.0, None, "0"),
        (7, None, "7"),
        (7.0, None, "7"),
        (-7.5, None, "−7.50"),
        (0.12345, None, "0.123"),
        (1.2345, None, "1.23"),
        (123.456, None, "123.5"),
        (1234.56, None, "1,235"),
        (-1234567.0, None, "−1,234,567"),
        (10**15, None, "1,000,000,000,000,000"),
        (-0.0001, None, "0.000"),
        (1e-300, None, "0.000"),
        (-0.4, 0, "0"),
        (-0.6, 0, "−1"),
        (-12.34, 1, "−12.3"),
        (1500.2, 0, "1,500"),
        (float("inf"), None, "∞"),
        (float("-inf"), 0, "−∞"),
        (float("nan"), None, UNKNOWN),
        (float("nan"), 1, UNKNOWN),
    ],
)
def test_numbers(value: Any, digits: int | None, shown: str):
    assert number(value, digits) == shown


@given(st.one_of(st.floats(), st.integers(-(10**30), 10**30)), st.one_of(st.none(), st.integers(0, 3)))
def test_any_number_can_be_shown(value: float, digits: int | None):
    found = number(value, digits)
    assert found and "-" not in found and "nan" not in found
    assert not found.startswith("−0") or any(digit in found for digit in "123456789"), "zero has no sign"


@pytest.mark.parametrize(
    ("ends", "digits", "shown"),
    [
        (None, None, UNKNOWN),
        ((None, None), None, UNKNOWN),
        ([None, None], None, UNKNOWN),
        ((None, 5), None, "≤ 5"),
        ((-5.5, None), None, "≥ −5.50"),
        ((-12.4, 13.6), 0, "−12 to 14"),
        ((0.5, 99.5), None, "0.5 to 99.5"),
        ((0.5, 150.25), None, "0.5 to 150.2"),
        ((0.9562, 1.01), None, "0.96 to 1.01"),
        ((1, 1.5), None, "1.0 to 1.5"),
        ((-3.0, 2000.0), None, "−3 to 2,000"),
        ((0.0, 0.0), None, "0 to 0"),
        ((-1e-9, 1e-9), None, "0.000 to 0.000"),
        ((float("-inf"), float("inf")), 0, "−∞ to ∞"),
    ],
)
def test_intervals(ends: Any, digits: int | None, shown: str):
    assert interval(ends, digits) == shown


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        ([853.6, 682, None], ["853.6", "682.0", UNKNOWN]),
        ([553.5, 75.67, 66], ["553.5", "75.7", "66.0"]),
        ([1330723.7, 975530, 240.6], ["1,330,724", "975,530", "241"]),
        ([2000.0, 0.25, -3], ["2,000.0", "0.2", "−3.0"]),
        ([0, 0.5, 1], ["0.0", "0.5", "1.0"]),
        ([0.12345, 0.5], ["0.123", "0.500"]),
        ([3, 7.0], ["3", "7"]),
        ([float("inf"), 1.25], ["∞", "1.25"]),
        ([], []),
    ],
)
def test_numbers_of_a_column_have_as_many_digits(column: list[float | None], shown: list[str]):
    digits = digits_of(column)
    assert [number(value, digits) for value in column] == shown


def test_points_stand_below_each_other():
    assert [number(value, digits, 2) for value, digits in ((0.25, 2), (7.5, 1), (975530, 0))] == [
        "0.25",
        "7.5\u2007",
        "975,530\u2008\u2007\u2007",
    ]
    assert number(None, 0, 2) == UNKNOWN


def test_prices_of_a_column_have_as_many_digits():
    prices = [None, 0.0, 0.00123, 1.5]
    assert [dollars(price, cents_of(prices)) for price in prices] == [UNKNOWN, "$0.0000", "$0.0012", "$1.5000"]
    assert [cents_of(prices) for prices in ([], [12.0], [1e-12])] == [2, 2, 6]


def test_ranks_and_shares_and_prices_and_durations():
    assert [ranks(rank) for rank in (None, (), (1, 1), [2, 5])] == [UNKNOWN, UNKNOWN, "1", "2–5"]
    assert [percent(share) for share in (None, 0.0, 0.125, 1.0)] == [UNKNOWN, "0 %", "12 %", "100 %"]
    assert percent(0.1234, 1) == "12.3 %"
    assert [dollars(price) for price in (None, 0, 0.25, 0.001234, 1.0, 1234.5)] == [
        UNKNOWN,
        "$0.00",
        "$0.25",
        "$0.00123",
        "$1.00",
        "$1,234.50",
    ]
    assert [seconds(time) for time in (None, 0.0, 1.234, 100.0, 12345.6)] == [
        UNKNOWN,
        "0.00 s",
        "1.23 s",
        "100.00 s",
        "12,345.60 s",
    ]


@pytest.mark.parametrize("when", [None, 0, 0.0, "", "yesterday", 1e20, -1e20, float("nan"), float("inf"), HOSTILE])
def test_times_that_are_none(when: Any):
    assert moment(when) == UNKNOWN


def test_times():
    then = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
    shown = '<time datetime="2025-03-04T05:06:07+00:00">2025-03-04 05:06</time>'
    assert moment(then.timestamp()) == moment(then.isoformat()) == moment("2025-03-04T06:06:07+01:00") == shown


def test_names_stand_on_one_line_and_are_cut():
    assert plain("  a\n b\tc  ") == "a b c"
    assert plain("a" * 120) == "a" * 120 and plain("a" * 121) == "a" * 120 + "…"
    assert plain("abcdef", 3) == "abc…" and plain(7) == "7"
    found = plain(HOSTILE, 1000)
    assert not set("\n\r\x00\x1b\u202e\u2028") & set(found) and "<script>" in found, "escaping is the template's"
    assert len(plain("\x00" * 10_000_000)) == 121
    assert words("topped_out") == "topped out"


def test_command_lines_are_escaped():
    assert command("a <b> & 'c'").endswith(">a &lt;b&gt; &amp; &#39;c&#39;</code>")


@pytest.mark.parametrize("live", [True, False])
def test_pages_escape_and_find_their_root(live: bool):
    context = {"title": HOSTILE, "text": HOSTILE, "hint": HOSTILE}
    page = Pages(live=live).page("problem.html", "runs/x/y.html", context).decode()
    assert "<script>alert" not in page and "<img" not in page and "&lt;script&gt;alert" in page
    assert 'href="../../static/site.css"' in page
    assert ("http-equiv" in page) == (not live), "what a server says by headers, files must say themselves"


def test_what_a_template_lacks_is_an_error():
    with pytest.raises(Exception, match="undefined"):
        Pages(live=True).page("problem.html", "x.html", {"title": "x"})
