"""What Lmgame-Bench's authors have published."""

import pytest

from lmgame_leaderboards.published import PublishedScore, published_scores


def found(model: str, game: str, harness: bool) -> PublishedScore:
    (score,) = [s for s in published_scores() if (s.model, s.game, s.harness) == (model, game, harness)]
    return score


def test_games_of_the_same_rules_are_named_as_ours() -> None:
    scores = published_scores()
    assert len({score.identity for score in scores}) == len(scores) == 145
    assert {(s.game, s.preset) for s in scores if s.preset} == {
        ("tetris", "lmgame-bench-2025"),
        ("mario", "lmgame-bench-2025"),
    }
    assert {s.game for s in scores if not s.preset} == {"sokoban", "twenty_forty_eight", "candy_crush", "ace_attorney"}
    assert all("996d848" in s.source for s in scores)


def test_intervals_are_told_where_there_are_several_runs() -> None:
    tetris = found("gpt-4o-2024-11-20", "tetris", False)
    assert tetris.scores == (14, 17, 13) and tetris.n == 3 and not tetris.single_run
    assert tetris.mean == pytest.approx(14.667, abs=1e-3) and tetris.sd == pytest.approx(2.082, abs=1e-3)
    assert tetris.ci95 == pytest.approx((9.496, 19.838), abs=1e-3)  # 14.667 ± 4.303 · 2.082 / √3
    single = found("o3-2025-04-16", "tetris", True)
    assert single.single_run and (single.n, single.mean, single.sd, single.ci95) == (1, 42.0, None, None)


def test_what_to_know_before_comparing_is_told() -> None:
    assert "without harness" in (found("deepseek-r1-01-20", "candy_crush", True).note or "")
    assert "deepseek-r1-01-20" in (found("deepSeek-r1-0528", "tetris", True).note or "")
    assert "without harness" in (found("grok-3-mini-beta (thinking)", "tetris", True).note or "")
    assert "10·log2" in (found("claude-3-haiku-20240307", "twenty_forty_eight", True).note or "")
    assert found("gpt-4o-2024-11-20", "tetris", True).note is None
