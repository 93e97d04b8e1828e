"""Records drawn in parts, in whatever order, as they grow."""

import base64
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lmgame_common import RecordError
from lmgame_leaderboards import StillsWriter
from lmgame_leaderboards.web.projection import PART, Projection, Projector, data_uri, parts_of

from .builders import FakeStage, append, decision_line, header_line, line, outcome_line, write_record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "record.jsonl"


Made = Callable[[], Projection]


@pytest.fixture
def projection(path: Path, stage: FakeStage, pool: ThreadPoolExecutor) -> Made:
    """Makes a projection of the record as it is then."""

    def make() -> Projection:
        made = Projection(path, stage, pool)
        made.refresh()
        return made

    return make


@pytest.fixture
def busy(path: Path, projection: Made, stage: FakeStage) -> Projection:
    """Of a record of five parts, the first of which is being drawn, until the stage's gate is opened."""
    write_record(path, 5 * PART)
    stage.gate.clear()
    found = projection()
    found.sweep()
    assert stage.drawing.wait(10)
    return found


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def frames_of(part: dict[str, Any]) -> list[np.ndarray]:
    """A part's frames, those that were left out filled in."""
    found: list[np.ndarray] = []
    for uri in part["frames"]:
        found.append(found[-1] if uri is None else pixels(uri))
    return found


def expected(number: int, decisions: int, *, over: bool = True) -> dict[str, Any]:
    """A part's texts, seconds and shades: as the fake game has them."""
    moments = range(number * PART, min((number + 1) * PART, decisions + 1))
    return {
        "texts": [f"after {at}{', over' if over and at == decisions else ''}" for at in moments],
        "seconds": [at / 2 for at in moments],
        "shades": [at // 2 for at in moments],
    }


def told(part: dict[str, Any] | None) -> dict[str, Any]:
    assert part is not None
    shades = [int(frame[0, 0, 0]) + 256 * int(frame[0, 0, 1]) for frame in frames_of(part)]
    return {"texts": part["texts"], "seconds": part["seconds"], "shades": shades}


def test_a_picture_keeps_every_pixel():
    frame = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    assert np.array_equal(pixels(data_uri(frame)), frame)
    assert np.array_equal(pixels(data_uri(frame, quick=True)), frame)


@pytest.mark.parametrize("decisions", [0, 1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 5])
@pytest.mark.parametrize("over", [True, False])
def test_parts_hold_all_moments_and_the_end(decisions: int, over: bool, path: Path, projection: Made):
    write_record(path, decisions, over=over)
    found = projection()
    parts = [found.part(number) for number in range(parts_of(decisions))]
    assert [told(part) for part in parts] == [expected(n, decisions, over=over) for n in range(parts_of(decisions))]
    assert sum(len(part["texts"]) for part in parts if part) == decisions + 1
    # Each part can be shown alone; what looks as before is left out.
    assert all(part["frames"][0] for part in parts if part)
    if decisions > 1:
        assert parts[0] is not None and parts[0]["frames"][1] is None and parts[0]["frames"][2]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(parts_of(70))), length=st.integers(1, parts_of(70)))
