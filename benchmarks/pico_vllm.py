"""Decisions a second, legality and pieces of `pico` behind vLLM, or any other server, played by the suite's own runner.

Each number of processes in turn plays episodes of Tetris `standard` from frames, all at once, and is stopped after
`--seconds`. With several servers, processes take them in turn. The last columns say what one process of the runner
spends, and vLLM's processes where they run on this machine, for either may be the limit.

    vllm serve serving/lmgame_serving/pico --served-model-name pico
    uv run python benchmarks/pico_vllm.py http://127.0.0.1:8000/v1#pico --processes 1 2 4 --seconds 30
    uv run python benchmarks/pico_vllm.py http://127.0.0.1:8000/v1#pico --games 100 --processes 4 --max-decisions 1020

`pico_vllm.sh` serves, then runs this.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from lmgame import play_async
from lmgame.episode import EpisodeState
from lmgame.watch import Silent
from lmgame_games.tetris.env import TetrisEnv
from lmgame_leaderboards import load_run

PIECES = 1000
"""The bar: an episode passes with this many pieces."""
SETTLED = 0.15
"""Share of a run's time that counts as its start and is left out of the rate."""


class Meter(Silent):
    """Notes the time of every decision, and how far each game has come."""

    def __init__(self) -> None:
        self.began, self.cpu = time.time(), time.process_time()
        self.times: list[float] = []
        self.latencies: list[float] = []
        self.pieces: dict[int, int] = {}
        self.lines: dict[int, int] = {}
        self.faults: dict[int, int] = {}
        self.last_fault = ""
        self._decisions: dict[int, int] = {}

    def started(self, folder: Path, states: Sequence[EpisodeState]) -> None:
        self.began, self.cpu = time.time(), time.process_time()

    def changed(self, state: EpisodeState) -> None:
        seed = state.plan.seed
        self.faults[seed] = state.faults
        self.last_fault = state.last_fault or self.last_fault
        if state.env is not None:
            engine = cast(TetrisEnv, state.env).engine
            self.pieces[seed], self.lines[seed] = engine.pieces, engine.lines
        if state.decisions > self._decisions.get(seed, 0):
            self._decisions[seed] = state.decisions
            self.times.append(time.time())
            self.latencies.append(state.latency or 0.0)


@dataclass
class Share:
    """What one process of the runner played."""

    began: float
    cpu: float
    """Seconds of CPU since then."""
    times: list[float]
    """When each decision was done, in Unix seconds."""
    latencies: list[float]
    """Seconds from asking to the end of the answer, of the same decisions."""
    episodes: list[dict[str, Any]]
    fault: str
    problem: str = ""


async def _share(url: str, folder: Path, seeds: list[int], decisions: int | None, seconds: float) -> Share:
    meter, problem = Meter(), ""
    try:
        async with asyncio.timeout(seconds):
            with suppress(asyncio.CancelledError):
                result = await play_async(
                    url,
                    "tetris",
                    preset="standard",
                    observation="image",
                    seeds=seeds,
                    concurrency=len(seeds),
                    max_decisions=decisions,
                    out=folder,
                    watcher=meter,
                )
                problem = result.problem or ""
    except TimeoutError:
        pass
    except Exception as error:  # one process's trouble must not hide the others' numbers
        problem = f"{type(error).__name__}: {error}"
    cpu = time.process_time() - meter.cpu
    episodes = [asdict(row) for row in load_run(folder).episodes] if (folder / "run.json").exists() else []
    for row in episodes:
        row["pieces"], row["lines"] = meter.pieces.get(row["seed"], 0), meter.lines.get(row["seed"], 0)
    return Share(meter.began, cpu, meter.times, meter.latencies, episodes, meter.last_fault, problem)


def _play(work: tuple[str, Path, list[int], int | None, float]) -> Share:
    return asyncio.run(_share(*work))


