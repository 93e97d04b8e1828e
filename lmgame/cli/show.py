"""`lmgame show`: an episode or a shared match, decision by decision, as the models met it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from lmgame.episode import observe
from lmgame.replay import card_of, is_shared, walk, walk_match
from lmgame_agents import Observation, system_prompt, turn
from lmgame_common import UsageError, printable
from lmgame_games import Card, ObservationKind
from lmgame_leaderboards import EpisodeLog, PlayerRecord, read_episode


def show(
    episode: Annotated[
        Path, typer.Argument(help="The record of an episode or a match, `….jsonl`.", show_default=False)
    ],
    decision: Annotated[
        int | None, typer.Option("--decision", "-d", help="Only this one, from 0.", show_default=False)
    ] = None,
) -> None:
    """Page through an episode: prompt, raw answer and verdict of each decision."""
    console = Console(highlight=False)
    log = read_episode(episode)
    if decision is not None and not 0 <= decision < len(log.decisions):
        raise UsageError(f"{episode} has decisions 0 to {len(log.decisions) - 1}; {decision} is not among them.")
    if console.is_terminal and decision is None:
        os.environ.setdefault("LESS", "-R")  # or less shows colours as the escapes they are
        with console.pager(styles=True):
            _show(console, episode, decision)
    else:
        _show(console, episode, decision)


@dataclass(frozen=True)
class _Sitting:
    """Who answers at one seat, and what is shown to it; the only seat, in an episode that one player plays alone."""

    name: str
    kind: ObservationKind | None
    structured: bool


@dataclass(frozen=True)
class _Step:
    """A decision, with what was asked for it."""

    record: Mapping[str, Any]
    seat: int
    observation: Observation
    before: int
    """Index of the seat's decision before this one; -1 where there is none."""


def _show(console: Console, path: Path, only: int | None) -> None:
    log = read_episode(path)
    found, header = card_of(log, path), log.header
    sittings, shared = _sittings(header), is_shared(log)
    reference = " (reference: trained on this game)" if header.get("endpoint", {}).get("reference") else ""
    _rule(console, f"{path.stem} · {header['model']}{reference}")
    if only is None:
        _show_rules(console, found, sittings, realtime=header.get("clock") == "realtime")
    for step in _steps_of_match(path) if shared else _steps(path, header.get("max_decisions", found.max_decisions)):
        if only is not None and step.record["index"] != only:
            continue
        sitting = sittings[step.seat]
        who = f" · {sitting.name} (player_{step.seat})" if shared else ""
        console.print(Rule(Text(printable(f"decision {step.record['index']}{who}")), style="cyan"))
        _show_step(console, step, sitting, found, log)
        if only is not None:
            return
    if log.outcome and only is None:
        outcome = log.outcome
        scores = " to ".join(f"{score:g}" for score in outcome.get("scores") or [outcome["score"]])
        _rule(console, f"{outcome['outcome']} · score {scores} · {outcome['decisions']} decisions")
    elif only is None:
        _rule(console, "cut off here")


def _sittings(header: Mapping[str, Any]) -> list[_Sitting]:
    seats = header.get("seats") or []
    if len(seats) < 2:
        structured = header.get("endpoint", {}).get("structured", False)
        return [_Sitting(header["model"], header.get("observation"), structured)]
    endpoints = header.get("endpoints") or [{}] * len(seats)
    sittings = []
    for seat, endpoint in zip(seats, endpoints, strict=True):
        player = PlayerRecord.model_validate(seat["player"])
        name = player.name + (" (reference)" if player.reference else "")
        sittings.append(_Sitting(name, seat.get("observation"), endpoint.get("structured", False)))
    return sittings


def _steps(path: Path, limit: int) -> Iterator[_Step]:
    for step in walk(path):
        index = step.record["index"]
        seen = observe(step.env, "text", feedback=step.feedback, decisions_left=limit - index, index=index)
        yield _Step(step.record, 0, seen, index - 1)


def _steps_of_match(path: Path) -> Iterator[_Step]:
    latest = [-1, -1]
    for step in walk_match(path):
        yield _Step(step.record, step.seat, step.observation, latest[step.seat])
        latest[step.seat] = step.record["index"]


def _show_rules(console: Console, found: Card, sittings: Sequence[_Sitting], *, realtime: bool) -> None:
    """The system prompt of each seat, once where both are told the same."""
    told: dict[str, list[str]] = {}
    for sitting in sittings:
        if sitting.kind:
            text = system_prompt(found, sitting.kind, structured=sitting.structured, realtime=realtime)
            told.setdefault(text, []).append(sitting.name)
    for text, names in told.items():
        _part(console, "system prompt" + (f" of {names[0]}" if len(told) > 1 else ""), text)


def _show_step(console: Console, step: _Step, sitting: _Sitting, found: Card, log: EpisodeLog) -> None:
    record, observation, kind = step.record, step.observation, sitting.kind
    if kind == "image":
        _part(console, "text view (the model saw the frame instead)", observation.text or "")
    elif kind:
        _part(console, "prompt" + (" (with the frame)" if kind == "both" else ""), turn(observation, found))
    else:
        _part(console, "text view", observation.text or "")
    if record.get("thought"):
        _part(console, "thought", record["thought"])
    if record.get("raw"):
        _part(console, "answer", record["raw"])
    for fault in _faults(log, step):
        console.print(Text(printable(f"infrastructure: {fault.get('message', fault['kind'])}"), style="yellow"))
    console.print(_verdict(record))


def _faults(log: EpisodeLog, step: _Step) -> Iterator[Mapping[str, Any]]:
    """Those that were met when this decision was asked for. Where both seats are asked at once, a fault's index may be
    that of an answer which the other one gave meanwhile."""
    began = log.void[-1].get("time", 0.0) if log.void else 0.0
    for fault in log.faults:
        meant = step.before < fault.get("index", -1) <= step.record["index"]
        if meant and fault.get("seat", 0) == step.seat and fault.get("time", began + 1) > began:
            yield fault


def _rule(console: Console, title: str) -> None:
    console.print(Rule(Text(printable(title))))


def _part(console: Console, title: str, text: str) -> None:
    console.print(Text(printable(title), style="bold"))
    console.print(Text(printable(text)), soft_wrap=True)


def _verdict(record: Mapping[str, Any]) -> Text:
    usage, latency = record.get("usage") or {}, record.get("latency") or {}
    moves = printable(", ".join(record["moves"]) or "nothing")
    played = f" ({record['played']} played)" if "played" in record else ""
    line = Text(printable(record["verdict"]), style="green" if record["verdict"] == "ok" else "red")
    line.append(f" · moves: {moves}{played}", style="default")
    if record.get("problem"):
        line.append(f" · {printable(record['problem'])}", style="default")
    if record.get("waited"):
        line.append(f" · {record['waited']} frames went by first", style="default")
    if record.get("at") is not None:
        line.append(f" · from step {record['at']}", style="default")
    if usage.get("completion_tokens") is not None:
        line.append(f" · {usage.get('prompt_tokens') or 0} + {usage['completion_tokens']} tokens", style="default")
    if latency.get("total"):
        line.append(f" · {latency['total']:.2f} s", style="default")
    line.append(f" · score {record['score']:g}", style="default")
    return line
