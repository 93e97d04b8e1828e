"""What an engine's log says: how far a start is, and why one failed.

vLLM's processes write into one log, each line with the name of its process (`(EngineCore pid=909) `) and, if it was
logged, a level, a date and a place in the source. An engine that can't start ends in several tracebacks: that of the
process where it happened, and those of all who waited for it and know nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from lmgame_common import quoted

MOST_LINES = 12
LONGEST_LINE = 400
"""Characters."""
_HEADER = "==== lmgame starts "
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PROCESS = re.compile(r"^(?:\(([\w.-]+) pid=(\d+)\) )+")
_LOGGED = re.compile(r"^(DEBUG|INFO|WARNING|ERROR|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d \[[^\]]*\] ?")
_TRACEBACK = "Traceback (most recent call last):"
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
_FATAL = re.compile(r"(?:EngineCore|WorkerProc)\b.*(?:failed to start|fatal error|hit an exception)")
_KNOWS_NOTHING = re.compile(
    r"Engine core initialization failed|EngineDeadError|WorkerProc initialization failed|^Exception: WorkerProc|"
    r"Executor failed|stack trace above|SystemExit|KeyboardInterrupt|Engine core process \S+ died|CancelledError|"
    r"Error in chat completion|resource_tracker|^\s*warnings\.warn"
)
"""Of exceptions that tell of a failure elsewhere."""
_PLAIN = re.compile(
    r": error: |^(?:ERROR|CRITICAL)\b|Fatal Python error|No module named|can't be started|Segmentation fault|"
    r"^Killed|terminate called|what\(\):|Cannot re-initialize CUDA|Address already in use|Permission denied"
)
"""Of lines that tell of a failure without a traceback."""
_ENDS = re.compile(rf"\s*$|{re.escape(_TRACEBACK)}|During handling|The above exception|[A-Z]+: |\[|Process \w+:")
"""Of lines that are no more of an exception's words."""
_NOISE = re.compile(r"^\s*For further information visit |^\s*$|^\s*[\^~]+\s*$")
_DIED = re.compile(r"engine core exited unexpectedly")
"""Of logs where the process that has the model ended, and others noticed."""
_LAST_WORDS = re.compile(
    r"Fatal Python error|Segmentation fault|^Killed|terminate called|what\(\):|CUDA error|Bus error"
)
_STARTED = "Application startup complete"
_STAGES = (
    (r"non-default args", "reading the model's configuration"),
    (r"Resolved architecture", "starting the engine's processes"),
    (r"Initializing a V1 LLM engine", "starting the engine's processes"),
    (r"Loading model from scratch|Starting to load model", "loading weights"),
    (r"Loading \w+ checkpoint shards:\s+(\d+%)", "loading weights"),
    (r"\.safetensors:\s+(\d+%)", "downloading weights"),
    (r"Model loading took", "measuring memory"),
    (r"Using cache directory|Dynamo bytecode transform|Compiling a graph", "compiling"),
    (r"GPU KV cache size|CPU KV cache size", "warming up"),
    (r"Capturing CUDA graphs[^:]*:\s+(\d+%)", "capturing CUDA graphs"),
    (r"Graph capturing finished", "warming up"),
    (r"init engine \(profile", "starting the HTTP server"),
    (_STARTED, "up"),
)
"""What a log's line says, and how far the start is then; the last one in a log counts."""


def header(name: str, command: str, now: datetime) -> bytes:
    """The line that begins a start's part of a log."""
    return f"{_HEADER}{name} at {now.isoformat(timespec='seconds')}: {command}\n".encode(errors="backslashreplace")


def last_start(text: str) -> str:
    """What a log has of the last start in it."""
    return text[max(0, text.rfind(_HEADER)) :]


def stage(text: str) -> str:
    """How far a start is, in a few words such as `capturing CUDA graphs 45%`."""
    found = [
        (match.start(), name, match.group(1) if match.re.groups else None)
        for pattern, name in _STAGES
        for match in re.finditer(pattern, last_start(text))
    ]
    _, name, share = max(found, default=(0, "starting", None), key=lambda each: each[0])
    return f"{name} {share}" if share else name


@dataclass
class _Failure:
    """A traceback: what it ends with, and what was raised while it was handled."""

    fatal: bool
    """vLLM says of it that it ended a process."""
    harmless: bool = False
    """It was logged as no error."""
    lines: list[str] = field(default_factory=list)
    """The exceptions' own, the first one's first."""
    frame: list[str] = field(default_factory=list)
    """The last place that it went through."""

    @property
    def knows_nothing(self) -> bool:
        """Whether it tells only of a failure elsewhere."""
        return not self.lines or all(_KNOWS_NOTHING.search(line) for line in self.lines if not line.startswith(" "))

    def told(self) -> list[str]:
        """The lines to show. An exception without words is told with the place that it comes from."""
        bare = len(self.lines) == 1 and ":" not in self.lines[0].rstrip(":")
        return [*(self.frame[-2:] if bare else []), *self.lines]