def test_parts_in_any_order_are_the_same(order: Sequence[int], length: int, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.getbasetemp() / "permuted.jsonl"
    if not path.exists():
        write_record(path, 70)
    stage = FakeStage()
    with ThreadPoolExecutor(1) as pool:
        found = Projection(path, stage, pool)
        found.refresh()
        for number in order[:length]:
            assert told(found.part(number)) == expected(number, 70)
        found.close()
    assert not stage.misuses
    assert len(stage.drawn) == len(set(stage.drawn)), "a part was drawn twice"


def test_what_is_asked_for_comes_first_and_the_rest_in_between(busy: Projection, stage: FakeStage):
    assert busy.part(3, patience=0) is None
    stage.gate.set()
    assert told(busy.part(3)) == expected(3, 5 * PART)
    with busy._changed:
        assert busy._changed.wait_for(lambda: len(busy._parts) == parts_of(5 * PART), 10)
    assert [at // PART for at in stage.drawn[::PART]] == [0, 3, 4, 1, 2]


def test_of_parts_in_a_row_the_first_one_comes_first(busy: Projection, stage: FakeStage):
    """As the player asks for them: what it shows now, then what comes next. There is no way back but from the start."""
    assert busy.part(3, patience=0) is None and busy.part(4, patience=0) is None and len(busy._wanted) == 2
    stage.gate.set()
    assert told(busy.part(4)) == expected(4, 5 * PART)
    assert [at // PART for at in stage.drawn[::PART]][:3] == [0, 3, 4]


def test_parts_that_there_are_not(path: Path, projection: Made):
    write_record(path, PART)
    found = projection()
    assert found.part(7, patience=0.01) is None
    assert found.part(-1, patience=0.01) is None
    assert told(found.part(1)) == expected(1, PART)


def test_a_record_that_grows_is_drawn_as_far_as_it_goes(path: Path, projection: Made):
    append(path, header_line())
    found = projection()
    assert told(found.part(0)) == expected(0, 0, over=False)
    for index in range(PART * 2 + 3):
        append(path, decision_line(index, index + 1.0))
        assert found.refresh() and not found.refresh()
        for number in range(parts_of(index + 1)):
            assert told(found.part(number)) == expected(number, index + 1, over=False), (index, number)
    append(path, outcome_line(decisions=PART * 2 + 3))
    assert found.refresh()
    for number in (2, 0, 1):
        assert told(found.part(number)) == expected(number, PART * 2 + 3)


@pytest.mark.parametrize("grown", [1, 2, PART, PART + 1, 2 * PART + 3])
@pytest.mark.parametrize("begun", [0, PART - 1, PART])
def test_a_record_that_grows_by_much_at_once(begun: int, grown: int, path: Path, projection: Made):
    write_record(path, begun, over=False)
    found = projection()
    for number in range(parts_of(begun)):
        assert found.part(number)
    append(
        path, *(decision_line(index) for index in range(begun, begun + grown)), outcome_line(decisions=begun + grown)
    )
    found.refresh()
    for number in reversed(range(parts_of(begun + grown))):
        assert told(found.part(number)) == expected(number, begun + grown)


def test_a_restart_is_drawn_anew(path: Path, projection: Made, stage: FakeStage):
    write_record(path, PART + 2, over=False)
    found = projection()
    assert [told(found.part(n)) for n in (0, 1)] == [expected(n, PART + 2, over=False) for n in (0, 1)]
    append(path, line("restart", why="http_500"), decision_line(0))
    found.refresh()
    assert told(found.part(0)) == expected(0, 1, over=False)
    assert len(stage.replays) == 2 and stage.replays[0].closed
    append(path, *(decision_line(index) for index in range(1, PART + 1)))
    found.refresh()
    assert told(found.part(1)) == expected(1, PART + 1, over=False)


def test_a_restart_while_it_is_drawn(path: Path, projection: Made, stage: FakeStage):
    write_record(path, 5, over=False)
    stage.gate.clear()
    found = projection()
    found.sweep()
    assert stage.drawing.wait(10)
    append(path, line("restart", why="http_500"), decision_line(0), decision_line(1))
    found.refresh()
    stage.gate.set()
    assert told(found.part(0)) == expected(0, 2, over=False)
    assert not found.problem
    found.close()
    assert stage.replays[0].closed


def test_a_restart_after_a_failure(path: Path, projection: Made, stage: FakeStage):
    write_record(path, 5, over=False)
    stage.fails_at = 3
    found = projection()
    assert found.part(0) is None and found.problem
    append(path, line("restart", why="http_500"), decision_line(0))
    found.refresh()
    assert told(found.part(0)) == expected(0, 1, over=False) and not found.problem


def test_growth_while_it_is_drawn(path: Path, projection: Made, stage: FakeStage):
    write_record(path, 5, over=False)
    stage.gate.clear()
    found = projection()
    found.sweep()
    assert stage.drawing.wait(10)
    append(path, decision_line(5), decision_line(6), outcome_line(decisions=7))
    found.refresh()
    stage.gate.set()
    assert told(found.part(0)) == expected(0, 7)
    assert not found.problem


@pytest.mark.parametrize(
    "failure", [RecordError("It leads elsewhere. \x1b[2J"), KeyError("what a game of others raises")]
)
def test_what_stands_before_a_failure_is_shown(failure: Exception, path: Path, projection: Made, stage: FakeStage):
    write_record(path, 5 * PART)
    stage.fails_at, stage.failure = 2 * PART + 3, failure
    found = projection()
    assert told(found.part(1)) == expected(1, 5 * PART)
    assert found.part(4) is None
    assert ("elsewhere" in found.problem or "KeyError" in found.problem) and "\x1b" not in found.problem
    assert told(found.part(1)) == expected(1, 5 * PART)
    # What can't be drawn any more is told at once, and the game is let go of.
    assert found.part(2) is None and found.part(0) is None
    assert stage.replays[-1].closed


def test_a_stage_that_can_not_play_it(path: Path, projection: Made, stage: FakeStage, monkeypatch: pytest.MonkeyPatch):
    def refused(*_: object) -> Any:
        raise RecordError("It was played under other rules.")

    monkeypatch.setattr(stage, "replay", refused)
    write_record(path, 3)
    found = projection()
    assert found.part(0) is None and found.problem == "It was played under other rules."


def test_closed_while_it_is_drawn(path: Path, projection: Made, stage: FakeStage, pool: ThreadPoolExecutor):
    write_record(path, 5 * PART)
    stage.gate.clear()
    found = projection()
    with ThreadPoolExecutor(4) as visitors:
        asked = [visitors.submit(found.part, number) for number in (0, 1, 4, 0)]
        assert stage.drawing.wait(10)
        found.close()
        assert [one.result(10) for one in asked] == [None] * 4
        assert not stage.replays[0].closed, "it is still drawn by another thread"
        stage.gate.set()
    pool.shutdown(wait=True)
    assert stage.replays[0].closed and len(stage.drawn) <= PART


def test_many_visitors_at_once(path: Path, projection: Made, stage: FakeStage):
    write_record(path, 10 * PART)
    found = projection()
    wanted = [(7 * visitor + 3 * turn) % 11 for visitor in range(8) for turn in range(11)]
    with ThreadPoolExecutor(8) as visitors:
        parts = list(visitors.map(found.part, wanted, timeout=20))
    assert [told(part) for part in parts] == [expected(number, 10 * PART) for number in wanted]
    assert len(stage.drawn) == len(set(stage.drawn))


def test_many_visitors_while_it_grows(path: Path, projection: Made, stage: FakeStage):
    append(path, header_line())
    found = projection()

    def visit(visitor: int) -> None:
        for _ in range(30):
            found.refresh()
            known = len(found.log.decisions)
            part = found.part(known // PART)
            assert part is not None and part["seconds"][0] == known // PART * PART / 2

    with ThreadPoolExecutor(4) as visitors:
        asked = [visitors.submit(visit, visitor) for visitor in range(4)]
        for index in range(3 * PART):
            append(path, decision_line(index))
        append(path, outcome_line(decisions=3 * PART))
        for one in asked:
            one.result(20)
    found.refresh()
    assert [told(found.part(n)) for n in range(4)] == [expected(n, 3 * PART) for n in range(4)]
    assert not found.problem


def keep_stills(path: Path, moments: int) -> None:
    """What the fake game keeps while it is played, told apart from what it draws by being a pixel larger."""
    writer = StillsWriter(path)
    writer.publish()
    for at in range(moments):
        shade = at // 2
        frame = np.full((5, 7, 3), (shade % 256, shade // 256, 0), np.uint8)
        writer.add(frame, f"after {at}", score=float(at), seconds=at / 2)
    writer.close()


def kept(part: dict[str, Any] | None) -> bool:
    """Whether a part is made of stills."""
    assert part is not None
    shapes = {frame.shape for frame in frames_of(part)}
    assert len(shapes) == 1
    return shapes == {(5, 7, 3)}


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2)])
def test_stills_are_shown_without_playing_anything_again(
    order: Sequence[int], path: Path, projection: Made, stage: FakeStage
):
    write_record(path, 3 * PART + 2, over=False)
    keep_stills(path, 3 * PART + 3)
    stage.slow = True
    found = projection()
    parts = {number: found.part(number) for number in order}
    assert all(map(kept, parts.values())) and not stage.replays
    assert [told(parts[n]) for n in range(4)] == [expected(n, 3 * PART + 2, over=False) for n in range(4)]
    first = parts[0]
    assert first is not None and first["frames"][1] is None and first["frames"][2], "what looks as before is left out"


def test_stills_of_a_record_that_grows(path: Path, projection: Made, stage: FakeStage):
    append(path, header_line())
    writer = StillsWriter(path)
    writer.publish()
    stage.slow = True
    found = projection()
    for at in range(2 * PART + 2):
        writer.add(np.full((5, 7, 3), (at // 2, 0, 0), np.uint8), f"after {at}", score=float(at), seconds=at / 2)
        if at:
            append(path, decision_line(at - 1, float(at)))
            found.refresh()
        assert told(found.part(at // PART)) == expected(at // PART, at, over=False)
    writer.close()
    assert not stage.replays


def test_what_has_no_still_is_drawn(path: Path, projection: Made, stage: FakeStage):
    write_record(path, 4 * PART)
    keep_stills(path, 2 * PART + 3)
    stage.slow = True
    found = projection()
    parts = [found.part(number) for number in (4, 3, 2, 1, 0)]
    assert [kept(part) for part in parts] == [False, False, False, True, True]
    assert [told(part) for part in parts] == [expected(number, 4 * PART) for number in (4, 3, 2, 1, 0)]


def test_stills_of_another_episode_are_not_shown(path: Path, projection: Made, stage: FakeStage):
    write_record(path, PART, score=7.0)
    keep_stills(path, PART + 1)
    stage.slow = True
    assert not kept(projection().part(0)) and stage.replays


def test_stills_count_for_slow_games_alone(path: Path, projection: Made, stage: FakeStage):
    """Of others the moves are played again, which shows whether they lead to the scores."""
    write_record(path, PART)
    keep_stills(path, PART + 1)
    assert not kept(projection().part(0)) and stage.replays


@pytest.mark.parametrize("order", [(0, 5, 1), (5, 1, 0), (2, 0)])
def test_stills_are_shown_even_where_nothing_can_be_drawn(
    order: Sequence[int], path: Path, projection: Made, stage: FakeStage, monkeypatch: pytest.MonkeyPatch
):
    """As where the emulator isn't installed, or the rules have changed."""

    def refused(*_: object) -> Any:
        raise RecordError("It was played under other rules.")

    monkeypatch.setattr(stage, "replay", refused)
    write_record(path, 6 * PART)
    keep_stills(path, 2 * PART)
    stage.slow = True
    found = projection()
    assert [found.part(number) is not None for number in order] == [number < 2 for number in order]
    assert found.problem == "It was played under other rules."
    assert all(kept(found.part(number)) for number in (0, 1))


@pytest.mark.parametrize("order", [(4, 0, 2), (2, 4, 1), (0, 1, 2, 3, 4)])
def test_of_a_slow_game_nothing_is_played_twice(order: Sequence[int], path: Path, projection: Made, stage: FakeStage):
    write_record(path, 5 * PART - 3)
    stage.slow = True
    found = projection()
    for number in order:
        assert told(found.part(number)) == expected(number, 5 * PART - 3)
    assert len(stage.replays) == 1 and stage.drawn == sorted(set(stage.drawn))


def test_size_is_that_of_the_parts_there_are(path: Path, projection: Made):
    append(path, header_line())
    found = projection()
    for index in range(PART + 2):
        append(path, decision_line(index))
        found.refresh()
        found.part((index + 1) // PART)
    parts = [found.part(number) for number in (0, 1)]
    assert found.size == sum(len(told or "") for part in parts if part for told in (*part["frames"], *part["texts"]))


def test_records_looked_at_longest_ago_are_let_go_of(tmp_path: Path, stage: FakeStage, pool: ThreadPoolExecutor):
    paths = [write_record(tmp_path / f"{name}.jsonl", PART) for name in "abc"]
    projector = Projector(stage, pool, room=1)
    first = projector.of(paths[0])
    assert first.part(0) and first.size > 1
    assert projector.of(paths[0]) is first, "the one that is looked at stays, whatever it takes"
    second = projector.of(paths[1])
    assert first.part(1, patience=0) is None or first._closed
    assert projector.of(paths[1]) is second
    assert projector.of(paths[0]) is not first
    projector.close()
    assert second._closed


def test_a_record_that_can_not_be_read_is_not_kept(tmp_path: Path, stage: FakeStage, pool: ThreadPoolExecutor):
    path = tmp_path / "record.jsonl"
    projector = Projector(stage, pool)
    with pytest.raises(RecordError):
        projector.of(path)
    path.write_bytes(b"no record\n")
    with pytest.raises(RecordError):
        projector.of(path)
    path.unlink()
    write_record(path, 1)
    assert told(projector.of(path).part(0)) == expected(0, 1)
    append(path, b"more\n")
    with pytest.raises(RecordError):
        projector.of(path)
    projector.close()
