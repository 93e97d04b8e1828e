"""Tetris as an environment: Gymnasium's contract, the cards, the text view, the picture."""

import json
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

import lmgame_games
from lmgame_common import GameError, UnknownNameError, UsageError
from lmgame_games import Move
from lmgame_games.tetris.cards import card
from lmgame_games.tetris.engine import Engine
from lmgame_games.tetris.env import TetrisEnv
from lmgame_games.tetris.picture import Picture
from lmgame_games.tetris.pieces import FLOOR, ROW
from lmgame_games.tetris.render import BOARD_X, BOARD_Y, CELL

PRESETS = ["standard", "lmgame-bench-2025"]
each_preset = pytest.mark.parametrize("preset", PRESETS)


def play(env: TetrisEnv, *names: str) -> tuple[Any, ...]:
    result: tuple[Any, ...] = ()
    for name in names:
        result = env.step(env.action(Move(name)))
    return result


@each_preset
@pytest.mark.filterwarnings("ignore:.*not having a spec")
def test_gymnasium_accepts_it(preset: str) -> None:
    check_env(TetrisEnv(preset), skip_render_check=True)


@each_preset
def test_make_needs_no_import(preset: str) -> None:
    env = gymnasium.make("lmgame_games:lmgame/Tetris-v1", preset=preset)
    observation, info = env.reset(seed=0)
    assert observation in env.observation_space
    assert info["score"] == 0


def test_frames_are_rendered_on_request_only() -> None:
    drawn, blind = TetrisEnv(render_mode="rgb_array"), TetrisEnv()
    drawn.reset(seed=0)
    blind.reset(seed=0)
    frame = drawn.render()
    assert isinstance(frame, np.ndarray)
    assert frame.dtype == np.uint8
    assert frame.ndim == 3
    assert blind.render() is None


@pytest.mark.parametrize(("preset", "moves_a_second"), [("standard", 15), ("lmgame-bench-2025", 4)])
def test_a_film_of_a_frame_a_step_plays_at_the_speed_of_the_game(preset: str, moves_a_second: int) -> None:
    env = gymnasium.make("lmgame_games:lmgame/Tetris-v1", preset=preset)
    assert env.metadata["render_fps"] == moves_a_second
    assert env.render_mode is None
    env.reset(seed=0)
    frames = env.step(0)[4]["frames"]
    assert card(preset).fps / frames == moves_a_second
    assert card(preset).move_frames.startswith(f"{frames} frame")


def test_unknown_names_are_refused_helpfully() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'standard'"):
        TetrisEnv("standart")
    with pytest.raises(UnknownNameError):
        card("nope")
    with pytest.raises(UsageError, match="rgb_array"):
        TetrisEnv(render_mode="human")


@each_preset
def test_using_it_out_of_order_is_refused(preset: str) -> None:
    env = TetrisEnv(preset)
    for use in (lambda: env.step(0), lambda: env.wait(1), env.text, env.picture, lambda: env.score):
        with pytest.raises(GameError, match="reset"):
            use()
    env.reset(seed=0)
    for action in (-1, env.action_space.n):
        with pytest.raises(GameError, match="no action"):
            env.step(action)
    with pytest.raises(GameError, match="0 or more"):
        env.wait(-1)
    while not play(env, "hard_drop")[2]:
        pass
    assert env.outcome() == "topped_out"
    with pytest.raises(GameError, match="over"):
        env.step(0)
    _, reward, terminated, truncated, info = env.wait(100)
    assert (reward, terminated, truncated, info["frames"], info["turn_over"]) == (0.0, True, False, 0, False)


@each_preset
def test_actions_and_moves(preset: str) -> None:
    env = TetrisEnv(preset)
    assert [env.move(action).name for action in range(env.action_space.n)] == [c.name for c in env.card.controls]
    for action in range(env.action_space.n):
        assert env.action(env.move(action)) == action
    for wrong in (Move("jump"), Move("left", 3)):
        with pytest.raises(GameError):
            env.action(wrong)


@each_preset
def test_a_seed_decides_the_game_and_none_goes_on_with_the_stream(preset: str) -> None:
    env = TetrisEnv(preset)

    def queues(seed: int | None) -> list[tuple[int, ...]]:
        env.reset(seed=seed)
        found = [env.picture().queue]
        for _ in range(8):
            play(env, "hard_drop")
            found.append(env.picture().queue)
        return found

    first, second = queues(5), queues(None)
    assert first != second
    assert [queues(5), queues(None)] == [first, second]
    assert queues(6) != first


