"""From records to results: one row an episode, one summary a game and preset, one document a run."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import Any

from lmgame_leaderboards.records import EpisodeLog, read_episode
from lmgame_leaderboards.run_folder import episode_path, read_run
from lmgame_leaderboards.schema import SCHEMA_VERSION, BaselineRecord, RunRecord
from lmgame_leaderboards.stats import mean_interval


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """Sums over an episode's answers, of those that reported; None where none did."""

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None

    @property
    def tokens(self) -> int | None:
        """Prompt and completion tokens; None where no server reported any."""
        if self.prompt_tokens is None and self.completion_tokens is None:
            return None
        return (self.prompt_tokens or 0) + (self.completion_tokens or 0)


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """How long an episode's answers took, in seconds; None where nothing was measured."""

    mean: float | None = None
    median: float | None = None
    p95: float | None = None
    """95th percentile of the whole answer's time."""
    first_token_median: float | None = None
    between_tokens_median: float | None = None


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """One episode, summed up."""

    id: str
    game: str
    preset: str
    version: int
    seed: int
    score: float
    """The final score, or the score so far of an episode that isn't over."""
    decisions: int
    outcome: str | None
    """How it ended; None while it isn't over."""
    verdicts: dict[str, int] = field(default_factory=dict)
    """How many decisions had which verdict; verdicts that none had are left out."""
    infrastructure_faults: int = 0
    usage: UsageTotals = field(default_factory=UsageTotals)
    latency: LatencySummary = field(default_factory=LatencySummary)


@dataclass(frozen=True, slots=True)
class Summary:
    """All finished episodes of one game under one preset."""

    game: str
    preset: str
    n: int
    """Finished episodes; the others don't count."""
    mean: float | None
    """None where n is 0."""
    sd: float | None
    ci95: tuple[float, float] | None
    """None where n is less than 2."""
    baselines: Mapping[str, BaselineRecord] = field(default_factory=dict)
    """Reference scores by player."""


@dataclass(frozen=True, slots=True)
class RunResults:
    """A run as it stands."""

    record: RunRecord
    episodes: list[EpisodeResult]
    """Those begun, in the order asked for."""
    summaries: list[Summary]

    def document(self) -> dict[str, Any]:
        """The run as `--json` prints it."""
        return document(self.record, self.episodes, self.summaries)


def episode_row(log: EpisodeLog) -> EpisodeResult:
    """Sum up one episode's record, which must have a header."""
    decisions, outcome = log.decisions, log.outcome
    last = outcome or (decisions[-1] if decisions else {"score": 0.0})
    return EpisodeResult(
        id=log.header["episode"],
        game=log.header["game"],
        preset=log.header["preset"],
        version=log.header["version"],
        seed=log.header["seed"],
        score=last["score"],
        decisions=len(decisions),
        outcome=outcome["outcome"] if outcome else None,
        verdicts=dict(sorted(Counter(line["verdict"] for line in decisions).items())),
        infrastructure_faults=len(log.faults),
        usage=usage_totals(decisions),
        latency=latency_summary(decisions),
    )


def _given(records: Iterable[Mapping[str, Any]], name: str) -> list[Any]:
    return [record[name] for record in records if record.get(name) is not None]


def _total(records: Iterable[Mapping[str, Any]], name: str) -> Any:
    given = _given(records, name)
    return sum(given) if given else None


def usage_totals(decisions: Iterable[Mapping[str, Any]]) -> UsageTotals:
    """Sums over the lines of decisions."""
    usages = [line.get("usage") or {} for line in decisions]
    return UsageTotals(**{name: _total(usages, name) for name in UsageTotals.__dataclass_fields__})


def latency_summary(decisions: Iterable[Mapping[str, Any]]) -> LatencySummary:
    """Means and quantiles over the lines of decisions."""
    latencies = [line.get("latency") or {} for line in decisions]
    totals = _given(latencies, "total")
    first, between = _given(latencies, "first_token"), _given(latencies, "between_tokens")
    return LatencySummary(
        mean=fmean(totals) if totals else None,
        median=median(totals) if totals else None,
        p95=(quantiles(totals, n=20, method="inclusive")[-1] if len(totals) > 1 else totals[0]) if totals else None,
        first_token_median=median(first) if first else None,
        between_tokens_median=median(between) if between else None,
    )


def summarize(
    rows: Iterable[EpisodeResult], baselines: Mapping[str, Mapping[str, BaselineRecord]] | None = None
) -> list[Summary]:
    """One summary for each game and preset among `rows`, in the order they first appear.

    Args:
        rows: Episodes, finished or not.
        baselines: Reference scores by `game/preset`, then by player, as in `RunRecord.baselines`.
    """
    groups: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        scores = groups.setdefault((row.game, row.preset), [])
        if row.outcome is not None:
            scores.append(row.score)
    summaries: list[Summary] = []
    for (game, preset), scores in groups.items():
        mean, sd, ci95 = mean_interval(scores) if scores else (None, None, None)
        found = (baselines or {}).get(f"{game}/{preset}", {})
        summaries.append(Summary(game, preset, len(scores), mean, sd, ci95, found))
    return summaries


def document(run: RunRecord, rows: Iterable[EpisodeResult], summaries: Iterable[Summary]) -> dict[str, Any]:
    """The one JSON document that tells a run's results; JSON's own types only, described in FORMAT.md."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run": run.model_dump(mode="json", exclude={"schema_version", "baselines"}),
        "episodes": [
            {
                "id": row.id,
                "game": row.game,
                "preset": row.preset,
                "seed": row.seed,
                "score": row.score,
                "decisions": row.decisions,
                "verdicts": dict(row.verdicts),
                "infrastructure_faults": row.infrastructure_faults,
                "usage": {
                    "prompt_tokens": row.usage.prompt_tokens,
                    "cached_tokens": row.usage.cached_tokens,
                    "completion_tokens": row.usage.completion_tokens,
                    "reasoning_tokens": row.usage.reasoning_tokens,
                },
                "outcome": row.outcome,
            }
            for row in rows
        ],
        "summary": [
            {
                "game": summary.game,
                "preset": summary.preset,
                "n": summary.n,
                "mean": summary.mean,
                "ci95": None if summary.ci95 is None else list(summary.ci95),
                "baselines": {player: score.model_dump(mode="json") for player, score in summary.baselines.items()},
            }
            for summary in summaries
        ],
    }


def load_run(path: Path) -> RunResults:
    """Read a run's folder: finished, cut off or going on.

    Raises:
        RecordError: If the folder holds no run, or a record in it is damaged or from a newer lmgame.
    """
    record = read_run(path)
    rows = [episode_row(log) for log in episode_logs(path, record)]
    return RunResults(record, rows, summarize(rows, record.baselines))


def episode_logs(path: Path, record: RunRecord) -> Iterable[EpisodeLog]:
    """The records of the episodes begun so far, in the order asked for, read one at a time."""
    for episode in record.episodes():
        file = episode_path(path, episode)
        if file.exists() and (log := read_episode(file)).header:
            yield log
