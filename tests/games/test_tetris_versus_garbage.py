"""The rules between the boards: what a clear sends, what cancels, and how garbage comes in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmgame_games import make_shared, scripted_player
from lmgame_games.shared import AGENTS
from lmgame_games.tetris.bag import Bag
from lmgame_games.tetris.guideline import MOVES
from lmgame_games.tetris.picture import WIDTH
from lmgame_games.tetris.pieces import EMPTY_ROW, FLOOR, ROW, I, O
from lmgame_games.tetris.scoring import Spin
from lmgame_games.tetris.view import GARBAGE_KIND
from lmgame_games.tetris_versus.engine import SeenPieces, VersusEngine
from lmgame_games.tetris_versus.env import TetrisVersusEnv
from lmgame_games.tetris_versus.garbage import MOST_A_LOCK, Holes, attack

DROP = MOVES.index("hard_drop")
COLUMN_OF_A_STANDING_I = 5


def engine_with(pieces: list[int], rows: list[str] | None = None) -> VersusEngine:
    """An engine with these pieces to come and these rows, the highest first."""
    engine = VersusEngine(SeenPieces(bytes(pieces)))
    for row, cells in enumerate(reversed(rows or [])):
        for column, cell in enumerate(cells):
            if cell != ".":
                engine.board |= 1 << ROW * (FLOOR + row) + column
                engine.cells[(engine.ROWS - 1 - row) * WIDTH + column] = O
    return engine


def rows_of(engine: VersusEngine, count: int) -> list[str]:
    """The lowest rows, the highest first: `x` garbage, `#` other cells."""
    cells = engine.cells[-count * WIDTH :]
    text = "".join("." if not kind else "x" if kind == GARBAGE_KIND else "#" for kind in cells)
    return [text[start : start + WIDTH] for start in range(0, len(text), WIDTH)]


def bits_agree(engine: VersusEngine) -> bool:
    """Whether the board as bits is the board as kinds, with its walls."""
    return all(
        engine.board >> ROW * (FLOOR + row) & (1 << ROW) - 1
        == EMPTY_ROW | sum(1 << x for x in range(WIDTH) if engine.cells[(engine.ROWS - 1 - row) * WIDTH + x])
        for row in range(engine.ROWS)
    )


@pytest.mark.parametrize(
    ("lines", "spin", "made"),
    [
        (0, Spin.NONE, 0),
        (1, Spin.NONE, 0),
        (2, Spin.NONE, 1),
        (3, Spin.NONE, 2),
        (4, Spin.NONE, 4),
        (0, Spin.MINI, 0),
        (1, Spin.MINI, 0),
        (2, Spin.MINI, 1),
        (0, Spin.FULL, 0),
        (1, Spin.FULL, 2),
        (2, Spin.FULL, 4),
        (3, Spin.FULL, 6),
    ],
)
def test_what_a_clear_sends(lines: int, spin: Spin, made: int) -> None:
    assert attack(lines, spin, back_to_back=False, combo=0, perfect=False) == made
    difficult = lines == 4 or (spin is not Spin.NONE and lines > 0)
    assert attack(lines, spin, back_to_back=True, combo=0, perfect=False) == made + difficult


def test_combos_and_perfect_clears_come_on_top() -> None:
    combos = [attack(1, Spin.NONE, back_to_back=False, combo=combo, perfect=False) for combo in range(13)]
    assert combos == [0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5, 5, 5]
    assert attack(4, Spin.NONE, back_to_back=True, combo=3, perfect=True) == 4 + 1 + 2 + 10
    assert attack(1, Spin.NONE, back_to_back=False, combo=0, perfect=True) == 10
    assert attack(2, Spin.FULL, back_to_back=False, combo=0, perfect=True) == 4 + 10


def test_two_tetrises_in_a_row_send_four_and_then_six() -> None:
    """The second is back to back, and the second clear of a combo."""
    engine = engine_with([I, I, O, O], ["....." + "." + "...#", *["#####.####"] * 8])
    for made in (4, 4 + 1 + 1):
        engine.play(MOVES.index("rotate_cw"))
        before = engine.attack
        engine.play(DROP)
        assert engine.attack - before == made
    assert engine.outgoing == engine.sent == 10
    assert engine.lines == 8


def test_leaving_nothing_on_the_board_sends_ten_more() -> None:
    engine = engine_with([I, O, O], ["#####.####"] * 4)
    engine.play(MOVES.index("rotate_cw"))
    engine.play(DROP)
    assert engine.attack == 14
    assert not any(engine.cells)


def test_garbage_comes_in_only_after_a_lock_that_clears_nothing() -> None:
    engine = engine_with([I, O, O, O], ["..........", "#####.####"])
    engine.receive(3, 7)
    engine.play(MOVES.index("no_op"))
    engine.play(MOVES.index("rotate_cw"))
    engine.play(DROP)  # a single, which sends nothing
    assert (engine.received, engine.pending, engine.lines) == (0, 3, 1)
    engine.play(DROP)
    assert (engine.received, engine.pending) == (3, 0)
    assert rows_of(engine, 4) == [".....#....", *["xxxxxxx.xx"] * 3]
    assert bits_agree(engine)


def test_at_most_eight_lines_come_in_at_once_and_the_oldest_attack_first() -> None:
    engine = engine_with([O] * 4)
    engine.receive(6, 0)
    engine.receive(5, 9)
    engine.play(DROP)
    assert (engine.received, engine.pending) == (MOST_A_LOCK, 3)
    assert rows_of(engine, 8) == [*[".xxxxxxxxx"] * 6, *["xxxxxxxxx."] * 2]
    engine.play(DROP)
    assert (engine.received, engine.pending) == (11, 0)
    assert rows_of(engine, 3) == ["xxxxxxxxx."] * 3
    assert bits_agree(engine)


def test_an_attack_cancels_the_oldest_pending_garbage_and_only_the_rest_is_sent() -> None:
    engine = engine_with([I, O, O, O], ["..........", "...#......", *["#####.####"] * 4])
    engine.receive(1, 0)
    engine.receive(5, 9)
    engine.play(MOVES.index("rotate_cw"))
    engine.play(DROP)
    assert (engine.attack, engine.cancelled, engine.sent, engine.outgoing) == (4, 4, 0, 0)
    assert engine.incoming == [(2, 9)]

    engine = engine_with([I, O, O, O], ["...#......", *["#####.####"] * 4])
    engine.receive(1, 0)
    engine.play(MOVES.index("rotate_cw"))
    engine.play(DROP)
    assert (engine.attack, engine.cancelled, engine.outgoing, engine.incoming) == (4, 1, 3, [])


def test_a_cell_pushed_out_of_the_hidden_rows_ends_the_game() -> None:
    engine = engine_with([O] * 3, ["#.........", *["#........."] * 33])
    engine.receive(6, 3)
    engine.play(DROP)
    assert not engine.over  # 34 + 6 rows are just in
    assert bits_agree(engine)
    engine.receive(1, 3)
    engine.play(DROP)
    assert engine.over == "garbage_out"
    assert engine.received == 7


def test_a_copy_is_independent() -> None:
    engine = engine_with([O] * 6)
    engine.receive(2, 4)
    copy = engine.copy()
    copy.play(DROP)
    copy.receive(1, 1)
    assert (engine.incoming, engine.received, engine.pieces) == ([(2, 4)], 0, 0)
    assert (copy.incoming, copy.received, copy.pieces) == ([(1, 1)], 2, 1)


def test_the_level_rises_by_pieces() -> None:
    engine = VersusEngine(Bag(0))
    engine.pieces, engine.lines = 23, 60
    engine.play(DROP)
    assert (engine.pieces, engine.level) == (24, 1)
    engine.play(DROP)
    assert (engine.pieces, engine.level) == (25, 2)


def test_holes_are_a_function_of_the_seed_and_visit_all_columns() -> None:
    one, other = Holes(5), Holes(5)
    columns = [one[index] for index in range(200)]
    assert [other[index] for index in reversed(range(200))] == columns[::-1]
    assert set(columns) == set(range(WIDTH))
    assert [Holes(6)[index] for index in range(20)] != columns[:20]


turns = st.lists(st.sampled_from(["both", "0", "1"]), min_size=20, max_size=40)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), turns, st.integers(0, 9))
def test_no_line_of_garbage_is_lost_or_made_from_nothing(seed: int, plays: list[str], extra: int) -> None:
    """Attacks made = cancelled + sent; sent = received + pending + cancelled on the other side."""
    env = make_shared("tetris-versus", render_mode=None)
    assert isinstance(env, TetrisVersusEnv)
    env.reset(seed=seed)
    players = [scripted_player(env.seat(agent)) for agent in AGENTS]
    given_in_advance = [0, 0]
    if extra:
        env.engines[0].receive(extra, extra)
        given_in_advance[0] = extra
    for who in plays:
        for move in range(32):
            answers = {agent: players[seat].act() for seat, agent in enumerate(AGENTS) if who in ("both", str(seat))}
            infos = env.step({agent: env.action(agent, moves[0]) for agent, moves in answers.items()})[4]
            for seat, agent in enumerate(AGENTS):
                own, other = infos[agent], infos[AGENTS[1 - seat]]
                assert own["attack"] == own["cancelled"] + own["sent"]
                arrived = own["received"] + own["pending"] + own["cancelled"]
                assert other["sent"] + given_in_advance[seat] == arrived
                assert bits_agree(env.engines[seat])
            if env.over or (move and any(infos[agent]["turn_over"] for agent in answers)):
                break
        if env.over:
            return