@each_preset
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), actions=st.lists(st.integers(0, 6), max_size=120))
def test_observation_picture_text_and_info_tell_the_same(preset: str, seed: int, actions: list[int]) -> None:
    env = TetrisEnv(preset)
    observation, info = env.reset(seed=seed)
    total, over = 0.0, False
    for action in actions:
        observation, reward, over, _, info = env.step(action)
        total += reward
        if over:
            break
    assert observation in env.observation_space
    assert total == env.score == info["score"]
    picture = env.picture()
    board = observation["board"].copy()
    assert np.array_equal(np.where(board > 7, 0, board).ravel(), np.frombuffer(picture.cells, np.uint8)[20:])
    shown = {(row, column) for row, column in picture.active if row >= 0}
    assert {(int(row), int(column)) for row, column in np.argwhere(board > 7)} == shown
    assert set(board[board > 7]) <= {picture.active_kind + 7}
    assert tuple(observation["queue"]) == picture.queue
    assert tuple(observation["hold"]) == (picture.hold, picture.hold_used)
    assert observation["piece"][0] == picture.active_kind
    assert picture.game_over == over
    _text_shows(env.text(), picture)
    for ghost, active in zip(picture.ghost, picture.active, strict=bool(picture.ghost)):
        assert ghost[0] >= active[0]
        assert not picture.cells[(ghost[0] + 2) * 10 + ghost[1]] if ghost[0] >= -2 else True


def _text_shows(text: str, picture: Picture) -> None:
    board = {}
    for line in text.splitlines()[text.splitlines().index("   0123456789") + 1 :]:
        board[int(line[:2])] = line[3:]
    assert set(range(20)) <= set(board)
    for row in range(-2, 20):
        for column in range(10):
            cell = board.get(row, "." * 10)[column]
            if (row, column) in picture.active:
                assert cell == "@"
            elif picture.cells[(row + 2) * 10 + column]:
                assert cell == "#"
            elif (row, column) in picture.ghost:
                assert cell == "+"
            else:
                assert cell == "."
    for row, column in picture.active:
        assert board[row][column] == "@", "also above the board"


def lock(engine: Engine, column: int, row: int, kind: int = 7) -> None:
    """Make a cell of the board locked; `row` counts from the top as in the views, negative above the board."""
    height = 19 - row
    engine.board |= 1 << (ROW * (height + FLOOR) + column)
    engine.cells[(engine.ROWS - 1 - height) * 10 + column] = kind


def test_locked_cells_above_the_board_are_in_the_frame_and_the_text() -> None:
    env = TetrisEnv(render_mode="rgb_array")
    env.reset(seed=1)
    before = env.render()
    assert before is not None
    for row in (-1, -2):
        lock(env.engine, 0, row)
        after = env.render()
        assert after is not None
        y = BOARD_Y + row * CELL
        assert (after != before)[y : y + CELL, BOARD_X : BOARD_X + CELL].any()
        _text_shows(env.text(), env.picture())
        assert env.text().splitlines()[5].startswith(f"{row} #")
        before = after


@each_preset
def test_the_picture_has_the_same_rows_in_every_preset(preset: str) -> None:
    env = TetrisEnv(preset)
    env.reset(seed=1)
    lock(env.engine, 3, 0, 5)
    assert env.picture().cells == bytes(23) + b"\5" + bytes(196)


def test_a_piece_above_an_empty_hidden_row_is_in_the_text() -> None:
    """On a stack to the top in columns 4, 6 and 7, an I turned twice is kicked up to row -2, with row -1 empty."""
    env = TetrisEnv()
    for seed in range(100):
        env.reset(seed=seed)
        if env.picture().queue[0] == 1:
            break
    for row in range(20):
        for column in (4, 6, 7):
            lock(env.engine, column, row)
    play(env, "hold", "rotate_cw", "rotate_cw", "left", "left")
    picture = env.picture()
    assert picture.active == ((-2, 0), (-2, 1), (-2, 2), (-2, 3))
    _text_shows(env.text(), picture)


