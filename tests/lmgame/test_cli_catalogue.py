"""What `lmgame games` prints of games for one and for two."""

import pytest
from typer.testing import CliRunner

from lmgame.cli import app
from lmgame_games import games


def printed(*arguments: str, width: int = 80) -> str:
    result = CliRunner().invoke(app, ["games", *arguments], env={"COLUMNS": str(width)})
    assert result.exit_code == 0, result.output
    return result.output


def test_the_list_tells_games_for_one_from_those_for_two():
    one, two = printed().split("For two players")
    for found in games().values():
        within, elsewhere = (one, two) if found.seats == 1 else (two, one)
        rows = [line for line in within.splitlines() if line.startswith(f"{found.name} ")]
        assert [row.split()[1] for row in rows] == list(found.presets)
        assert not [line for line in elsewhere.splitlines() if line.startswith(f"{found.name} ")]


def test_names_and_scores_are_whole_on_a_narrow_terminal():
    rows = {line.split()[0]: line for line in printed().splitlines() if line.endswith(("0.92", "0.99"))}
    assert rows["tic-tac-toe"].split() == ["tic-tac-toe", "standard", "Tic-tac-toe", "0.50", "0.92"]
    assert rows["connect4"].split()[2:4] == ["Connect", "Four"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("connect4", "they take turns"),
        ("connect4", "the seat is asked again. 3 in a row lose the game."),
        ("connect4", "against random, seats swapped on each seed"),
        ("tetris-versus", "both move at once"),
        ("holdem", "a check where that is possible, else a fold."),
        ("tetris", "10 in a row end the game."),
        ("tetris", "in a match both play the same seed"),
    ],
)
def test_a_card_tells_who_moves_and_what_a_fault_costs(name: str, told: str):
    assert told in printed(name, width=300)
