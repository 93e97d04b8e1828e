"""Words of models and servers, made fit to be shown."""

from hypothesis import given
from hypothesis import strategies as st

from lmgame_common import printable, quoted


def test_what_acts_on_a_terminal_becomes_visible() -> None:
    assert printable("\x1b[2J\x9b31m\u202e\ud800\n\t漢🙂") == "\\x1b[2J\\x9b31m\\u202e\\ud800\n\t漢🙂"


def test_a_quotation_is_one_line_and_cut() -> None:
    assert quoted(" a\r\n\tb\x07 ") == "a b\\x07"
    assert quoted("x" * 400) == "x" * 300 + "…"
    assert quoted("x" * 400, 5) == "xxxxx…"


@given(st.text(st.characters(), max_size=50), st.integers(1, 60))
def test_any_quotation_can_be_written_anywhere(text: str, longest: int) -> None:
    shown = quoted(text, longest)
    assert "\n" not in shown and printable(shown) == shown
    assert len(shown.encode().decode()) <= longest + 1
