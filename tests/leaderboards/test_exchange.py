"""Played games as files, out and in again."""

import csv
import json
from pathlib import Path

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmgame_common import RecordError, UsageError
from lmgame_leaderboards import PlayedGame
from lmgame_leaderboards.exchange import read_games, write_games
from tests.leaderboards.played import make_game, make_player, make_seat, make_shared

GAMES = [make_shared(3, source=""), make_game(1, clock="realtime", max_decisions=None, source="")]


def test_json_lines_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    assert write_games(GAMES, path) == 2
    assert read_games(path) == GAMES
    assert [game.key for game in read_games(path)] == [game.key for game in GAMES]
    with pytest.raises(RecordError, match="exists"):
        write_games(GAMES, path)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(
    game=st.builds(
        make_game,
        st.integers(0, 2**31),
        st.lists(st.builds(make_seat, st.builds(make_player, TEXTS, history=st.integers(0, 9)), NUMBERS), min_size=1)
        .filter(lambda seats: len(seats) < 3)
        .map(tuple),
        outcome=TEXTS,
        options=st.dictionaries(TEXTS, st.integers() | TEXTS | st.booleans(), max_size=2),
        finished=NUMBERS,
        source=st.just(""),
    )
)
def test_any_game_comes_back_as_it_was(game: PlayedGame, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("any") / "out.jsonl"
    write_games([game], path)
    assert read_games(path) == [game]


def test_where_records_lie_is_nobody_elses_business(tmp_path: Path) -> None:
    for name in ("out.jsonl", "out.csv"):
        write_games([make_game(0, source="/home/me/runs/x")], tmp_path / name)
        assert "/home/me" not in (tmp_path / name).read_text()


def test_what_is_damaged_is_named_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    write_games([make_game(seed, source="") for seed in range(4)], path)
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace('"seed":0', '"seed":1e99')
    lines[2] = lines[2][:50]
    lines.insert(3, json.dumps({"type": "of a later lmgame"}))
    path.write_text("\n".join(lines))
    with pytest.raises(RecordError, match="line 2 is damaged"):
        read_games(path)
    problems: list[RecordError] = []
    assert [game.seed for game in read_games(path, problems.append)] == [2, 3]
    assert [str(problem).partition(" is")[0] for problem in problems] == [f"{path}, line 2", f"{path}, line 3"]


@pytest.mark.parametrize("content", ["", "no JSON", "[]", '{"type": "header"}', '{"type": "game"}'])
def test_other_files_are_told_from_ours(content: str, tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    path.write_text(content)
    with pytest.raises(RecordError, match="no file of `lmgame results export"):
        read_games(path)


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    path.write_text('{"type": "results", "schema_version": 2, "lmgame": "9.0"}\n')
    with pytest.raises(RecordError, match=r"lmgame>=9\.0"):
        read_games(path)


def test_tables_have_a_row_a_seat(tmp_path: Path) -> None:
    nasty = make_game(0, (make_seat(make_player('=HYPERLINK("x")'), verdicts={"timeout": 4}),))
    write_games([nasty, make_shared(2)], tmp_path / "out.csv")
    rows = list(csv.DictReader((tmp_path / "out.csv").open(newline="", encoding="utf-8")))
    assert [(row["game"], row["seat"], row["model"], row["score"]) for row in rows] == [
        ("tetris", "0", '\'=HYPERLINK("x")', "10.0"),
        ("connect4", "0", "a", "1.0"),
        ("connect4", "1", "b", "0.0"),
    ]
    assert [row["reference"] for row in rows] == ["0", "0", "1"]
    assert rows[0]["key"] == nasty.key and rows[0]["player"] == nasty.seats[0].player.key
    assert (rows[0]["verdict_timeout"], rows[0]["verdict_ok"], rows[1]["verdict_ok"]) == ("4", "0", "6")
    assert json.loads(rows[1]["settings"])["sampling"] == {"temperature": 0.5}
    assert rows[1]["latency_p95"] == "0.9" and rows[1]["cost_usd"] == "0.25"
    write_games([nasty, make_shared(2)], tmp_path / "out.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["score"] for row in table] == [10.0, 1.0, 0.0]
    assert table[0]["model"] == '=HYPERLINK("x")'


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.jsonl, \.csv or \.parquet"):
        write_games([], tmp_path / "out.xlsx")
