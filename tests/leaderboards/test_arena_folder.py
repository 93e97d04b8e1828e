"""The folder of an arena: what it is continued as, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from lmgame_common import RecordError
from lmgame_leaderboards import (
    ArenaFolder,
    ArenaRecord,
    ArenaRequestRecord,
    EpisodeWriter,
    GameRequest,
    PlayerRecord,
    RunFolder,
    Versions,
    arena_path,
    read_arena,
)

from .conftest import make_run

A, B, C = (PlayerRecord(model=name) for name in "abc")


def record(*players: PlayerRecord, version: int = 1, command: str = "", **fields: Any) -> ArenaRecord:
    hashes, rom = fields.pop("hashes", {"tetris/standard": "aa"}), fields.pop("rom", None)
    games = [GameRequest(game="tetris", preset="standard", version=version)]
    request = ArenaRequestRecord(games=games, **fields)
    versions = Versions(lmgame="1", python="3.13", rom=rom)
    return ArenaRecord.begin(request, players, versions, prompt_hashes=hashes, command=command)


def test_players_are_added_and_nothing_else_changes(tmp_path: Path):
    path = tmp_path / "arena"
    with ArenaFolder.open(path, record(A, B, command="first")) as folder:
        assert not folder.continued
        created = folder.record.created
    with ArenaFolder.open(path, record(C, A, command="second")) as folder:
        assert folder.continued
        assert [player.model for player in folder.record.players] == ["a", "b", "c"]
    found = read_arena(path)
    assert found == folder.record and found.created == created and found.command == "second"


def test_models_and_pairs_are_no_part_of_the_identity():
    assert record(A).id == record(B, C).id == record(A, version=2).id
    assert record(A).id != record(A, seed=1).id
    assert len({record(A, **{name: value}).id for name, value in (("clock", "realtime"), ("history", 3))}) == 2
    assert str(arena_path("abc")) == "runs/arena-abc"


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"seed": 3}, "seed"),
        ({"version": 2}, "rules of tetris"),
        ({"hashes": {"tetris/standard": "bb"}}, "prompt of tetris/standard"),
        ({"rom": "cc"}, "cartridge"),
    ],
)
def test_what_does_not_belong_together_is_refused(tmp_path: Path, asked: dict[str, Any], complaint: str):
    ArenaFolder.open(tmp_path / "arena", record(A, B)).close()
    with pytest.raises(RecordError, match=complaint):
        ArenaFolder.open(tmp_path / "arena", record(A, B, **asked))
    ArenaFolder.open(tmp_path / "arena", record(A, B)).close()


def test_a_folder_in_use_is_refused(tmp_path: Path):
    with (
        ArenaFolder.open(tmp_path / "arena", record(A)),
        pytest.raises(RecordError, match=r"in use by process \d+"),
    ):
        ArenaFolder.open(tmp_path / "arena", record(A))


def test_a_folder_with_something_else_is_refused(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RecordError, match=r"notes\.txt"):
        ArenaFolder.open(tmp_path, record(A))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(RecordError, match="no arena's folder"):
        read_arena(tmp_path)


def test_games_and_what_is_unplayed(tmp_path: Path):
    path = tmp_path / "arena"
    folder = ArenaFolder.open(path, record(A))
    folder.discard_if_unplayed()
    assert not path.exists()
    folder = ArenaFolder.open(path, record(A))
    header = {"episode": "g", "game": "tetris", "preset": "standard", "version": 1, "seed": 0, "model": "a"}
    with EpisodeWriter.open(folder.game_path("g"), header) as writer:
        assert not folder.finished("g") and not folder.finished("other")
        writer.outcome(outcome="over", score=1.0, decisions=0)
    assert folder.finished("g")
    folder.discard_if_unplayed()
    assert path.exists()
    with pytest.raises(RecordError, match="can't name"):
        folder.game_path("../g")
    folder.close()


def test_a_damaged_record_is_told(tmp_path: Path):
    ArenaFolder.open(tmp_path / "arena", record(A)).close()
    file = tmp_path / "arena" / "arena.json"
    whole = json.loads(file.read_text())
    file.write_text(json.dumps({**whole, "players": 3}))
    with pytest.raises(RecordError, match="players"):
        read_arena(tmp_path / "arena")
    file.write_text(json.dumps({**whole, "schema_version": 99}))
    with pytest.raises(RecordError, match="99"):
        read_arena(tmp_path / "arena")


def test_a_run_and_an_arena_do_not_share_a_folder(tmp_path: Path):
    ArenaFolder.open(tmp_path / "arena", record(A)).close()
    with pytest.raises(RecordError, match=r"arena\.json"):
        RunFolder.open(tmp_path / "arena", make_run())
