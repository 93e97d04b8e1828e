"""The environment of Tetris Versus: endings, fairness between the seats, and what a seat can't see."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from lmgame_common import GameError, UnknownNameError, UsageError
from lmgame_games import Move, card, make_shared, scripted_player
from lmgame_games.baselines import play_shared
from lmgame_games.shared import AGENTS
from lmgame_games.testing import check_shared_game
from lmgame_games.tetris.bag import Bag
from lmgame_games.tetris.guideline import MOVES
from lmgame_games.tetris.render import BACKGROUND, BOARD_Y, CELL, FRAME_WIDTH
from lmgame_games.tetris_versus.cards import PIECE_LIMIT
from lmgame_games.tetris_versus.env import TetrisVersusEnv
from lmgame_games.tetris_versus.garbage import Holes
from lmgame_games.tetris_versus.render import HEAD

ONE, TWO = AGENTS
DROP = MOVES.index("hard_drop")


def started(seed: int = 0, render_mode: str | None = None) -> TetrisVersusEnv:
    env = make_shared("tetris-versus", render_mode=render_mode)
    assert isinstance(env, TetrisVersusEnv)
    env.reset(seed=seed)
    return env


def scripted_actions(env: TetrisVersusEnv, late: int = 0) -> Iterator[dict[str, int]]:
    """The actions of a game of the scripted player at both seats, the second one `late` steps behind."""
    players = {agent: scripted_player(env.seat(agent)) for agent in AGENTS}
    left: dict[str, list[Move]] = {agent: [] for agent in AGENTS}
    step = 0
    while not env.over:
        moving = AGENTS if step >= late else AGENTS[:1]
        for agent in moving:
            left[agent] = left[agent] or players[agent].act()
        yield {agent: env.action(agent, left[agent].pop(0)) for agent in moving}
        step += 1


def topple(env: TetrisVersusEnv, *agents: str) -> tuple[Any, ...]:
    """Drop pieces on the spot until the game is over."""
    while True:
        returned = env.step(dict.fromkeys(agents, DROP))
        if env.over:
            return returned


def test_keeps_the_contract_and_pettingzoos() -> None:
    check_shared_game("tetris-versus", seeds=(0,), steps=120)


def test_who_tops_out_has_lost() -> None:
    env = started()
    _, rewards, terminations, truncations, infos = topple(env, TWO)
    assert (env.outcome(), env.scores()) == ("topped_out", {ONE: 1.0, TWO: 0.0})
    assert rewards == {ONE: 1.0, TWO: -1.0}
    assert terminations == {ONE: True, TWO: True}
    assert truncations == {ONE: False, TWO: False}
    assert (infos[ONE]["score"], infos[TWO]["score"], env.agents) == (1.0, 0.0, [])


def test_both_topping_out_in_one_step_is_a_draw() -> None:
    env = started()
    rewards = topple(env, ONE, TWO)[1]
    assert (env.outcome(), env.scores()) == ("both_topped_out", {ONE: 0.5, TWO: 0.5})
    assert rewards == {ONE: 0.0, TWO: 0.0}


@pytest.mark.parametrize(("attacks", "scores"), [((3, 2), (1.0, 0.0)), ((2, 3), (0.0, 1.0)), ((2, 2), (0.5, 0.5))])
@pytest.mark.parametrize("by", ["piece_limit", "adjudicated"])
def test_who_has_made_more_attack_wins_where_nobody_tops_out(
    attacks: tuple[int, int], scores: tuple[float, float], by: str
) -> None:
    env = started()
    for engine, attack in zip(env.engines, attacks, strict=True):
        engine.attack = attack
    if by == "piece_limit":
        env.engines[1].pieces = PIECE_LIMIT - 2
        env.step({TWO: DROP})
        assert not env.over
        env.step({TWO: DROP})
    else:
        env.adjudicate()
    assert (env.outcome(), tuple(env.scores().values())) == (by, scores)


def test_topping_out_counts_more_than_attacks_and_the_limit_of_pieces() -> None:
    env = started()
    env.engines[1].attack = 50
    env.engines[1].pieces = PIECE_LIMIT - 200
    topple(env, TWO)
    assert env.scores() == {ONE: 1.0, TWO: 0.0}


@pytest.mark.parametrize("loser", AGENTS)
def test_a_seat_that_forfeits_loses_whatever_it_has_sent(loser: str) -> None:
    env = started()
    env.engines[AGENTS.index(loser)].attack = 99
    env.forfeit(loser)
    assert env.outcome() == "forfeit"
    assert env.scores() == {agent: float(agent != loser) for agent in AGENTS}


def test_a_seat_that_is_not_named_stands_still() -> None:
    env = started()
    before = env.text(TWO).partition("Other player")[0]
    for _ in range(40):
        infos = env.step({ONE: MOVES.index("no_op")})[4]
        assert (infos[ONE]["frames"], infos[TWO]["frames"]) == (4, 0)
    assert env.text(TWO).partition("Other player")[0] == before
    assert env.engines[0].frames == 160


def test_a_turn_is_over_for_the_seat_whose_piece_has_locked() -> None:
    env = started()
    infos = env.step({ONE: DROP, TWO: MOVES.index("left")})[4]
    assert (infos[ONE]["turn_over"], infos[TWO]["turn_over"]) == (True, False)
    infos = env.step({TWO: DROP})[4]
    assert (infos[ONE]["turn_over"], infos[TWO]["turn_over"]) == (False, True)


def test_both_seats_get_the_same_pieces_and_the_same_holes() -> None:
    env = started(3)
    for _ in range(5):
        assert env.engines[0].kind == env.engines[1].kind
        env.step({ONE: DROP, TWO: DROP})
    for seat in (0, 1):
        env._send(2, seat)
        env._send(3, seat)
    assert env.engines[0].incoming == env.engines[1].incoming


def test_attacks_change_sides_after_both_moves_so_that_no_seat_is_first() -> None:
    """Two seats that do the same at the same time see the same, attacks and all."""
    env = started(1)
    exchanged = 0
    for actions in scripted_actions(env):
        observations, _, _, _, infos = env.step(actions)
        one, two = observations.values()
        assert all(np.array_equal(one[name], two[name]) for name in one)
        assert infos[ONE] == infos[TWO]
        assert env.text(ONE) == env.text(TWO)
        exchanged = infos[ONE]["received"]
        if exchanged > 8:
            return
    pytest.fail(f"only {exchanged} lines came in")


def test_order_and_seat_make_no_difference_with_attacks_under_way() -> None:
    """The same game with the actions named in the other order, and with the seats swapped."""
    env, reordered, swapped = started(14), started(14), started(14)
    swap = {ONE: TWO, TWO: ONE}
    for actions in scripted_actions(env, late=10):
        infos = env.step(actions)[4]
        assert reordered.step(dict(reversed(actions.items())))[4] == infos
        mirrored = swapped.step({swap[agent]: action for agent, action in actions.items()})[4]
        assert {swap[agent]: info for agent, info in mirrored.items()} == infos
        assert env.text(ONE) == reordered.text(ONE) == swapped.text(TWO)
        assert env.text(TWO) == reordered.text(TWO) == swapped.text(ONE)
    assert all(engine.received for engine in env.engines)


def test_nothing_a_seat_sees_depends_on_hidden_pieces_and_holes() -> None:
    """Two games that differ only in pieces beyond the queue, and in holes of garbage that hasn't come in."""
    one, other = started(7), started(7)
    for _ in range(3):
        one.step({ONE: DROP, TWO: DROP})
        other.step({ONE: DROP, TWO: DROP})
    for env, hole, seed in ((one, 2, 70), (other, 8, 71)):
        known = bytes(env.engines[0].bag.window(0, env.engines[0].dealt + 5))
        bag = Bag(seed)
        bag.window(0, 200)
        bag._kinds[: len(known)] = known
        env._holes = Holes(seed)
        for engine in env.engines:
            engine.bag = bag
            engine.receive(3, hole)
    assert one.engines[0].next_kinds(20) != other.engines[0].next_kinds(20)
    for agent in AGENTS:
        seats = [env.seat(agent) for env in (one, other)]
        assert seats[0].text() == seats[1].text()
        assert np.array_equal(seats[0].render(), seats[1].render())
        assert scripted_player(seats[0]).act() == scripted_player(seats[1]).act()
        observed = [env._observations()[agent] for env in (one, other)]
        assert all(np.array_equal(observed[0][name], observed[1][name]) for name in observed[0])