def root_cause(text: str) -> list[str]:
    """The lines of a log that say why its last start failed, or why it ended later; at most MOST_LINES, printable.

    Empty if the log is, and the last lines where nothing in it looks like a failure.
    """
    text = last_start(text)
    lines = [line for line in _lines(text) if not line.text.startswith(_HEADER)]
    failures = [each for each in _failures(lines) if not each.harmless]
    telling = [each for each in failures if not each.knows_nothing] or failures
    fatal = [each for each in telling if each.fatal]
    plain = [line.text for line in lines if line.is_plain_failure]
    if fatal:
        found = fatal[0].told()
    elif telling and not all(each.knows_nothing for each in telling):
        # Of a server that ran, earlier tracebacks may be of requests that failed.
        found = telling[-1 if _STARTED in text else 0].told()
    elif _DIED.search(text):
        last_words = [line for line in plain if _LAST_WORDS.search(line)]
        found = last_words[-MOST_LINES:] or ["Its EngineCore ended without a word: killed, or out of memory?"]
    elif plain:
        found = plain[-MOST_LINES:]
    elif telling:
        found = telling[0].told()
    else:
        found = [line.text for line in lines if not _NOISE.match(line.text)][-5:]
    kept = [quoted(line.rstrip(), LONGEST_LINE) for line in found if not _NOISE.match(line)]
    return list(dict.fromkeys(kept))[:MOST_LINES]


@dataclass(frozen=True)
class _Line:
    process: str
    level: str | None
    text: str

    @property
    def is_plain_failure(self) -> bool:
        """Whether it tells of a failure, and is no part of a traceback."""
        logged = self.level in ("ERROR", "CRITICAL") and not self.text.startswith((" ", _TRACEBACK))
        return (logged or _PLAIN.search(self.text) is not None) and not _KNOWS_NOTHING.search(self.text)


def _lines(text: str) -> Iterator[_Line]:
    """A log's lines without what stands before their words. What a progress bar overwrote is left out."""
    for raw in _COLOUR.sub("", text).split("\n"):
        line = raw.rpartition("\r")[2]
        process = ""
        if match := _PROCESS.match(line):
            process, line = f"{match[1]} {match[2]}", line[match.end() :]
        level = None
        if match := _LOGGED.match(line):
            level, line = match[1], line[match.end() :]
        yield _Line(process, level, line)


def _failures(lines: list[_Line]) -> list[_Failure]:
    """All tracebacks of a log, in the order in which they begin; chained ones are one failure."""
    processes: dict[str, list[tuple[int, _Line]]] = {}
    for number, line in enumerate(lines):
        processes.setdefault(line.process, []).append((number, line))
    found = [each for numbered in processes.values() for each in _failures_of_one(numbered)]
    return [failure for _, failure in sorted(found, key=lambda each: each[0])]


def _failures_of_one(numbered: list[tuple[int, _Line]]) -> Iterator[tuple[int, _Failure]]:
    """The tracebacks of one process, each with the number of the line that it begins at."""
    lines = [line for _, line in numbered]
    at = 0
    while at < len(lines):
        if lines[at].text.strip() != _TRACEBACK:
            at += 1
            continue
        start, level = at, lines[at].level
        fatal = any(_FATAL.search(line.text) for line in lines[max(0, at - 3) : at])
        failure = _Failure(fatal, harmless=level in ("DEBUG", "INFO", "WARNING"))
        while at < len(lines) and lines[at].text.strip() == _TRACEBACK:
            at = _read_traceback(lines, at + 1, failure)
            after = next((n for n in range(at, len(lines)) if lines[n].text.strip()), len(lines))
            if after == len(lines) or not lines[after].text.startswith(_CHAINED):
                break
            at = next((n for n in range(after + 1, len(lines)) if lines[n].text.strip()), len(lines))
        yield numbered[start][0], failure


def _read_traceback(lines: list[_Line], at: int, failure: _Failure) -> int:
    """Read one traceback from behind its first line. Returns where it ends."""
    level = lines[at - 1].level
    failure.frame = []
    while at < len(lines) and lines[at].text.startswith(" "):
        failure.frame += [] if _NOISE.match(lines[at].text) else [lines[at].text.strip()]
        at += 1
    while at < len(lines) and lines[at].level == level and not _ENDS.match(lines[at].text):
        failure.lines.append(lines[at].text)
        at += 1
    return at
