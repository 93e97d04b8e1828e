"""Reads moves out of a model's answer: liberal in what it takes, strict in what it returns.

Moves are taken from JSON, from behind a marker (`move: left, left`), from a fenced block or from an answer that is
nothing but moves; never from prose, and nothing is ever executed. Work is bounded whatever the answer.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lmgame_agents.core import Verdict
from lmgame_agents.vocabulary import Named, Reading, Vocabulary, vocabulary
from lmgame_games import Card, Move

_LONGEST_TEXT = 1_000_000
"""Characters kept of an answer, the last ones; no token limit in use comes near."""
_LONGEST = 65_536
"""Characters read from an answer's end; the last complete candidate wins, so the beginning can be left out."""
_PAYLOAD = 4_000
"""Most characters of one list of moves behind a marker."""
_MOST_STARTS = 400
"""Most places tried for JSON, the last ones."""
_MOST_MARKERS = 100
"""Most markers looked at, the last ones."""

_THINK = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_FINAL_CHANNEL = "<|channel|>final<|message|>"
_JSON_START = re.compile(r"[{\[](?=\s{0,200}[\"'{\[])")
_FENCE = re.compile(rf"```[\w-]{{0,20}}[ \t]*\n?(.{{0,{_PAYLOAD}}}?)```", re.DOTALL)
_MARKER = re.compile(
    r"(?:(?<!\w)(?:moves?|actions?|answer)(?:\s(?:list|sequence))?\s{0,2}#?(?P<number>\d{0,3})[\"'`*_\]”’]{0,4}\s{0,3}(?:[:=]|->|→)"
    r"|(?P<tag><)(?:moves?|actions?|answer)>|(?P<boxed>\\boxed\s?\{))[ \t]{0,20}",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"(?:legal|available|possible|valid|allowed|illegal|previous|last|example|earlier|old|your)[\s*_\"'(]*$",
    re.IGNORECASE,
)
"""Words before a marker that show it to be about moves, no answer."""
_LINE_START = re.compile(
    r"[\s>*#_`\"'“‘{•-]{0,20}(?:(?:so|my|final|next|best|chosen)\b[\s,*]{0,3}){0,3}", re.IGNORECASE
)
"""What may stand between the beginning of a line and a marker."""
_BULLET = re.compile(r"\s*(?:[-*•+]|\d{1,3}[.)])\s+\S")
_PLAIN_LIST = re.compile(r"[\w+:.-]+(?:\s*[,;\n]\s*[\w+:.-]+)*\W*", re.UNICODE)

_LIST_KEYS = (
    "moves",
    "move",
    "actions",
    "action",
    "answer",
    "buttons",
    "button",
    "keys",
    "inputs",
    "input",
    "sequence",
)
_NAME_KEYS = (
    "move",
    "name",
    "action",
    "buttons",
    "button",
    "keys",
    "key",
    "input",
    "control",
    "combination",
    "button_combination",
    "type",
)
_FRAME_KEYS = ("frames", "frame", "duration", "hold", "hold_frames", "duration_frames", "length")
_COUNT_KEYS = ("times", "count", "repeat", "repeats", "repetitions")


@dataclass(frozen=True, slots=True)
class Parsed:
    """An answer as it was read.

    Attributes:
        moves: What can be played: all moves of a good answer, those before the fault of an illegal one.
        verdict: `ok`, `illegal`, `unparsable`, or `truncated` (for a thought that never ended).
        problem: Why the answer couldn't be used, in words for the model; None for `ok`.
        thought: What stood in `<think>` blocks, or None.
        answer: The text without them.
    """

    moves: tuple[Move, ...]
    verdict: Verdict
    problem: str | None = None
    thought: str | None = None
    answer: str = ""


@dataclass(frozen=True, slots=True)
class _Candidate:
    rank: int
    """3: JSON with a key, or behind a marker that begins a line; 2: behind one amid a line, as in explanations; 1: a
    bare list; 0: behind a marker, but beginning with no move."""
    start: int
    reading: Reading
    number: int | None = None


