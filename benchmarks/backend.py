"""Backends side by side, under play: decisions a second, time to first token (TTFT), time per output token (TPOT).

Each endpoint in turn is played against by the suite's own runner, Tetris `standard` from frames, and stopped after
`--seconds`. Nothing else should run on its GPUs meanwhile. A shape with random weights answers noise: its verdicts are
`unparsable`, its episodes end as forfeits, and new ones take their place.

    lmgame serve --model vllm/pico --profile pd-shared --port 8001
    uv run python benchmarks/backend.py pd=http://127.0.0.1:8001/v1 --concurrency 32
    uv run python benchmarks/backend.py one=http://… pd=http://… --same 32 --max-decisions 100

The second form plays the same seeds through each endpoint and says how many end with the same score. TTFT is the time
from sending a request to its first generated token; TPOT is the time from there to the end, over the other tokens, as
vLLM's own benchmarks have it.
"""

import argparse
import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from lmgame import play_async
from lmgame_leaderboards.records import EpisodeLog, read_episode

SETTLED = 0.15
"""Share of the time that counts as the start and is left out of the rate."""
MANY = 10_000
"""Episodes to play where the clock ends a measurement."""


async def play(url: str, folder: Path, arguments: argparse.Namespace, episodes: int, seconds: float | None) -> str:
    """Play against one endpoint, its records in `folder`; what went wrong, if anything did."""
    try:
        async with asyncio.timeout(seconds):
            with suppress(asyncio.CancelledError):
                result = await play_async(
                    url,
                    "tetris",
                    preset="standard",
                    observation="image",
                    episodes=episodes,
                    concurrency=arguments.concurrency,
                    max_tokens=arguments.max_tokens,
                    max_decisions=arguments.max_decisions,
                    out=folder,
                )
                return result.problem or ""
    except TimeoutError:
        return ""
    except Exception as error:  # one endpoint's trouble must not hide the others' numbers
        return f"{type(error).__name__}: {error}"
    return ""


def records(folder: Path) -> list[EpisodeLog]:
    """The records of a run, by episode."""
    return [read_episode(path) for path in sorted((folder / "episodes").glob("*.jsonl"))]


def summary(logs: Iterable[EpisodeLog]) -> dict[str, Any]:
    """The numbers of one endpoint."""
    logs = list(logs)
    lines = [line for log in logs for line in log.decisions]
    if not lines:
        return {"decisions": 0}
    times = np.sort([line["time"] for line in lines])
    begin = times[0] + SETTLED * (times[-1] - times[0])
    taken = [line for line in lines if line["time"] > begin and line["latency"]["first_token"] is not None]
    first = [line["latency"]["first_token"] for line in taken]
    total = [line["latency"]["total"] for line in taken]
    tokens = [(line.get("usage") or {}).get("completion_tokens") or 0 for line in taken]
    prompt = [(line.get("usage") or {}).get("prompt_tokens") or 0 for line in taken]
    each = [(whole - start) / (n - 1) for whole, start, n in zip(total, first, tokens, strict=True) if n > 1]
    span = times[-1] - begin
    return {
        "decisions": len(lines),
        "decisions_per_second": round(float((times > begin).sum() / span), 1) if span else None,
        "verdicts": dict(Counter(line["verdict"] for line in lines)),
        "ttft_ms": _percentiles(first, 1e3, 0),
        "tpot_ms": _percentiles(each, 1e3, 1),
        "decision_ms": _percentiles(total, 1e3, 0),
        "prompt_tokens": int(np.median(prompt)) if prompt else None,
        "completion_tokens": int(np.median(tokens)) if tokens else None,
        "faults": dict(Counter(fault["kind"] for log in logs for fault in log.faults)),
    }


def _percentiles(values: list[float], factor: float, digits: int) -> list[float]:
    """The 50th and 95th."""
    return [round(float(np.percentile(values, p)) * factor, digits) for p in (50, 95)] if values else []


