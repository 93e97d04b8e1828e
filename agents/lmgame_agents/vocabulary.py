"""The words of a card's moves, and how a list of moves is read out of a piece of text."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from lmgame_games import Control

MAX_COUNT = 1000
"""Repetitions of one move beyond which a list is too long for any card anyway."""

_MARKUP = re.compile(r"[`\"“”‘«»]|(?<!\w)['’]|['’](?!\w)|\\(?=[_*+])|\\text\{|\*+(?!\s*\d)")
_OTHER_UNIT = r"(?:x|×|times|m?s|milliseconds?|secs?|seconds?|tiles?|blocks?|steps?|columns?|rows?|px|pixels?)\b"
_DURATION = re.compile(
    r"(?:[ \t]*(?::|=|@|/|,|\(|\[|\bfor\b|\bhold\b|\bheld\b)){0,2}[ \t]*(-?\d+(?:\.\d+)?)[ \t]*(?:frames?|f)?(?!\w)"
    rf"(?![ \t]*{_OTHER_UNIT})[ \t]*[)\]]?",
    re.IGNORECASE,
)
_TIMES = re.compile(
    r"[ \t]*[(\[]?[ \t]*(?:[x×*][ \t]*(\d+)(?!\w)|(\d+)[ \t]*(?:x|×|times\b)|(twice)\b|(thrice)\b)[ \t]*[)\]]?",
    re.IGNORECASE,
)
_PREFIX = re.compile(r"(\d+)\s*[x×]\s*", re.IGNORECASE)
_GOES_ON = re.compile(r"\s{0,3}[+&]|[-_]\w")
"""What makes a name only the beginning of something longer, as in `right + z` or `left-hand`."""
_NUMBER = re.compile(r"[ \t]*(?::|=|@|for\b)?[ \t]*-?\d")
_SENTENCE = re.compile(r"[.!?]+(?=\s|$)")
_NUMBERING = r"(?<![^\s,])(?:(?:step|move)\s*)?\d{1,3}[.):](?=\s)"
_GAP = rf"[\s,;|>→⇒/\[\]{{}}()–—#•+-]|(?:(?:and\s+)?then|next|finally)\b|{_NUMBERING}"
_BETWEEN = re.compile(f"(?:{_GAP})*", re.IGNORECASE)
_BETWEEN_OR_AND = re.compile(f"(?:{_GAP}|and\\b)*", re.IGNORECASE)
_ASIDE = re.compile(r"[(–—#]|//|\s-\s")
_EXPLAINS = re.compile(
    r"(?:because|since|as|so|to|in|for|which|this|that|it|the|on|until|will|would|i|we|if|while|when|where|with)\b|:\s",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^,;\n()\[\]{}]{1,40}")


@dataclass(frozen=True, slots=True)
class Named:
    """One move as written: canonical name, duration if one was given, repetitions."""

    name: str
    frames: int | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text was read as: moves up to the first thing that is no move (`bad`), if there is one."""

    moves: tuple[Named, ...] = ()
    bad: str | None = None
    aside: bool = False
    """Whether words were passed over that explain a move."""


