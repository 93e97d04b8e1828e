"""Decisions as lines of an episode's record, and back."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from lmgame_agents import Decision, Latency, Usage, Verdict
from lmgame_common import RecordError
from lmgame_games import Card, Move


def record_of(decision: Decision) -> dict[str, Any]:
    """A decision as the fields of a record's line."""
    return {
        "moves": [str(move) for move in decision.moves],
        "verdict": decision.verdict.value,
        "raw": decision.raw,
        "thought": decision.thought,
        "problem": decision.problem,
        "finish_reason": decision.finish_reason,
        "usage": asdict(decision.usage),
        "latency": asdict(decision.latency),
    }


def decision_of(record: Mapping[str, Any], card: Card, path: Path) -> Decision:
    """The decision that a line of the record at `path` holds.

    Raises:
        RecordError: For moves that are illegal under the card, and for verdicts unknown here.
    """
    try:
        return Decision(
            moves=tuple(_move(move, card) for move in record["moves"]),
            verdict=Verdict(record["verdict"]),
            raw=record.get("raw") or "",
            thought=record.get("thought"),
            problem=record.get("problem"),
            finish_reason=record.get("finish_reason"),
            usage=usage_of(record),
            latency=Latency(**_known(Latency, record.get("latency"))),
        )
    except (ValueError, TypeError) as error:
        raise RecordError(
            f"{path}: decision {record['index']} can't be played again ({error}). The record is damaged, or was made "
            "by another version of lmgame."
        ) from error


def check_score(score: float, record: Mapping[str, Any], path: Path) -> None:
    """Raise RecordError if playing the record's moves again has led elsewhere than the record says."""
    if score != record["score"]:
        raise RecordError(
            f"{path}: playing the moves again gives score {score} after decision {record['index']}, the record says "
            f"{record['score']}; the record is damaged or was made by other rules. To play it anew, use --fresh."
        )


def usage_of(record: Mapping[str, Any]) -> Usage:
    """The token counts that a line holds."""
    return Usage(**_known(Usage, record.get("usage")))


def _move(text: str, card: Card) -> Move:
    move = Move.parse(text)
    if problem := card.problem(move):
        raise ValueError(problem)
    return move


def _known(kind: type, found: Mapping[str, Any] | None) -> dict[str, Any]:
    """Those fields that this version knows; a later one may have added others."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in (found or {}).items() if name in names}
