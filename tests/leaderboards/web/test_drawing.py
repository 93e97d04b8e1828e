"""Intervals as small pictures."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmgame_leaderboards.web.drawing import HEIGHT, MARGIN, TIP, WIDTH, Scale, drawn_interval

from .builders import HOSTILE

finite = st.floats(allow_nan=False, allow_infinity=False)


def elements(drawn: str, kind: str) -> list[dict[str, str]]:
    return [found.attrib for found in ElementTree.fromstring(drawn).iter(kind)]


def test_a_scale_spans_its_values():
    scale = Scale([3.0, None, -1.0, 1.0])
    assert (scale.at(-1.0), scale.at(1.0), scale.at(3.0)) == (MARGIN, WIDTH / 2, WIDTH - MARGIN)
    assert (scale.at(-100.0), scale.at(100.0)) == (MARGIN, WIDTH - MARGIN)


@pytest.mark.parametrize("values", [[], [None], [0.0], [5.0, 5.0], [1e300], [-1e300, -1e300], [1e-300], [2.0**53]])
def test_a_scale_of_one_value_or_none(values: list[float | None]):
    known = [value for value in values if value is not None]
    assert MARGIN <= Scale(values).at(0.0) <= WIDTH - MARGIN
    if known:
        assert Scale(values).at(known[0]) == WIDTH / 2


@given(st.lists(finite, max_size=5), finite)
def test_everything_has_a_place(values: list[float], value: float):
    scale = Scale(values)
    places = [scale.at(one) for one in sorted([*values, value])]
    assert all(MARGIN <= place <= WIDTH - MARGIN for place in places)
    assert places == sorted(places)


def test_an_interval_runs_from_end_to_end():
    scale = Scale([0.0, 10.0])
    drawn = drawn_interval(5.0, (2.0, 8.0), scale, told="in words")
    span, *ends = elements(drawn, "line")
    assert (float(span["x1"]), float(span["x2"])) == (scale.at(2.0), scale.at(8.0))
    assert [float(end["x1"]) for end in ends] == [scale.at(2.0), scale.at(8.0)]
    (point,) = elements(drawn, "circle")
    assert float(point["cx"]) == scale.at(5.0)
    assert "<title>in words</title>" in drawn


@pytest.mark.parametrize(("ends", "arrows"), [((None, 8.0), 1), ((2.0, None), 1), ((None, None), 2)])
def test_an_end_that_is_not_known_runs_to_the_edge(ends: tuple[float | None, float | None], arrows: int):
    scale = Scale([0.0, 10.0])
    span, *others = elements(drawn_interval(5.0, ends, scale), "line")
    low, high = ends
    assert float(span["x1"]) == (TIP if low is None else scale.at(low))
    assert float(span["x2"]) == (WIDTH - TIP if high is None else scale.at(high))
    slanted = [one for one in others if one["x1"] != one["x2"]]
    assert len(slanted) == 2 * arrows and len(others) == 2 + arrows
    for one in slanted:
        # They point outwards: their tip, on the middle line, is the outermost place.
        x1, x2 = float(one["x1"]), float(one["x2"])
        assert float(one["y2"]) == HEIGHT / 2 and (x2 < x1 if x2 < WIDTH / 2 else x2 > x1)


@pytest.mark.parametrize(("value", "ends"), [(10.0, (2.0, None)), (0.0, (None, 8.0))])
def test_the_arrow_of_who_leads_is_not_covered_by_the_point(value: float, ends: tuple[float | None, float | None]):
    drawn = drawn_interval(value, ends, Scale([0.0, 10.0]))
    (point,) = elements(drawn, "circle")
    heads = [one for one in elements(drawn, "line") if one["x1"] != one["x2"] and one["y1"] != one["y2"]]
    assert len(heads) == 2
    assert all(abs(float(one["x1"]) - float(point["cx"])) > float(point["r"]) for one in heads)


def test_a_point_alone_and_nothing_at_all():
    scale = Scale([0.0, 1.0])
    assert len(elements(drawn_interval(0.5, None, scale), "circle")) == 1
    assert not elements(drawn_interval(0.5, None, scale), "line")
    nothing = drawn_interval(None, (0.0, 1.0), scale, [("mark", 0.5)])
    assert not elements(nothing, "circle") and [mark["class"] for mark in elements(nothing, "line")] == ["mark"]


@pytest.mark.parametrize("text", [HOSTILE.replace("\x00", "").replace("\x1b", ""), "</title></svg><script>"])
def test_names_are_escaped(text: str):
    drawn = drawn_interval(0.5, None, Scale([0.0, 1.0]), [(text, 0.5)], told=text)
    tree = ElementTree.fromstring(drawn)
    assert {one.tag for one in tree.iter()} == {"svg", "title", "line", "circle"}
    assert [title.text for title in tree.iter("title")] == [re.sub(r"\r\n?", "\n", text)] * 2


@given(finite, st.tuples(st.none() | finite, st.none() | finite), st.lists(finite, max_size=3))
def test_it_stays_within_its_picture(value: float, ends: tuple[float | None, float | None], others: list[float]):
    scale = Scale([value, *ends, *others])
    drawn = drawn_interval(value, ends, scale)
    places = [float(one[key]) for one in elements(drawn, "line") for key in ("x1", "x2")]
    assert all(0 <= place <= WIDTH for place in places)
    assert "nan" not in drawn and "inf" not in drawn.replace("interval", "")