def parse_answer(text: str, card: Card, *, legal_moves: tuple[str, ...] | None = None) -> Parsed:
    """Read a model's answer.

    Args:
        text: The answer as it came.
        card: Whose moves, synonyms, durations and limits hold.
        legal_moves: Names of the moves possible right now, where that depends on the state of the game.
    """
    thought, answer, open_thought = split_thought(text[-_LONGEST_TEXT:])
    read = answer[-_LONGEST:]
    best = _best(read, card)
    if best is not None:
        moves, problem = _check(best, card, legal_moves)
        if moves or problem:
            return Parsed(moves, Verdict.ILLEGAL if problem else Verdict.OK, problem, thought, answer)
    if open_thought:
        problem = "Your thinking did not come to its end, so there was no answer. Think less and answer."
        return Parsed((), Verdict.TRUNCATED, problem, thought, answer)
    return Parsed((), Verdict.UNPARSABLE, _why_unreadable(read, thought, card), thought, answer)


def split_thought(text: str) -> tuple[str | None, str, bool]:
    """Thought, answer, and whether the thought is without an end.

    Knows `<think>` and its kin, an opening tag left out (as chat templates that write it themselves do), and the
    channels of gpt-oss.
    """
    final = text.rfind(_FINAL_CHANNEL)
    if final >= 0:
        answer = text[final + len(_FINAL_CHANNEL) :].partition("<|")[0]
        return text[:final].strip() or None, answer.strip(), False
    tags = list(_THINK.finditer(text))
    if not tags:
        return None, text.strip(), False
    closing = [tag for tag in tags if tag[1]]
    after = closing[-1].end() if closing else 0
    reopened = next((tag for tag in tags if not tag[1] and tag.start() >= after), None)
    end = reopened.start() if reopened else len(text)
    before = text[: closing[-1].start()] if closing else ""
    thought = _THINK.sub("", before + (text[reopened.end() :] if reopened else "")).strip()
    return thought or None, text[after:end].strip(), reopened is not None


def _best(text: str, card: Card) -> Reading | None:
    """The reading of the last complete candidate of the highest rank, or None."""
    words = vocabulary(card.controls, card.hold is not None)
    candidates, spans = _json_candidates(text, card, words)
    candidates += _marked(text, spans, card, words)
    strong = any(candidate.rank >= 2 for candidate in candidates)
    if not strong and "{" in text:
        candidates += _json_candidates(_repair(text), card, words)[0]
    if not strong:
        candidates += _bare(text, card, words)
    if not candidates:
        return None
    return max(candidates, key=lambda candidate: (candidate.rank, candidate.start)).reading


def _bare(text: str, card: Card, words: Vocabulary) -> Iterator[_Candidate]:
    """Candidates that are nothing but moves: the whole text, and fenced blocks."""
    for fence in _FENCE.finditer(text):
        if (reading := _only_moves(fence[1], card, words)) is not None:
            yield _Candidate(1, fence.start(), reading)
    if len(text) <= _PAYLOAD and (reading := _only_moves(text.strip("` \n"), card, words)) is not None:
        yield _Candidate(1, 0, reading)


def _json_candidates(text: str, card: Card, words: Vocabulary) -> tuple[list[_Candidate], list[tuple[int, int]]]:
    """Candidates in JSON, and the spans of all JSON found."""
    found: list[_Candidate] = []
    spans: list[tuple[int, int]] = []
    decoder, end = json.JSONDecoder(), len(text.rstrip())
    starts = [match.start() for match in _JSON_START.finditer(text)]
    for start in starts[-_MOST_STARTS:]:
        if spans and start < spans[-1][1]:
            continue
        try:
            value, stop = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            if error.pos >= end or error.msg.startswith("Unterminated"):
                break  # cut off: what stands in it is part of something incomplete
            continue
        except (ValueError, RecursionError):
            continue
        spans.append((start, stop))
        keyed = _keyed(value)
        reading = None if keyed is None else _reading(keyed, card, words)
        if reading is not None and (reading.moves or reading.bad):
            strong = isinstance(value, dict) or any(isinstance(item, dict) for item in value)
            found.append(_Candidate(3 if strong else 1, start, reading))
    return found, spans


