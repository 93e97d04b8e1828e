"""Connect Four and Tic-tac-toe: lines, openings, endings and players."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmgame_agents.parser import parse_answer
from lmgame_common import GameError, UnknownNameError, UsageError
from lmgame_games import Move, card, make, make_shared
from lmgame_games.baselines import measure, play_shared, random_move
from lmgame_games.connect4 import player as connect4
from lmgame_games.connect4.env import GRID as CONNECT4
from lmgame_games.connect4.env import ConnectFourEnv
from lmgame_games.line_game.grid import Grid
from lmgame_games.tic_tac_toe.env import GRID as TIC_TAC_TOE
from lmgame_games.tic_tac_toe.env import TicTacToeEnv
from lmgame_games.tic_tac_toe.player import best_action, value

GAMES = {"connect4": ConnectFourEnv, "tic-tac-toe": TicTacToeEnv}


def cells(grid: Grid, stones: int) -> set[tuple[int, int]]:
    return {(c, r) for c in range(grid.columns) for r in range(grid.rows) if stones & grid.bit(c, r)}


def lines(grid: Grid, taken: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """All cells of winning lines, by trying each line there is."""
    found: set[tuple[int, int]] = set()
    for column, row in taken:
        for across, up in ((1, 0), (0, 1), (1, 1), (1, -1)):
            line = {(column + k * across, row + k * up) for k in range(grid.line)}
            if line <= taken:
                found |= line
    return found


@given(st.sampled_from([CONNECT4, TIC_TAC_TOE]), st.data())
def test_lines_are_those_found_by_trying_each(grid: Grid, data: st.DataObject):
    chosen = data.draw(st.sets(st.tuples(st.integers(0, grid.columns - 1), st.integers(0, grid.rows - 1))))
    stones = sum(grid.bit(column, row) for column, row in chosen)
    assert cells(grid, grid.wins(stones)) == lines(grid, chosen)
    assert grid.has_won(stones) is bool(lines(grid, chosen))


@given(st.lists(st.integers(0, 6), max_size=42))
def test_stones_fall_on_those_below(columns: list[int]):
    heights, taken = [0] * 7, 0
    for column in columns:
        cell = CONNECT4.cell_of(column, taken)
        if heights[column] == 6:
            assert cell == 0 and column not in CONNECT4.legal(taken)
            continue
        assert cell == CONNECT4.bit(column, heights[column])
        heights[column] += 1
        taken |= cell


@pytest.mark.parametrize("name", GAMES)
def test_openings_are_quiet_and_the_seed_s(name: str):
    openings = set()
    for seed in range(60):
        game = make_shared(name, render_mode=None)
        game.reset(seed=seed)  # type: ignore[attr-defined]
        position = game.view("player_0")
        stones = card(name).seed
        assert position.own.bit_count() == position.other.bit_count() > 0, stones
        assert position.to_move
        for own in (position.own, position.other):
            for action in position.grid.legal(position.taken):
                assert not position.grid.has_won(own | position.grid.cell_of(action, position.taken))
        openings.add((position.own, position.other))
    assert len(openings) > 20


@pytest.mark.parametrize("name", GAMES)
def test_faults_can_not_use_the_decisions_up(name: str):
    """Answers that can't be used, never `forfeit_after` in a row, must not turn a loss into a draw."""
    game = make_shared(name, render_mode=None)
    game.reset(seed=0)  # type: ignore[attr-defined]
    position = game.view("player_0")
    moves = -(-(position.grid.full & ~position.taken).bit_count() // 2)
    assert card(name).max_decisions > moves * card(name).forfeit_after


def play_out(name: str, moves: list[str]) -> ConnectFourEnv | TicTacToeEnv:
    """A game from the empty grid."""
    game = GAMES[name](render_mode="rgb_array")
    game._opening = 0
    game.reset(seed=0)
    for move in moves:
        game.step(game.action(game.agent_selection, Move(move)))
    return game


def test_a_line_wins():
    game = play_out("connect4", ["column_1", "column_2", "column_1", "column_2", "column_1", "column_2", "column_1"])
    assert game.over and game.outcome() == "four_in_a_row"
    assert game.scores() == {"player_0": 1.0, "player_1": 0.0}
    assert game.rewards == {"player_0": 1.0, "player_1": -1.0}
    assert "you won" in game.text("player_0") and "you lost" in game.text("player_1")
    with pytest.raises(GameError, match="not possible now"):
        game.action("player_1", Move("column_3"))


def test_a_full_grid_without_a_line_is_a_draw():
    game = play_out("tic-tac-toe", ["a1", "b1", "c1", "b2", "a2", "c2", "b3", "a3", "c3"])
    assert game.outcome() == "full_board"
    assert game.scores() == {"player_0": 0.5, "player_1": 0.5}
    assert game.rewards == {"player_0": 0.0, "player_1": 0.0}


def test_illegal_moves_are_told_and_change_nothing():
    game = play_out("connect4", ["column_1"] * 6)
    before = game.text("player_0")
    problem = game.problem("player_0", Move("column_1"))
    assert problem is not None and "possible are column_2" in problem
    with pytest.raises(GameError):
        game.step(0)
    assert game.text("player_0") == before and game.agent_selection == "player_0"
    assert game.idle("player_0") is None, "an unusable answer is asked again"


def test_forfeits_lose_and_what_is_cut_short_is_a_draw():
    game = play_out("tic-tac-toe", ["a1"])
    game.forfeit("player_0")
    assert game.over and game.outcome() == "forfeit" and game.scores()["player_1"] == 1.0
    game = play_out("tic-tac-toe", ["a1"])
    game.adjudicate()
    assert game.over and set(game.scores().values()) == {0.5}


def test_text_and_frame_tell_the_same_names():
    game = play_out("tic-tac-toe", ["c1", "a3"])
    assert game.text("player_0").splitlines() == [
        "You are X, the other player is O. Your turn. Last stone: a3",
        "  a b c",
        "1 . . X",
        "2 . . .",
        "3 O . .",
    ]
    observation = game.observe("player_1")
    assert observation["observation"][2, 0].tolist() == [1, 0] and observation["observation"][0, 2].tolist() == [0, 1]
    assert observation["action_mask"].sum() == 0, "it is not this seat's turn"
    assert game.observe("player_0")["action_mask"].tolist() == [1, 1, 0, 1, 1, 1, 0, 1, 1]
    for name in GAMES:
        frame = GAMES[name](render_mode="rgb_array")
        frame.reset(seed=0)
        assert all(side % 32 == 0 for side in frame.frame("player_0").shape[:2])


@pytest.mark.parametrize(
    ("name", "answer", "move"),
    [
        ("connect4", '{"moves": ["column_3"]}', "column_3"),
        ("connect4", '{"moves": ["3"]}', "column_3"),
        ("connect4", "I block the threat.\nmove: column 5", "column_5"),
        ("connect4", '{"move": "Col 7"}', "column_7"),
        ("tic-tac-toe", '{"moves": ["B2"]}', "b2"),
        ("tic-tac-toe", "**Move:** top left", "a1"),
        ("tic-tac-toe", '{"moves": ["center"]}', "b2"),
        ("tic-tac-toe", '{"moves": ["3c"]}', "c3"),
    ],
)
def test_answers_as_models_write_them(name: str, answer: str, move: str):
    assert [str(found) for found in parse_answer(answer, card(name)).moves] == [move]


def test_tic_tac_toe_is_a_draw_and_its_player_never_loses():
    assert value(0, 0) == 0
    assert value(0b11, 0) > 0  # two in a column, to move
    for first, second in itertools.permutations(range(9), 2):
        own, other = TIC_TAC_TOE.cell_of(first, 0), TIC_TAC_TOE.cell_of(second, 0)
        expected = value(own, other)
        action = best_action(own, other)
        after = -value(other, own | TIC_TAC_TOE.cell_of(action, own | other))
        assert after == expected


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_connect_four_s_player_takes_wins_and_stops_them(seed: int):
    game = ConnectFourEnv()
    game.reset(seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(int(rng.integers(20))):
        if game.over:
            return
        seat = game.seat(game.agent_selection)
        game.step(seat.action(random_move(seat, seed, game._stones[0].bit_count())))
    if game.over:
        return
    position = game.view(game.agent_selection)
    grid, taken = position.grid, position.taken

    def winning(own: int) -> set[int]:
        return {a for a in grid.legal(taken) if grid.has_won(own | grid.cell_of(a, taken))}

    chosen = connect4.best_column(position.own, position.other, depth=3)
    if wins := winning(position.own):
        assert chosen in wins
    elif len(threats := winning(position.other)) == 1:
        assert chosen in threats


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 30), st.integers(1, 4))
def test_search_with_and_without_cuts_agree(seed: int, stones: int, depth: int):
    """The search's shortcuts (cuts, kept bounds, threats seen ahead) change no value."""

    def plain(own: int, other: int, depth: int) -> int:
        if CONNECT4.has_won(other):
            return -connect4.WIN - depth
        cells = [cell for column in range(7) if (cell := CONNECT4.cell_of(column, own | other))]
        if not cells:
            return 0
        return max(-plain(other, own | cell, depth - 1) for cell in cells) if depth else connect4.worth(own, other)

    game = ConnectFourEnv()
    game.reset(seed=seed)
    for decision in range(stones):
        seat = game.seat(game.agent_selection)
        game.step(seat.action(random_move(seat, seed, decision)))
        if game.over:
            return
    position = game.view(game.agent_selection)
    cut = connect4.search(position.own, position.other, depth, -99_999, 99_999, {})
    assert cut == plain(position.own, position.other, depth)


