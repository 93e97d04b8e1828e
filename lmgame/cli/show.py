"""`lmgame show`: an episode, decision by decision, as the model met it."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from lmgame.episode import observe
from lmgame.replay import card_of, walk
from lmgame_agents import system_prompt, turn
from lmgame_common import UsageError, printable
from lmgame_leaderboards import read_episode


def show(
    episode: Annotated[Path, typer.Argument(help="An episode's record, `RUN/episodes/….jsonl`.", show_default=False)],
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


def _show(console: Console, episode: Path, only: int | None) -> None:
    log = read_episode(episode)
    found = card_of(log, episode)
    header = log.header
    kind = header.get("observation")
    limit = header.get("max_decisions", found.max_decisions)
    endpoint = header.get("endpoint", {})
    reference = " (reference: trained on this game)" if endpoint.get("reference") else ""
    _rule(console, f"{episode.stem} · {header['model']}{reference}")
    if kind and only is None:
        structured = endpoint.get("structured", False)
        told = system_prompt(found, kind, structured=structured, realtime=header.get("clock") == "realtime")
        _part(console, "system prompt", told)
    for step in walk(episode):
        record = step.record
        if only is not None and record["index"] != only:
            continue
        console.print(Rule(f"decision {record['index']}", style="cyan"))
        observation = observe(
            step.env,
            "text",
            feedback=step.feedback,
            decisions_left=limit - record["index"],
            index=record["index"],
        )
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
        for fault in log.faults:
            if fault.get("index") == record["index"]:
                console.print(Text(printable(f"infrastructure: {fault.get('message', fault['kind'])}"), style="yellow"))
        console.print(_verdict(record))
        if only is not None:
            return
    if log.outcome and only is None:
        outcome = log.outcome
        _rule(console, f"{outcome['outcome']} · score {outcome['score']:g} · {outcome['decisions']} decisions")
    elif only is None:
        _rule(console, "cut off here")


def _rule(console: Console, title: str) -> None:
    console.print(Rule(Text(printable(title))))


def _part(console: Console, title: str, text: str) -> None:
    console.print(Text(title, style="bold"))
    console.print(Text(printable(text)), soft_wrap=True)


def _verdict(record: dict[str, Any] | Any) -> Text:
    usage, latency = record.get("usage") or {}, record.get("latency") or {}
    moves = ", ".join(record["moves"]) or "nothing"
    line = Text(printable(record["verdict"]), style="green" if record["verdict"] == "ok" else "red")
    line.append(f" · moves: {printable(moves)} ({record.get('played', '?')} played)", style="default")
    if record.get("problem"):
        line.append(f" · {printable(record['problem'])}", style="default")
    if record.get("waited"):
        line.append(f" · {record['waited']} frames went by first", style="default")
    if usage.get("completion_tokens") is not None:
        line.append(f" · {usage['prompt_tokens']} + {usage['completion_tokens']} tokens", style="default")
    if latency.get("total"):
        line.append(f" · {latency['total']:.2f} s", style="default")
    line.append(f" · score {record['score']:g}", style="default")
    return line