def test_the_view_of_a_seat_tells_nothing_hidden_and_is_its_own() -> None:
    env = started()
    env._send(4, 0)
    view = env.view(ONE)
    assert (view.own_pending, view.other_pending) == ((4,), ())
    assert not view.own.incoming
    shown = bytes(view.own.next_kinds(5))
    assert shown == bytes(env.engines[0].next_kinds(5))
    with pytest.raises(GameError, match="Only the next 5"):
        view.own.next_kinds(6)
    with pytest.raises(GameError, match="Only the next 0"):
        view.other.next_kinds(1)
    before = env.text(ONE)
    view.own.play(DROP)
    assert env.text(ONE) == before
    # A seat that is behind must not read its own future off the other one's queue.
    frame = env.frame(ONE)
    assert (frame[HEAD + 52 : HEAD + 215, FRAME_WIDTH + 200 :] == BACKGROUND).all()
    assert (frame[HEAD + 52 : HEAD + 215, 200:FRAME_WIDTH] != BACKGROUND).any()


def test_frames_show_the_own_side_on_the_left_and_pending_garbage_beside_it() -> None:
    env = started(2, "rgb_array")
    env.step({ONE: MOVES.index("left")})
    env._send(3, 1)
    one, two, spectators = env.frame(ONE), env.frame(TWO), env.render()
    assert spectators is not None
    assert one.shape == two.shape == spectators.shape == (416, 576, 3)
    board = slice(30, 194)
    other = slice(FRAME_WIDTH + 30, FRAME_WIDTH + 194)
    assert np.array_equal(one[HEAD:, board], two[HEAD:, other])
    assert np.array_equal(one[HEAD:, other], two[HEAD:, board])
    assert np.array_equal(spectators[HEAD:, board], one[HEAD:, board])
    bar = two[HEAD + BOARD_Y : HEAD + BOARD_Y + 20 * CELL, 4]
    assert ((bar != BACKGROUND).any(axis=1)).sum() == 3 * (CELL - 1)
    assert (one[HEAD + BOARD_Y : HEAD + BOARD_Y + 20 * CELL, 4] == BACKGROUND).all()