def servers() -> dict[tuple[str, str], float]:
    """Seconds of CPU that each of vLLM's processes on this machine has spent, by what it is and its process id."""
    spent: dict[tuple[str, str], float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            title = (folder / "cmdline").read_bytes()
            if title.startswith(b"VLLM::"):
                # After the name in brackets, from the state on, fields 11 and 12 are user and system time.
                fields = (folder / "stat").read_text().rpartition(") ")[2].split()
                kind = "engine" if title.startswith(b"VLLM::Engine") else "api"
                spent[kind, folder.name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent


def measure(
    urls: list[str], games: int, processes: int, decisions: int | None, seconds: float, out: Path
) -> dict[str, Any]:
    """Play `games` episodes at once, spread over `processes`; what came of it.

    Args:
        urls: Servers of the model, as `URL#NAME`; process k asks server k modulo their number.
        games: Episodes, of seeds 0, 1, …
        processes: Processes of the runner.
        decisions: Most decisions of an episode; None: the preset's own limit.
        seconds: When to stop.
        out: An empty folder for the records.
    """
    work = [
        (urls[number % len(urls)], out / str(number), list(range(number, games, processes)), decisions, seconds)
        for number in range(processes)
    ]
    before = servers()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        shares = pool.map(_play, work, chunksize=1)
    result = {"servers": len(urls), "processes": processes, "games": games, **summary(shares)}
    spent: dict[str, list[float]] = {}
    for (kind, number), seconds_now in servers().items():
        spent.setdefault(kind, []).append(seconds_now - before.get((kind, number), 0.0))
    wall = result["wall_seconds"]
    result["vllm"] = {
        kind: {
            "cpu_ms_a_decision": round(sum(cpu) * 1e3 / result["decisions"], 2),
            "cores": [round(value / wall, 2) for value in sorted(cpu, reverse=True)],
        }
        for kind, cpu in sorted(spent.items())
        if result["decisions"] and wall
    }
    return result


def summary(shares: list[Share]) -> dict[str, Any]:
    """The numbers of one measurement, over all processes."""
    times = np.sort(np.concatenate([share.times for share in shares])) if shares else np.zeros(0)
    latencies = np.concatenate([share.latencies for share in shares]) if shares else np.zeros(0)
    episodes = [row for share in shares for row in share.episodes]
    verdicts: Counter[str] = Counter()
    for row in episodes:
        verdicts.update(row["verdicts"])
    answers = sum(verdicts.values())
    rate = wall = 0.0
    if len(times) > 1:
        # From when all processes play until the first has nothing more to do.
        begin, end = max(share.began for share in shares), min(max(share.times, default=0.0) for share in shares)
        begin += SETTLED * (end - begin)
        wall = float(times[-1] - min(share.began for share in shares))
        rate = float(((times > begin) & (times <= end)).sum() / (end - begin)) if end > begin else 0.0
    hundred = [row for row in episodes if row["seed"] < 100]
    return {
        "decisions": answers,
        "decisions_per_second": round(rate, 1),
        "wall_seconds": round(wall, 1),
        "legal": verdicts["ok"] / answers if answers else None,
        "verdicts": dict(verdicts),
        "latency_ms": {f"p{p}": round(float(np.percentile(latencies, p)) * 1e3, 1) for p in (50, 95, 99)}
        if len(latencies)
        else {},
        "cpu_ms_a_decision": round(sum(share.cpu for share in shares) / max(1, len(times)) * 1e3, 2),
        "cpu_share_a_process": round(sum(share.cpu for share in shares) / len(shares) / wall, 2) if wall else None,
        "infrastructure_faults": sum(row["infrastructure_faults"] for row in episodes),
        "fault": next((share.fault for share in shares if share.fault), ""),
        "problem": next((share.problem for share in shares if share.problem), ""),
        "first_hundred_seeds": {
            "episodes": len(hundred),
            f"with_{PIECES}_pieces": sum(row["pieces"] >= PIECES for row in hundred),
            "over_before": sum(row["outcome"] is not None and row["pieces"] < PIECES for row in hundred),
            "cut_off": sum(row["outcome"] is None and row["pieces"] < PIECES for row in hundred),
        },
        "episodes": [
            {name: row[name] for name in ("seed", "pieces", "lines", "score", "decisions", "outcome", "verdicts")}
            for row in sorted(episodes, key=lambda row: row["seed"])
        ],
    }


def table(results: list[dict[str, Any]]) -> str:
    """The measurements as a table, one a row."""
    head = "| servers | processes | games | decisions | decisions/s | legal | p50 / p95 / p99 ms "
    head += "| pieces: min, median, max "
    head += f"| seeds 0-99 with {PIECES:,} / over before | faults | runner: CPU ms a decision, of a core "
    head += "| vLLM: CPU ms a decision, cores of the busiest |"
    lines = [head, "|" + "--:|" * (head.count("|") - 1)]
    for row in results:
        pieces = sorted(episode["pieces"] for episode in row["episodes"]) or [0]
        latency = " / ".join(f"{value:g}" for value in row["latency_ms"].values()) or "-"
        hundred = row["first_hundred_seeds"]
        vllm = "; ".join(
            f"{len(cpu['cores'])} {kind} {cpu['cpu_ms_a_decision']:.1f}, {cpu['cores'][0]:.2f}"
            for kind, cpu in row["vllm"].items()
        )
        legal = "-" if row["legal"] is None else f"{row['legal']:.3%}"
        lines.append(
            f"| {row['servers']} | {row['processes']} | {row['games']} | {row['decisions']:,} "
            f"| {row['decisions_per_second']:,.0f} | {legal} | {latency} "
            f"| {pieces[0]:,}, {pieces[len(pieces) // 2]:,}, {pieces[-1]:,} "
            f"| {hundred[f'with_{PIECES}_pieces']} / {hundred['over_before']} of {hundred['episodes']} "
            f"| {row['infrastructure_faults']} "
            f"| {row['cpu_ms_a_decision']:.2f}, {row['cpu_share_a_process'] or 0:.0%} "
            f"| {vllm} |"
        )
    lines += [
        f"problem with {row['processes']} processes: {text}"
        for row in results
        if (text := row["problem"] or row["fault"])
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("urls", nargs="+", metavar="URL#NAME", help="the model; several servers share the games")
    parser.add_argument("--games", type=int, default=256, help="episodes in flight, seeds 0, 1, … (default: 256)")
    parser.add_argument("--processes", type=int, nargs="+", default=[1], help="processes of the runner; one run each")
    parser.add_argument("--max-decisions", type=int, help="of an episode (default: the preset's own limit)")
    parser.add_argument("--seconds", type=float, default=60.0, help="when a run is stopped (default: 60)")
    parser.add_argument("--out", type=Path, help="folder for the records (default: a temporary one)")
    parser.add_argument("--json", type=Path, help="file for all numbers")
    arguments = parser.parse_args()
    if min(arguments.processes) < len(arguments.urls):
        parser.error(f"{len(arguments.urls)} servers need as many processes of the runner")
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        out = arguments.out or Path(temporary)
        for processes in arguments.processes:
            folder = out / f"{arguments.games}-games-{processes}"
            results.append(
                measure(arguments.urls, arguments.games, processes, arguments.max_decisions, arguments.seconds, folder)
            )
            if arguments.json:
                arguments.json.write_text(json.dumps(results, indent=1))
    print(table(results))


if __name__ == "__main__":
    main()
