"""What models and servers say, on a terminal: shown, never obeyed."""

import re
import unicodedata
from functools import lru_cache


def printable(text: str) -> str:
    """Text that is safe to write to a terminal.

    Control characters (escape sequences among them), bidirectional overrides and other invisible format characters
    become visible escapes such as `\\x1b`; newlines and tabs stay.
    """
    return _UNUSUAL.sub(lambda found: _shown(found[0]), text)


_UNUSUAL = re.compile(r"[^\x20-\x7e\n\t]")


@lru_cache(4096)
def _shown(character: str) -> str:
    if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def quoted(text: str, longest: int = 300) -> str:
    """A server's words as they may stand in a message: printable, on one line, at most `longest` characters.

    Take secrets out first: what is left of one that was cut would no longer be found.
    """
    text = printable(" ".join(text[: 4 * longest].split()))
    return text if len(text) <= longest else text[:longest] + "…"
