"""From records to played games."""

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
    LatencySummary,
    PlayerRecord,
    RunFolder,
    RunRecord,
    UsageTotals,
    Versions,
    played_game,
    played_games,
    read_episode,
    result_folders,
)
from tests.leaderboards.conftest import make_decision, make_header, make_run

PLAYERS = [
    PlayerRecord(model="stub", base_url="http://a/v1", sampling={"temperature": 0.5, "top_p": None}),
    PlayerRecord(model="random", reference=True),
]
VERSIONS = Versions(lmgame="0.1.0", python="3.13.1", rom="f" * 64)


def arena_record() -> ArenaRecord:
    request = ArenaRequestRecord(games=[GameRequest(game="connect4", preset="standard", version=1)])
    return ArenaRecord.begin(request, PLAYERS, VERSIONS)


def seated_header(seats: int, **changed: Any) -> dict[str, Any]:
    told = [
        {"player": player.model_dump(mode="json"), "observation": "text", "prompt_hash": f"hash{number}"}
        for number, player in enumerate(PLAYERS[:seats])
    ]
    return make_header(
        seats=told, versions=VERSIONS.model_dump(mode="json"), max_decisions=50, model="stub vs random", **changed
    )


def write_shared(path: Path, *, over: bool = True) -> None:
    with EpisodeWriter.open(path, seated_header(2, game="connect4", episode=path.stem)) as writer:
        writer.decision(**make_decision(0, seat=0))
        writer.decision(**make_decision(1, seat=1))
        writer.fault(index=2, kind="http_500", seat=1)
        writer.restart(why="http_500", seat=1)
        writer.decision(**make_decision(0, seat=0, verdict="illegal", usage=None, latency={"total": 2.0}))
        writer.decision(**make_decision(1, seat=1, latency={"total": 3.0}))
        writer.decision(**make_decision(2, seat=0, latency={"total": 4.0}))
        if over:
            writer.outcome(outcome="four_in_a_row", score=0.0, scores=[0.0, 1.0], decisions=3, time=77.0)


def test_a_run_becomes_games(run: Path) -> None:
    games = played_games(run)
    assert [(game.seed, game.seats[0].score, game.outcome) for game in games] == [
        (0, 10.0, "topped_out"),
        (1, 20.0, "topped_out"),
    ]
    game = games[0]
    assert game.conditions == {
        "game": "tetris",
        "preset": "standard",
        "version": 1,
        "options": {},
        "clock": "paused",
        "max_decisions": None,
        "rom": None,
    }
    assert game.run == make_run().id and game.episode == "tetris-standard-0"
    assert game.source == str(run / "episodes" / "tetris-standard-0.jsonl")
    assert game.finished > 1e9
    (seat,) = game.seats
    assert seat.player == PlayerRecord(model="stub")
    assert (seat.observation, seat.prompt_hash, seat.decisions) == ("text", "aa", 2)
    assert seat.verdicts == {"ok": 1, "unparsable": 1}
    assert seat.infrastructure_faults == 1
    assert seat.usage == UsageTotals(100, None, 7, None, None)
    assert seat.latency == LatencySummary(0.5, 0.5, 0.5, 0.1, 0.02)


def test_a_shared_game_is_told_seat_by_seat(tmp_path: Path) -> None:
    write_shared(tmp_path / "one.jsonl")
    game = played_game(read_episode(tmp_path / "one.jsonl"), "arena-id")
    assert (game.run, game.episode, game.outcome, game.finished) == ("arena-id", "one", "four_in_a_row", 77.0)
    assert game.max_decisions == 50
    assert [seat.player for seat in game.seats] == PLAYERS
    first, second = game.seats
    assert (first.score, second.score) == (0.0, 1.0)
    assert (first.decisions, second.decisions) == (2, 1)
    assert (first.verdicts, second.verdicts) == ({"illegal": 1, "ok": 1}, {"ok": 1})
    assert (first.infrastructure_faults, second.infrastructure_faults) == (0, 1)
    assert (first.prompt_hash, second.prompt_hash) == ("hash0", "hash1")
    # What a restart made void was paid for all the same.
    assert (first.usage.prompt_tokens, second.usage.prompt_tokens) == (200, 200)
    assert (first.latency.mean, second.latency.mean) == (3.0, 3.0)


def test_the_same_player_under_the_same_conditions_is_one_game(tmp_path: Path) -> None:
    """Whether `play` or an arena let it play."""
    request = {"sampling": {"temperature": 0.5}, "base_url": "http://elsewhere/v1"}
    run = make_run(request, prompt_hashes={"tetris/standard": "hash0"})
    with EpisodeWriter.open(tmp_path / "a.jsonl", make_header(max_decisions=50)) as writer:
        writer.outcome(outcome="topped_out", score=1.0, decisions=0)
    with EpisodeWriter.open(tmp_path / "b.jsonl", seated_header(1)) as writer:
        writer.outcome(outcome="topped_out", score=2.0, decisions=0)
    alone = played_game(read_episode(tmp_path / "a.jsonl"), run)
    raced = played_game(read_episode(tmp_path / "b.jsonl"))
    assert alone.key == raced.key
    assert alone.seats[0].player.key == raced.seats[0].player.key