def test_observations_are_the_takers_own() -> None:
    env = TetrisEnv()
    first, _ = env.reset(seed=0)
    before = env.text()
    kept = {name: array.copy() for name, array in first.items()}
    second = play(env, "hard_drop")[0]
    assert all(np.array_equal(first[name], kept[name]) for name in kept)
    for array in second.values():
        array[...] = 0
    env.reset(seed=0)
    assert env.text() == before


def test_what_info_says() -> None:
    env = TetrisEnv()
    env.reset(seed=0)
    assert play(env, "left")[4] == {"score": 0, "turn_over": False, "frames": 4, "lines": 0, "pieces": 0, "level": 1}
    info = play(env, "hard_drop")[4]
    assert (info["turn_over"], info["pieces"], info["frames"]) == (True, 1, 4)
    assert info["score"] == env.score > 0
    assert play(env, "hold")[4]["turn_over"] is False, "the rest of the answer is for the piece that comes instead"
    assert env.wait(7)[4]["frames"] == 7
    assert env.wait(20 * 60 + 30)[4]["turn_over"] is True, "it came down and locked meanwhile"


def test_text_view() -> None:
    env = TetrisEnv()
    env.reset(seed=1)
    play(env, "left", "hard_drop", "hold", "rotate_cw")
    picture = env.picture()
    lines = env.text().splitlines()
    letters = "-IOTSZJL"
    columns = sorted({column for _, column in picture.active})
    rows = sorted({row for row, _ in picture.active})
    assert lines[0] == (
        f"Piece: {letters[picture.active_kind]} turned 90, "
        f"columns {columns[0]} to {columns[-1]}, rows {rows[0]} to {rows[-1]}"
    )
    assert lines[1] == "Next: " + " ".join(letters[kind] for kind in picture.queue)
    assert lines[2] == f"Hold: {letters[picture.hold]} (used for this piece)"
    assert lines[3] == f"Level 1, lines 0, pieces 1, score {picture.score}"
    assert rows[0] < 0
    assert lines[4:6] == [
        "   0123456789",
        f"{rows[0]:2} " + "".join(".@"[(rows[0], x) in picture.active] for x in range(10)),
    ]


@each_preset
def test_text_once_over(preset: str) -> None:
    env = TetrisEnv(preset)
    env.reset(seed=1)
    while not play(env, "hard_drop")[2]:
        pass
    assert env.text().startswith("Game over")
    assert "@" not in env.text()
    assert env.picture().active == ()


@each_preset
def test_the_card_is_sound(preset: str) -> None:
    found = lmgame_games.card("tetris", preset)
    assert found.preset == preset
    names = [control.name for control in found.controls]
    words = [word for control in found.controls for word in (control.name, *control.synonyms)]
    assert len(words) == len(set(words)), "no word means two moves"
    assert found.idle.name in names
    for answer in found.answers:
        moves = json.loads(answer)["moves"]
        assert 1 <= len(moves) <= found.max_moves
        assert all(found.problem(Move(name)) is None for name in moves)
    # Small models read this too: about four characters a token for prose, two and a half for the board.
    assert len(found.rules) < 1700
    env = TetrisEnv(preset)
    env.reset(seed=0)
    assert len(env.text()) < 500


@each_preset
def test_what_the_rules_say_about_columns_is_true(preset: str) -> None:
    """The columns named for each turn of a piece that has just appeared."""
    env = TetrisEnv(preset)
    clockwise, counter = env.card.controls[2].name, env.card.controls[3].name
    if preset != "standard":
        clockwise, counter = "rotate_right", "rotate_left"
    left = 3 if preset == "standard" else 4
    wide = {(): (left, left + 2), (1,): (left + 1, left + 2), (-1,): (left, left + 1), (1, 1): (left, left + 2)}
    line = {(): (3, 6), (1,): (5, 5), (-1,): (4, 4), (1, 1): (3, 6)}
    assert f"in columns {left}-{left + 2} (I 3-6, O 4-5)" in env.card.rules
    seen = set()
    for seed in range(30):
        for turns, span in wide.items():
            env.reset(seed=seed)
            kind = env.picture().active_kind
            for turn in turns:
                play(env, clockwise if turn > 0 else counter)
            columns = [column for _, column in env.picture().active]
            expected = line[turns] if kind == 1 else (4, 5) if kind == 2 else span
            assert (min(columns), max(columns)) == expected
            seen.add(kind)
    assert seen == set(range(1, 8))
