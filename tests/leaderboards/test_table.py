"""The Markdown table reads well and can't be broken by what stands in it."""

from lmgame_leaderboards import Summary, markdown_table
from lmgame_leaderboards.schema import BaselineRecord

RANDOM = BaselineRecord(n=2000, mean=11.563, sd=1.7, ci95=(11.488, 11.638))
SCRIPTED = BaselineRecord(n=100, mean=81234.6, sd=9000, ci95=(79448.7, 83020.3))


def test_it_reads_like_this() -> None:
    summaries = [
        Summary("tetris", "standard", 10, 12.34567, 2.0, (10.9, 13.79), {"scripted": SCRIPTED, "random": RANDOM}),
        Summary("mario", "lmgame-bench-2025", 1, 1500.0, None, None),
        Summary("sokoban", "standard", 0, None, None, None),
    ]
    assert markdown_table(summaries, "smollm2") == (
        "| Game    | Preset            | Player      |    n | Metric |   |  Value |          95 % CI |\n"
        "|---------|-------------------|-------------|-----:|--------|---|-------:|-----------------:|\n"
        "| tetris  | standard          | **smollm2** |   10 | score  | ↑ |  12.35 |   [10.90, 13.79] |\n"
        "|         |                   | random      | 2000 | score  | ↑ |  11.56 |   [11.49, 11.64] |\n"
        "|         |                   | scripted    |  100 | score  | ↑ | 81,235 | [79,449, 83,020] |\n"
        "| mario   | lmgame-bench-2025 | **smollm2** |    1 | score  | ↑ |  1,500 |                – |\n"
        "| sokoban | standard          | **smollm2** |    0 | score  | ↑ |      – |                – |\n"
    )


def test_a_name_cannot_break_the_table() -> None:
    summary = Summary("tetris", "standard", 0, None, None, None)
    table = markdown_table([summary], "a|b\n| c")
    assert len(table.splitlines()) == 3
    assert "**a\\|b \\| c**" in table


def test_the_real_time_clock_is_told() -> None:
    assert "| standard, realtime |" in markdown_table(
        [Summary("tetris", "standard", 0, None, None, None)], "m", clock="realtime"
    )


def test_a_reference_is_told_as_one() -> None:
    summary = Summary("tetris", "standard", 10, 12.34567, 2.0, (10.9, 13.79), {"random": RANDOM})
    lines = markdown_table([summary], "pi|co", reference=True).splitlines()
    assert "| **pi\\|co** (reference) |" in lines[2] and "(reference)" not in lines[3]
    assert lines[4] == "" and lines[5].startswith("pi\\|co is a reference: it was trained on these very games.")


def test_a_baseline_that_is_a_reference_is_told_as_one() -> None:
    pico = RANDOM.model_copy(update={"reference": True})
    summary = Summary("tetris", "standard", 10, 12.34567, 2.0, (10.9, 13.79), {"random": RANDOM, "pico": pico})
    lines = markdown_table([summary], "m").splitlines()
    assert ["| pico (reference) |" in line for line in lines[2:]] == [False, True, False]


def test_nothing_gives_the_head_alone() -> None:
    assert len(markdown_table([], "m").splitlines()) == 2