@pytest.mark.parametrize(("game", "rom"), [("tetris", None), ("mario", "f" * 64)])
def test_a_cartridge_belongs_to_the_game_that_has_one(game: str, rom: str | None, tmp_path: Path) -> None:
    with EpisodeWriter.open(tmp_path / "a.jsonl", seated_header(1, game=game)) as writer:
        writer.outcome(outcome="over", score=1.0, decisions=0)
    assert played_game(read_episode(tmp_path / "a.jsonl")).rom == rom


def test_an_arena_becomes_games(tmp_path: Path) -> None:
    with ArenaFolder.open(tmp_path / "arena", arena_record()) as folder:
        write_shared(folder.game_path("b"))
        write_shared(folder.game_path("a"))
        write_shared(folder.game_path("unfinished"), over=False)
    games = played_games(tmp_path / "arena")
    assert [game.episode for game in games] == ["a", "b"]
    assert {game.run for game in games} == {arena_record().id}


def test_what_is_damaged_is_named_and_left_out(run: Path) -> None:
    record = run / "episodes" / "tetris-standard-0.jsonl"
    record.write_text(record.read_text().replace('"seed":0', '"seed":"zero"'))
    with pytest.raises(RecordError, match=r"tetris-standard-0\.jsonl"):
        played_games(run)
    problems: list[RecordError] = []
    assert [game.seed for game in played_games(run, problems.append)] == [1]
    assert len(problems) == 1 and "tetris-standard-0.jsonl, line 1 is damaged" in str(problems[0])


@pytest.mark.parametrize(
    ("header", "score", "said"),
    [
        ({"seed": 2**64}, 1.0, "18446744073709551616 is out of range"),
        ({"game": "a\0b"}, 1.0, "characters that can't be stored"),
        ({"preset": "\ud800"}, 1.0, None),  # the writer makes a question mark of it
        ({"seats": [{"player": {"name": "no model"}}]}, 1.0, "model: Field required"),
    ],
)
def test_what_no_database_can_hold(header: dict[str, Any], score: float, said: str | None, tmp_path: Path) -> None:
    with EpisodeWriter.open(tmp_path / "a.jsonl", seated_header(1) | header) as writer:
        writer.outcome(outcome="over", score=score, decisions=0)
    if said is None:
        assert played_game(read_episode(tmp_path / "a.jsonl")).preset == "?"
    else:
        with pytest.raises(RecordError, match=said):
            played_game(read_episode(tmp_path / "a.jsonl"))


def test_scores_that_are_no_numbers(tmp_path: Path) -> None:
    with EpisodeWriter.open(tmp_path / "a.jsonl", seated_header(1)) as writer:
        writer.outcome(outcome="over", score=1.5, decisions=0)
    (tmp_path / "a.jsonl").write_text((tmp_path / "a.jsonl").read_text().replace('"score":1.5', '"score":NaN'))
    with pytest.raises(RecordError, match="nan isn't finite"):
        played_game(read_episode(tmp_path / "a.jsonl"))


def test_a_record_by_itself_must_say_who_plays(run: Path) -> None:
    log = read_episode(run / "episodes" / "tetris-standard-0.jsonl")
    with pytest.raises(RecordError, match="give the folder of its run"):
        played_game(log)
    log.outcome = None
    with pytest.raises(RecordError, match="isn't finished"):
        played_game(log, make_run())


def test_a_shared_game_needs_all_its_scores(tmp_path: Path) -> None:
    with EpisodeWriter.open(tmp_path / "a.jsonl", seated_header(2)) as writer:
        writer.outcome(outcome="over", score=1.0, scores=[1.0], decisions=0)
    with pytest.raises(RecordError, match=r"a\.jsonl"):
        played_game(read_episode(tmp_path / "a.jsonl"))


def test_folders_are_found_at_any_depth(tmp_path: Path) -> None:
    for name in ("x/run-2", "run-1"):
        with RunFolder.open(tmp_path / name, RunRecord.begin(make_run().request, VERSIONS)):
            pass
    with ArenaFolder.open(tmp_path / "x" / "y" / "arena", arena_record()):
        pass
    (tmp_path / "empty").mkdir()
    assert result_folders(tmp_path) == [tmp_path / "run-1", tmp_path / "x" / "run-2", tmp_path / "x" / "y" / "arena"]
    assert result_folders(tmp_path / "run-1") == [tmp_path / "run-1"]
    assert result_folders(tmp_path / "empty") == []