def _keyed(value: Any, depth: int = 0) -> Any:
    """The part of a JSON value that holds moves: under a known key, or a list of strings, lists or objects; or None."""
    if isinstance(value, list):
        return value if value and all(isinstance(item, str | dict | list) for item in value) else None
    if not isinstance(value, dict) or depth > 4:
        return None
    lower = {str(key).strip().lower(): item for key, item in value.items()}
    if _get(lower, _FRAME_KEYS) is not None and isinstance(_get(lower, _NAME_KEYS), str | list):
        return [value]
    for key in _LIST_KEYS:
        item = lower.get(key)
        if isinstance(item, str | list) and item:
            return item
        if isinstance(item, dict) and (inner := _keyed(item, depth + 1)) is not None:
            return inner
    inner = [found for item in value.values() if isinstance(item, dict) and (found := _keyed(item, depth + 1))]
    return inner[-1] if inner else None


def _reading(value: Any, card: Card, words: Vocabulary) -> Reading:
    """Read what JSON has under a key: a string, a list of strings, or a list of objects."""
    if isinstance(value, str):
        return words.read(value[:_PAYLOAD], most=card.max_moves)
    moves: list[Named] = []
    for item in value:
        if sum(move.count for move in moves) > card.max_moves:
            break
        reading = _item(item, card, words)
        moves += reading.moves
        if reading.bad is not None:
            return Reading(tuple(moves), reading.bad)
    return Reading(tuple(moves))


def _item(item: Any, card: Card, words: Vocabulary) -> Reading:
    """Read one element of a list of moves."""
    if isinstance(item, dict):
        item = {str(key).strip().lower(): value for key, value in item.items()}
        name = _get(item, _NAME_KEYS)
        frames, count = _get(item, _FRAME_KEYS), _get(item, _COUNT_KEYS)
        if name is None and len(item) == 1:
            name, frames = next(iter(item.items()))
    else:
        name, frames, count = item, None, None
        if isinstance(item, list) and len(item) == 2 and isinstance(item[-1], int | float):
            name, frames = item
    if isinstance(name, list) and name and all(isinstance(part, str) for part in name):
        name = "+".join(name)
    if not isinstance(name, str):
        return Reading((), _shown(item))
    reading = words.read(name[:_PAYLOAD], most=card.max_moves, one=True)
    if not reading.moves:
        return Reading((), reading.bad or _shown(name))
    if frames is None and count is None:
        return reading
    held, times = _number(frames), _number(count)
    if len(reading.moves) != 1 or (frames is not None and held is None) or (count is not None and (times or 0) < 1):
        return Reading((), _shown(item))
    (move,) = reading.moves
    return Reading((Named(move.name, move.frames if held is None else held, times or move.count),), reading.bad)


def _marked(text: str, spans: list[tuple[int, int]], card: Card, words: Vocabulary) -> Iterator[_Candidate]:
    """Candidates behind markers; lines numbered one after the other (`Move 1: …`, `Move 2: …`) are one candidate."""
    previous: _Candidate | None = None
    for marker in list(_MARKER.finditer(text))[-_MOST_MARKERS:]:
        if any(start <= marker.start() < stop for start, stop in spans):
            continue
        if _ABOUT.search(text[max(0, marker.start() - 20) : marker.start()]):
            continue
        rest = text[marker.end() : marker.end() + _PAYLOAD]
        if marker["tag"]:
            payload = rest.partition("</")[0]
        elif marker["boxed"]:
            payload = rest.partition("\n")[0].rstrip().rstrip("$.").removesuffix("}")
        else:
            payload = _payload(rest)
        if payload is None:
            if text[marker.start() - 1 : marker.start()] in ("'", '"'):
                break  # a key of JSON that was cut off: what follows stands inside of its list
            continue
        reading = words.read(payload, most=card.max_moves)
        if not reading.moves and (reading.bad is None or len(reading.bad.split()) > 4):
            continue
        number = int(marker["number"]) if marker["number"] else None
        if previous and previous.number and number == previous.number + 1 and previous.reading.bad is None:
            reading = Reading(previous.reading.moves + reading.moves, reading.bad)
        begins = marker["tag"] or marker["boxed"] or _begins_line(text, marker.start())
        previous = _Candidate((3 if begins else 2) if reading.moves else 0, marker.start(), reading, number)
        yield previous


