"""Identity of requests, and reading what older and newer lmgames wrote."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmgame_common import RecordError
from lmgame_leaderboards import (
    EpisodeWriter,
    RunFolder,
    RunRecord,
    RunRequest,
    Versions,
    read_episode,
    read_run,
    request_id,
)
from lmgame_leaderboards.migrations import MIGRATIONS, Migration
from lmgame_leaderboards.schema import canonical_json

from .conftest import make_decision, make_header, make_run

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def asked(**changed: Any) -> dict[str, Any]:
    request = {"model": "m", "games": [{"game": "tetris", "preset": "standard", "version": 1}], "seeds": [0, 1]}
    return request | changed


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(), JSON))
def test_canonical_json_forgets_order_and_none(value: dict[str, Any]) -> None:
    shuffled = dict(reversed(value.items()))
    assert canonical_json(shuffled) == canonical_json(value)
    assert canonical_json(value | {"\x00new": None}) == canonical_json(
        {k: v for k, v in value.items() if k != "\x00new"}
    )


def test_ids_are_stable() -> None:
    # Changing this means that nobody's runs are found again: think twice.
    canonical = (
        '{"clock":"paused","games":[{"game":"tetris","options":{},"preset":"standard"}],"harness":[],"history":0,'
        '"model":"m","sampling":{},"seeds":[0,1]}'
    )
    assert request_id(asked()) == hashlib.sha256(canonical.encode()).hexdigest()[:10]


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "other"},
        {"seeds": [1, 0]},
        {"seeds": [0]},
        {"clock": "realtime"},
        {"sampling": {"temperature": 0.5}},
        {"harness": ["memory"]},
        {"history": 2},
        {"observation": "text"},
        {"max_decisions": 10},
        {"structured": False},
        {"base_url": "http://127.0.0.1:1/v1"},
        {"games": [{"game": "tetris", "preset": "standard", "version": 1, "options": {"stage": "1-1"}}]},
        {"something_new": 1},
    ],
)
def test_whatever_could_change_the_outcome_changes_the_id(changed: dict[str, Any]) -> None:
    assert request_id(asked(**changed)) != request_id(asked())


def test_same_command_same_id() -> None:
    newer = asked(games=[{"game": "tetris", "preset": "standard", "version": 2}], something_new=None, seeds=(0, 1))
    assert request_id(newer) == request_id(asked()) == request_id(RunRequest.model_validate(asked()))


def test_no_key_gets_into_a_request() -> None:
    request = RunRequest.model_validate(
        asked(model="https://me:sk-1@host:8/v1?key=sk-2#m", base_url="https://sk-3@host/v1?key=sk-4")
    )
    assert request.model == "https://host:8/v1#m"
    assert request.base_url == "https://host/v1"
    assert RunRequest.model_validate(asked(model="openai/gpt-5@2026?x")).model == "openai/gpt-5@2026?x"


def test_a_run_names_its_episodes_in_order() -> None:
    games = [{"game": game, "preset": "standard", "version": 1} for game in ("tetris", "mario")]
    record = RunRecord.begin(asked(games=games), Versions(lmgame="0.1.0", python="3.13"))
    assert record.episodes() == [
        "tetris-standard-0",
        "tetris-standard-1",
        "mario-standard-0",
        "mario-standard-1",
    ]
    assert record.created.endswith("+00:00")


def write_lines(path: Path, *lines: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_an_older_episode_is_read_through_its_migration_and_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    old = {key: value for key, value in make_decision(0).items() if key != "moves"} | {"actions": "left hard_drop"}
    write_lines(path, {"type": "header", "schema_version": 0, **make_header()}, {"type": "decision", **old})
    before = path.read_bytes()

    def line_0_to_1(line: dict[str, Any]) -> dict[str, Any]:
        if line["type"] == "decision":
            line["moves"] = line.pop("actions").split()
        return line

    with pytest.raises(RecordError, match="none of ours"):
        read_episode(path)
    monkeypatch.setitem(MIGRATIONS, 0, Migration(line=line_0_to_1))
    log = read_episode(path)
    assert log.decisions == [{"type": "decision", **make_decision(0)}]
    with pytest.raises(RecordError, match="begun in record format 0; this lmgame writes 1"):
        EpisodeWriter.open(path, make_header())
    assert path.read_bytes() == before


def test_an_older_run_is_read_through_its_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = make_run()
    data: dict[str, Any] = record.model_dump(mode="json")
    data["schema_version"] = 0
    data["request"]["seed_list"] = data["request"].pop("seeds")
    (tmp_path / "run.json").write_text(json.dumps(data))

    def run_0_to_1(run: dict[str, Any]) -> dict[str, Any]:
        run["request"]["seeds"] = run["request"].pop("seed_list")
        return run

    monkeypatch.setitem(MIGRATIONS, 0, Migration(run=run_0_to_1))
    assert read_run(tmp_path) == record
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(RecordError, match=r"begun in record format 0; .* Continue it with lmgame 0\.1\.0"):
        RunFolder.open(tmp_path, make_run())
    assert (tmp_path / "run.json").read_bytes() == before


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"schema_version": 9, "lmgame": "4.2.0"}, r"lmgame 4\.2\.0 in record format 9.*install 'lmgame>=4\.2\.0'"),
        ({"schema_version": 9}, r"a newer lmgame.*install --upgrade lmgame"),
        ({"schema_version": "1"}, "should be a number"),
        ({"schema_version": -1}, "should be a number"),
        ({}, "should be a number"),
    ],
)
def test_other_versions_are_refused_with_what_to_install(tmp_path: Path, header: dict[str, Any], message: str) -> None:
    episode = tmp_path / "a.jsonl"
    write_lines(episode, {"type": "header", **make_header(), **header})
    with pytest.raises(RecordError, match=message):
        read_episode(episode)
    with pytest.raises(RecordError, match=message):
        EpisodeWriter.open(episode, make_header())

    versions = {"lmgame": header["lmgame"]} if "lmgame" in header else {}
    (tmp_path / "run.json").write_text(json.dumps({"versions": versions, **header, "future": [1]}))
    with pytest.raises(RecordError, match=message):
        read_run(tmp_path)
