"""Scores that others have published, as data of this package: shown beside our own, never mixed into ratings."""

from dataclasses import dataclass
from importlib.resources import files

from pydantic import BaseModel, Field

from lmgame_leaderboards.stats import mean_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedScore:
    """What somebody says that a model scored in a game: the scores of single runs."""

    source: str
    """Where it was published, with the version that was read."""
    model: str
    """As its source calls it."""
    game: str
    """A game of ours where the source's game has the same rules, else the source's name for it."""
    preset: str = ""
    """The preset of ours with those rules; empty where there is none."""
    harness: bool
    """Whether the model was helped by modules for perception or memory."""
    scores: tuple[float, ...]
    """One a run, at least one."""
    note: str | None = None
    """What to know before one compares with it."""

    @property
    def identity(self) -> tuple[str, str, str, str, bool]:
        """What it is about; a source says it once."""
        return self.source, self.model, self.game, self.preset, self.harness

    @property
    def n(self) -> int:
        """How many runs it rests on."""
        return len(self.scores)

    @property
    def single_run(self) -> bool:
        """Whether it is one run, from which no interval can be told."""
        return self.n == 1

    @property
    def mean(self) -> float:
        return mean_interval(self.scores)[0]

    @property
    def sd(self) -> float | None:
        """Sample standard deviation; None for a single run."""
        return mean_interval(self.scores)[1]

    @property
    def ci95(self) -> tuple[float, float] | None:
        """95 % interval of the mean, as `mean_interval` has it; None for a single run."""
        return mean_interval(self.scores)[2]


class _Score(BaseModel):
    model: str
    game: str
    preset: str
    harness: bool
    scores: list[float] = Field(min_length=1)
    note: str | None = None


class _Document(BaseModel):
    source: str
    scores: list[_Score]


def published_scores() -> list[PublishedScore]:
    """The scores of Lmgame-Bench's authors (2025), which come with this package."""
    content = (files(__name__) / "lmgame_bench_2025.json").read_text(encoding="utf-8")
    document = _Document.model_validate_json(content)
    return [
        PublishedScore(source=document.source, **{**score.model_dump(), "scores": tuple(score.scores)})
        for score in document.scores
    ]
