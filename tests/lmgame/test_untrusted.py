import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from lmgame.untrusted import printable


def test_escape_sequences_and_bidi_tricks_become_visible():
    assert printable("\x1b[2Jgone") == "\\x1b[2Jgone"
    assert printable("a\u202eb\u200bc\u2066") == "a\\u202eb\\u200bc\\u2066"
    assert printable("\x9b31m") == "\\x9b31m"
    assert printable("two\nlines\tand ünïcode 漢字 🙂") == "two\nlines\tand ünïcode 漢字 🙂"
    assert printable("\ud800") == "\\ud800"


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str):
    shown = printable(text)
    assert all(c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") for c in shown)
    shown.encode()