class Vocabulary:
    """Names, synonyms and combinations of a card's controls, in every case and spelling.

    A combination such as `right+a` may be written in any order and with synonyms of its parts (`jump + right`).
    """

    def __init__(self, controls: Iterable[Control], *, held: bool) -> None:
        self._held = held
        # Where buttons are held, `right and a` may mean both at once: not for a parser to decide.
        self._between = _BETWEEN if held else _BETWEEN_OR_AND
        self._words: dict[str, str] = {}
        self._combined: dict[frozenset[str], str] = {}
        self._combinations: dict[frozenset[str], str] = {}
        controls = tuple(controls)
        for control in controls:
            self._add(control.name, control.name)
        for control in controls:
            for synonym in control.synonyms:
                self._add(synonym, control.name)
        for control in controls:
            for part in control.name.split("+"):
                self._words.setdefault(_plain(part), part)
        parts = "|".join(_pattern(word) for word in sorted(self._spellings(controls), key=len, reverse=True))
        self._token = re.compile(rf"(?:{parts})(?:\s{{0,3}}[+&]\s{{0,3}}(?:{parts}))*", re.IGNORECASE)

    def name(self, written: str) -> str | None:
        """The canonical name of a move as written (without duration), or None."""
        plain = [_plain(part) for part in re.split(r"[+&]", written)]
        if (synonym := self._combined.get(frozenset(plain))) is not None:
            return synonym
        parts = [self._words.get(part) for part in plain]
        if len(parts) == 1:
            found = parts[0]
            return found if found is None else self._combinations.get(frozenset(found.split("+")))
        if None in parts:
            return None
        return self._combinations.get(frozenset("+".join(part for part in parts if part).split("+")))

    def read(self, text: str, *, most: int, one: bool = False) -> Reading:
        """Read a list of moves from the beginning of a text, up to `most` + 1 moves.

        Understands commas, arrows, bullets, numbering and bare spaces between moves; durations (`right+a:24`,
        `right for 24 frames`, `(right+a, 24)`); repetitions (`left x3`, `2x left`); explanations after a dash, in
        brackets or after words such as `because`, which are passed over up to the end of their line.

        Args:
            text: What to read.
            most: The card's limit.
            one: Whether blanks may not part moves, so that `rotate left` is never taken for two. They don't either
                where moves are held, unless behind a duration: `run right` may be one thing.
        """
        text = _MARKUP.sub("", text)
        moves: list[Named] = []
        total, position, begin, aside, ended = 0, 0, 0, False, False
        while total <= most:
            gap = self._between.match(text, position)
            start = gap.end() if gap else position
            if start >= len(text):
                break
            prefix = _PREFIX.match(text, start)
            token = self._token.match(text, prefix.end() if prefix else start)
            name = self.name(token[0]) if token and not _GOES_ON.match(text, token.end()) else None
            if token is None or name is None:
                rest = text[start:]
                if not rest.strip(" .…!?*_`>"):
                    break
                if ended or (moves and (_ASIDE.search(text[position:start]) or _EXPLAINS.match(rest))):
                    aside = True
                    line_end = text.find("\n", start)
                    if line_end < 0:
                        break
                    position, ended = line_end, False
                    continue
                return Reading(tuple(moves), _word(rest), aside)
            unclear = one or (self._held and moves and moves[-1].frames is None)
            if unclear and moves and not text[position:start].strip(" \t"):
                return Reading(tuple(moves[:-1]), text[begin : token.end()], aside)
            begin = start
            position, frames, count = self._suffix(text, token.end())
            if frames is None and _NUMBER.match(text, position):
                return Reading(tuple(moves), _word(text[start:]), aside)
            if prefix:
                count *= _whole(prefix[1])
            if frames is not None and frames != int(frames):
                return Reading(tuple(moves), text[start:position].strip(), aside)
            count = max(1, min(count, MAX_COUNT))
            moves.append(Named(name, None if frames is None else int(frames), count))
            total += count
            sentence = _SENTENCE.match(text, position)
            ended = sentence is not None
            position = sentence.end() if sentence else position
        return Reading(tuple(moves), None, aside)

    def _suffix(self, text: str, position: int) -> tuple[int, float | None, int]:
        """Where what follows a move's name ends, with the duration and the repetitions it gives."""
        frames, count = None, 1
        for _ in range(2):
            if times := _TIMES.match(text, position):
                count = 2 if times[3] else 3 if times[4] else _whole(times[1] or times[2])
                position = times.end()
            elif frames is None and (duration := _DURATION.match(text, position)):
                frames = float(duration[1]) if len(duration[1]) < 16 else 1e15
                position = duration.end()
        return position, frames, count

    def _add(self, written: str, name: str) -> None:
        parts = [_plain(part) for part in written.split("+")]
        if len(parts) == 1:
            self._words.setdefault(parts[0], name)
        else:
            self._combined.setdefault(frozenset(parts), name)
        if written == name:
            self._combinations[frozenset(name.split("+"))] = name

    def _spellings(self, controls: Iterable[Control]) -> set[str]:
        written = {text for control in controls for text in (control.name, *control.synonyms)}
        return {part.strip().lower() for text in written for part in text.split("+") if part.strip()}


@lru_cache(maxsize=64)
def vocabulary(controls: tuple[Control, ...], held: bool) -> Vocabulary:
    """The vocabulary of these controls; `held` says whether moves have durations."""
    return Vocabulary(controls, held=held)


def _plain(word: str) -> str:
    return re.sub(r"[\s_-]+", "", word).lower()


def _pattern(word: str) -> str:
    """A regular expression for a word, its parts joined by anything or nothing."""
    pieces = [re.escape(piece) for piece in re.split(r"[\s_-]+", word) if piece] or [re.escape(word)]
    before = r"(?<!\w)" if word[0].isalnum() else ""
    after = r"(?![^\W\d])" if word[-1].isalpha() else r"(?!\w)" if word[-1].isdigit() else ""
    return before + r"[\s_-]{0,3}".join(pieces) + after


def _word(text: str) -> str:
    """The beginning of a text up to what parts moves, to be named in a message."""
    word = _WORD.match(text)
    return (word[0] if word else text[:40]).strip()


def _whole(digits: str) -> int:
    return int(digits) if len(digits) < 6 else MAX_COUNT