def test_frames_and_text_say_who_has_won() -> None:
    env = started(2, "rgb_array")
    going_on = env.frame(ONE)
    topple(env, TWO)
    won, lost, spectators = env.frame(ONE), env.frame(TWO), env.render()
    assert spectators is not None
    heads = [frame[:HEAD].tobytes() for frame in (going_on, won, lost, spectators)]
    assert len(set(heads)) == 4
    assert env.text(ONE).startswith("Game over: you won (topped_out)")
    assert env.text(TWO).startswith("Game over: you lost (topped_out)")


def test_the_text_shows_garbage_pending_attacks_and_the_other_board() -> None:
    env = started(0)
    env.engines[0].receive(2, 3)
    env.step({ONE: DROP})
    env._send(4, 0)
    env._send(1, 0)
    own, _, other = env.text(ONE).partition("Other player\n")
    assert own.splitlines()[-2:] == ["18 xxx.xxxxxx", "19 xxx.xxxxxx"]
    assert "Pending garbage: 4 + 1\n" in own
    assert "Pending garbage: none\n" in other
    assert other.splitlines()[-1] == "   0123456789"  # nothing lies there yet
    assert env.text(TWO).splitlines()[-1] == "19 xxx.xxxxxx"


def test_wrong_use_is_told_and_changes_nothing() -> None:
    env = TetrisVersusEnv()
    with pytest.raises(GameError, match="call reset"):
        env.step({ONE: 0})
    with pytest.raises(GameError, match="call reset"):
        env.text(ONE)
    env.reset(seed=0)
    before = env.text(ONE)
    for actions in ({ONE: 8}, {ONE: DROP, TWO: -1}, {"player_2": 0}, {ONE: DROP, "player_2": 0}):
        with pytest.raises(GameError, match=r"no action|no seat"):
            env.step(actions)
    assert env.text(ONE) == before
    topple(env, ONE)
    with pytest.raises(GameError, match="over"):
        env.step({ONE: 0})
    with pytest.raises(UsageError, match="render mode"):
        TetrisVersusEnv(render_mode="human")
    with pytest.raises(UnknownNameError, match="standard"):
        TetrisVersusEnv("standart")
    assert env.render() is None


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("seat", [0, 1])
def test_the_scripted_player_beats_random_at_either_seat(seed: int, seat: int) -> None:
    env = started()
    scores = play_shared(env, ("scripted", "random") if seat == 0 else ("random", "scripted"), seed)
    assert (scores[seat], env.outcome()) == (1.0, "topped_out")


def test_a_game_of_the_scripted_player_against_itself_ends_by_itself_within_the_decisions() -> None:
    env = started()
    scores = play_shared(env, ("scripted", "scripted"), 0)
    assert (scores, env.outcome()) == ([0.5, 0.5], "piece_limit")
    assert card("tetris-versus").max_decisions > PIECE_LIMIT
    assert env.engines[0].attack > 50


def test_a_seed_gives_the_same_game_for_ever() -> None:
    """Records keep moves alone: whatever changes this digest needs a new version on the card."""
    env = started(14)
    digest = hashlib.sha256()
    for number, actions in enumerate(scripted_actions(env, late=10)):
        env.step(actions)
        digest.update(env.text(ONE).encode())
        if number % 50 == 0:
            digest.update(env.frame(TWO).tobytes())
    assert all(engine.received and engine.cancelled for engine in env.engines)
    assert digest.hexdigest()[:16] == "9c2818f1282122a3"