def _begins_line(text: str, position: int) -> bool:
    """Whether nothing but markup and words such as `final` stands before a position in its line."""
    return _LINE_START.fullmatch(text[text.rfind("\n", 0, position) + 1 : position][:61]) is not None


def _payload(rest: str) -> str | None:
    """What belongs to a marker: a bracketed list, the rest of its line, or the lines below it. None: never closed."""
    bare = rest.lstrip(" *_`\"'“‘\n")
    if bare.startswith("["):
        depth = 0
        for index, character in enumerate(bare):
            depth += (character == "[") - (character == "]")
            if depth == 0:
                return bare[1:index]
        return None
    line, _, below = rest.partition("\n")
    line = line.partition("<")[0]
    if line.strip(" *_`\"'“‘"):
        return line
    lines = below.lstrip("\n").split("\n")
    if lines and lines[0].startswith("```"):
        return "\n".join(lines[1:]).partition("```")[0]
    listed = []
    for candidate in lines:
        if not _BULLET.match(candidate):
            break
        listed.append(candidate)
    return "\n".join(listed) if listed else lines[0].partition("<")[0]


def _only_moves(text: str, card: Card, words: Vocabulary) -> Reading | None:
    """The reading of a text that is nothing but a list of moves; None for any other."""
    if not text.strip():
        return None
    reading = words.read(text, most=card.max_moves)
    if not reading.moves or reading.aside or (reading.bad is not None and not _PLAIN_LIST.fullmatch(text.strip())):
        return None
    return reading


def _check(reading: Reading, card: Card, legal_moves: tuple[str, ...] | None) -> tuple[tuple[Move, ...], str | None]:
    """The moves of a reading that can be played, and what is wrong with the first that can't."""
    moves: list[Move] = []
    for named in reading.moves:
        frames = named.frames
        if frames is None and card.hold is not None:
            frames = card.default_hold
        move = Move(named.name, frames)
        problem = card.problem(move)
        if problem is None and legal_moves is not None and named.name not in legal_moves:
            problem = f"{named.name!r} is not possible now; possible are {', '.join(legal_moves)}."
        if problem is not None:
            return tuple(moves), problem
        for _ in range(named.count):
            if len(moves) == card.max_moves:
                many = f"{card.max_moves} moves are" if card.max_moves > 1 else "one move is"
                return tuple(moves), f"An answer has too many moves: at most {many} possible. The first were played."
            moves.append(move)
    if reading.bad is not None:
        return tuple(moves), card.problem(Move(reading.bad[:40]))
    return tuple(moves), None


def _why_unreadable(text: str, thought: str | None, card: Card) -> str:
    example = f"Answer like this: {card.answers[0]}" if card.answers else ""
    if not text:
        why = "After the thinking there was no answer." if thought else "The answer was empty."
    elif re.search(r"moves?[\"']?\s*:\s*\[\s*\]", text, re.IGNORECASE):
        why = "The list of moves was empty; it needs at least one."
    elif re.search(r"moves?[\"']?\s*:\s*\[[^\]]*$", text, re.IGNORECASE):
        why = "The list of moves was not finished."
    else:
        why = "No moves were found in the answer."
    return f"{why} {example}".strip()


def _repair(text: str) -> str:
    """Python's quotes and trailing commas made JSON's; comments taken out."""
    text = re.sub(r"(?m)(?<!:)//[^\n\"]*$", "", text)
    return re.sub(r",(?=\s{0,200}[\]}])", "", text.replace("'", '"') if '"' not in text else text)


def _get(item: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((item[key] for key in keys if item.get(key) is not None), None)


def _number(value: Any) -> int | None:
    """A whole number given as such, as a float or as text (`"24"`, `"24 frames"`); None for anything else."""
    if isinstance(value, str) and (match := re.fullmatch(r"\s*(\d{1,9})\s*(?:frames?|f)?\s*", value, re.IGNORECASE)):
        return int(match[1])
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if abs(value) < 1e9 and value == int(value) else None


def _shown(value: Any) -> str:
    return value[:40] if isinstance(value, str) else repr(value)[:40]