@given(st.data())
def test_threats_are_those_found_by_trying_each_cell(data: st.DataObject):
    chosen = data.draw(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 5)), max_size=16))
    stones = sum(CONNECT4.bit(column, row) for column, row in chosen)
    if CONNECT4.has_won(stones):
        return
    free = {(column, row) for column in range(7) for row in range(6)} - chosen
    expected = {cell for cell in free if CONNECT4.has_won(stones | CONNECT4.bit(*cell))}
    assert cells(CONNECT4, connect4.completing(stones)) - chosen == expected


def test_the_scripted_players_beat_chance():
    assert measure("tic-tac-toe", "standard", "scripted", 20).mean > 0.8
    assert play_shared(make_shared("connect4", render_mode=None), ("scripted", "random"), 3) == [1.0, 0.0]
    assert play_shared(make_shared("connect4", render_mode=None), ("random", "scripted"), 3) == [0.0, 1.0]


def test_wrong_names_and_modes_are_told():
    with pytest.raises(UnknownNameError, match="standard"):
        make_shared("connect4", "blitz")
    with pytest.raises(UsageError, match="lmgame match"):
        make("connect4")
    with pytest.raises(UsageError, match="one player"):
        make_shared("tetris")
    with pytest.raises(UsageError, match="rgb_array"):
        ConnectFourEnv(render_mode="human")
    with pytest.raises(GameError, match="reset"):
        ConnectFourEnv().step(0)
