"""A record as the player in the browser takes it: an index of all decisions, and their words in parts.

All of it is text that models and servers have written, or may be: it leaves here printable and cut to a length, and the
browser shows it as text, never as markup.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from lmgame_common import RecordError, printable
from lmgame_leaderboards.records import EpisodeLog
from lmgame_leaderboards.schema import PlayerRecord, numbered
from lmgame_leaderboards.web.projection import PART, parts_of

LONGEST = 20_000
"""Characters of one text that a page shows; models may answer with megabytes."""
LONGEST_MOVES = 200
"""Moves of one decision that the index names."""


def shown(text: str | None, longest: int = LONGEST) -> str | None:
    """A text as a page may show it: printable, and not longer than a page bears."""
    if text is None:
        return None
    if len(text) <= longest:
        return printable(text)
    return f"{printable(text[:longest])}\n… {len(text) - longest:,} more characters"


def names_of(log: EpisodeLog) -> list[str]:
    """Who plays, by seat; told apart by a number where both are called the same."""
    return numbered([printable(player.name)[:200] for player in players_of(log)])


def players_of(log: EpisodeLog) -> list[PlayerRecord]:
    """Who plays, by seat. Raises RecordError where the header doesn't tell."""
    header = log.header
    try:
        if seats := header.get("seats"):
            return [PlayerRecord.model_validate(seat["player"]) for seat in seats]
        reference = bool((header.get("endpoint") or {}).get("reference"))
        return [PlayerRecord(model=header["model"], reference=reference)]
    except (ValidationError, KeyError, TypeError) as error:
        raise RecordError(f"{log.path} is damaged: its header doesn't say who plays.") from error


def index_document(log: EpisodeLog, id_: str) -> dict[str, Any]:
    """What the player needs before anything is drawn. Raises RecordError where the header doesn't tell who plays.

    Args:
        log: The record.
        id_: What its parts are asked for by.
    """
    header, decisions, outcome = log.header, log.decisions, log.outcome
    names = names_of(log)
    shared = len(names) > 1
    latencies = [line.get("latency") or {} for line in decisions]
    usages = [line.get("usage") or {} for line in decisions]
    return {
        "id": id_,
        "game": printable(str(header.get("game", "?"))),
        "preset": printable(str(header.get("preset", "?"))),
        "seed": header.get("seed"),
        "clock": header.get("clock", "paused"),
        "names": names,
        "shared": shared,
        "part": PART,
        "parts": parts_of(len(decisions)),
        "n": len(decisions),
        "seat": [line.get("seat", 0) for line in decisions] if shared else None,
        "moves": [_moves(line) for line in decisions],
        "verdict": [printable(line["verdict"])[:40] for line in decisions],
        "score": [line["score"] for line in decisions],
        "standing": standing(decisions, len(names)) if shared else None,
        "latency": [_rounded(latency.get("total")) for latency in latencies],
        "first": [_rounded(latency.get("first_token")) for latency in latencies],
        "prompt": [usage.get("prompt_tokens") for usage in usages],
        "cached": [usage.get("cached_tokens") for usage in usages],
        "completion": [usage.get("completion_tokens") for usage in usages],
        "reasoning": [usage.get("reasoning_tokens") for usage in usages],
        "cost": [usage.get("cost_usd") for usage in usages],
        "waited": [line.get("waited", 0) for line in decisions],
        "faults": _faults(log),
        "void": len(log.void),
        "outcome": printable(outcome["outcome"])[:80] if outcome else None,
        "scores": _final(outcome, shared),
    }


def standing(decisions: Sequence[Mapping[str, Any]], seats: int) -> list[list[float]]:
    """All seats' scores after each decision; where a record tells that of one, the others' stay."""
    now = [0.0] * seats
    found: list[list[float]] = []
    for line in decisions:
        told: list[float] = line.get("scores") or []
        if len(told) == seats > 1:
            now = list(told)
        elif (seat := line.get("seat", 0)) in range(seats):
            now[seat] = line["score"]
        found.append(list(now))
    return found


def _moves(line: Mapping[str, Any]) -> str:
    moves = line["moves"]
    told = " ".join(printable(str(move))[:60] for move in moves[:LONGEST_MOVES])
    return f"{told} … {len(moves) - LONGEST_MOVES:,} more" if len(moves) > LONGEST_MOVES else told


def _final(outcome: Mapping[str, Any] | None, shared: bool) -> list[float] | None:
    if outcome is None:
        return None
    return list(outcome.get("scores") or [outcome["score"], 0.0])[: 2 if shared else 1]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def _faults(log: EpisodeLog) -> list[dict[str, Any]]:
    return [
        {
            "index": fault.get("index", 0),
            "seat": fault.get("seat", 0),
            "kind": printable(fault["kind"])[:80],
            "message": shown(fault.get("message"), 400),
        }
        for fault in log.faults[:200]
    ]


def words_document(log: EpisodeLog, number: int) -> dict[str, Any]:
    """What was said in one part: answers, thoughts, problems, decision by decision."""
    lines = log.decisions[number * PART : (number + 1) * PART]
    return {
        "raw": [shown(line.get("raw")) for line in lines],
        "thought": [shown(line.get("thought")) for line in lines],
        "problem": [shown(line.get("problem"), 2000) for line in lines],
        "finish": [shown(line.get("finish_reason"), 80) for line in lines],
        "played": [line.get("played") for line in lines],
        "long": [max(len(line.get("raw") or ""), len(line.get("thought") or "")) > LONGEST for line in lines],
    }


def script(call: str, *values: Any) -> bytes:
    """A classic script that hands values to a function of the page: what can be loaded from a server and from a disk
    alike. Nothing in a value can end the script, or mean anything to a page that it might be put into."""
    written = ",".join(json.dumps(value, ensure_ascii=True, separators=(",", ":")) for value in values)
    for sign in "<>&":
        written = written.replace(sign, f"\\u{ord(sign):04x}")
    return f"{call}({written});\n".encode("ascii")


def whole_words(log: EpisodeLog, index: int) -> str:
    """All that was said at one decision, as plain text. Raises IndexError where there is no such decision."""
    if index < 0:
        raise IndexError(index)
    line = log.decisions[index]
    parts: Sequence[tuple[str, str | None]] = (("thought", line.get("thought")), ("answer", line.get("raw")))
    return "\n\n".join(f"{title}:\n{printable(text)}" for title, text in parts if text) + "\n"
