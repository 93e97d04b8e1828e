"""What models and servers say, on a terminal: shown, never obeyed."""

import unicodedata


def printable(text: str) -> str:
    """Text that is safe to write to a terminal.

    Control characters (escape sequences among them), bidirectional overrides and other invisible format characters
    become visible escapes such as `\\x1b`; newlines and tabs stay.
    """
    return "".join(
        character
        if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        else character.encode("unicode_escape", "backslashreplace").decode("ascii")
        for character in text
    )


def quoted(text: str, longest: int = 300) -> str:
    """A server's words as they may stand in a message: printable, on one line, at most `longest` characters.

    Take secrets out first: what is left of one that was cut would no longer be found.
    """
    text = printable(" ".join(text[: 4 * longest].split()))
    return text if len(text) <= longest else text[:longest] + "…"