def table(rows: dict[str, dict[str, Any]], concurrency: int) -> str:
    """The measurements as a table, one a row."""
    head = "| backend | games | decisions | decisions/s | TTFT ms p50 / p95 | TPOT ms p50 / p95 | decision ms "
    head += "p50 / p95 | tokens in, out | verdicts | faults |"
    lines = [head, "|---" + "|--:" * (head.count("|") - 4) + "|---|---|"]
    for name, row in rows.items():
        if not row["decisions"]:
            lines.append(f"| {name} | {concurrency} | 0 |" + " |" * 7)
            continue
        pairs = " | ".join(
            " / ".join(f"{value:g}" for value in row[key]) or "–" for key in ("ttft_ms", "tpot_ms", "decision_ms")
        )
        counts = [
            ", ".join(f"{count:,} {what}" for what, count in row[key].items()) or "none"
            for key in ("verdicts", "faults")
        ]
        lines.append(
            f"| {name} | {concurrency} | {row['decisions']:,} | {row['decisions_per_second']} | {pairs} "
            f"| {row['prompt_tokens']}, {row['completion_tokens']} | {counts[0]} | {counts[1]} |"
        )
    return "\n".join([*lines, *(f"{name}: {row['problem']}" for name, row in rows.items() if row.get("problem"))])


def same(logs: dict[str, list[EpisodeLog]]) -> str:
    """How many seeds the endpoints played to the same score, and where they first answered differently."""
    (first, one), *others = logs.items()
    lines = []
    for name, other in others:
        by_seed = {log.header["seed"]: log for log in other}
        pairs = [(log, by_seed[log.header["seed"]]) for log in one if log.header.get("seed") in by_seed]
        equal = sum(_score(a) == _score(b) for a, b in pairs)
        split = [_first_difference(a, b) for a, b in pairs]
        answers = sum(len(a.decisions) if at is None else at + 1 for at, (a, _) in zip(split, pairs, strict=True))
        scores = [float(np.mean([_score(log) for log in column])) for column in zip(*pairs, strict=True)]
        lines.append(
            f"{first} and {name}: the same score on {equal} of {len(pairs)} seeds; {answers:,} answers to the same "
            f"frames, {sum(at is not None for at in split)} of them different; "
            f"mean scores {' and '.join(f'{value:,.1f}' for value in scores)}"
        )
    return "\n".join(lines)


def _score(log: EpisodeLog) -> float:
    return log.decisions[-1]["score"] if log.decisions else 0.0


def _first_difference(one: EpisodeLog, other: EpisodeLog) -> int | None:
    """Number of the first decision with other moves; from there on the games differ."""
    pairs = zip(one.decisions, other.decisions, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a["moves"] != b["moves"]), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("endpoints", nargs="+", metavar="LABEL=URL", help="played against one after the other")
    parser.add_argument("--concurrency", type=int, default=32, help="games in flight (default: 32)")
    parser.add_argument("--seconds", type=float, default=60.0, help="each, without --same (default: 60)")
    parser.add_argument("--same", type=int, metavar="N", help="play seeds 0 to N-1 to their end at each, and compare")
    parser.add_argument("--max-decisions", type=int, help="of an episode")
    parser.add_argument("--max-tokens", type=int, help="of an answer")
    parser.add_argument("--out", type=Path, help="folder for the records (default: a temporary one)")
    parser.add_argument("--json", type=Path, help="file for all numbers")
    arguments = parser.parse_args()
    rows: dict[str, dict[str, Any]] = {}
    logs: dict[str, list[EpisodeLog]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for endpoint in arguments.endpoints:
            name, equals, url = endpoint.partition("=")
            if not equals:
                parser.error(f"{endpoint!r} is not of the form LABEL=URL")
            folder = (arguments.out or Path(temporary)) / name
            episodes, seconds = (arguments.same, None) if arguments.same else (MANY, arguments.seconds)
            problem = asyncio.run(play(url, folder, arguments, episodes, seconds))
            logs[name] = records(folder)
            rows[name] = {"problem": problem, **summary(logs[name])}
            if arguments.json:
                arguments.json.write_text(json.dumps(rows, indent=1))
    print(table(rows, arguments.concurrency))
    if arguments.same and len(logs) > 1:
        print(same(logs))


if __name__ == "__main__":
    main()
