"""The batched rules and their teacher against the suite's own engine and the scripted player's evaluation."""

from collections.abc import Iterator

import numpy as np
import pytest

from lmgame_games.tetris.bag import Bag
from lmgame_games.tetris.evaluation import LANDING_HEIGHT, LINES, after, worth
from lmgame_games.tetris.guideline import FPS, LOCK_FRAMES, LOCK_RESETS, MOVE_FRAMES, MOVES, GuidelineEngine
from lmgame_games.tetris.pieces import CELLS, FLOOR, ROW, SHAPES, I, O, S, Z, corner, place
from reference.tetris_games import ACTIONS, COLUMNS, INVALID, QUEUE, ROWS, SHIFTS, Games, columns_of, rules, teach

LEFT, RIGHT, CW, CCW, HARD_DROP = (
    MOVES.index(move) for move in ("left", "right", "rotate_cw", "rotate_ccw", "hard_drop")
)
TURNS = ([], [CW], [CW, CW], [CCW])


class Known(Bag):
    """The pieces that a batched game has dealt."""

    def __init__(self, kinds: list[int]) -> None:
        super().__init__(0)
        self._kinds = bytearray(kinds)

    def _deal(self) -> None:
        raise AssertionError("the engine took more pieces than the batched game")


def presses(action: int) -> list[int]:
    turn, shift = divmod(action, SHIFTS)
    return [*TURNS[turn], *[RIGHT if shift > 5 else LEFT] * abs(shift - 5)]


def play(engine: GuidelineEngine, action: int) -> bool:
    """Play an action as one answer; whether each of its moves did something and came in time."""
    valid = True
    for move in presses(action):
        before = engine.rotation, corner(engine.pos)[0]
        if engine.play(move):
            return False
        # The turn of an O is the piece again, and never part of a valid action.
        valid = valid and before != (engine.rotation, corner(engine.pos)[0])
    engine.play(HARD_DROP)
    return valid


def is_valid(engine: GuidelineEngine, action: int) -> bool:
    different = {O: 1, I: 2, S: 2, Z: 2}.get(engine.kind, 4)
    return action // SHIFTS < different and play(engine.copy(), action)


def dealt(games: Games, game: int) -> list[int]:
    return [int(games.state.kind[game]), *map(int, games.state.queue[game])]


class Pair:
    """A batched game and the engine in the same state."""

    def __init__(self, games: Games, game: int, level: int) -> None:
        self.games, self.game = games, game
        self.engine = GuidelineEngine(Known(dealt(games, game)))
        self.engine.level = games.state.level[game] = level
        self.engine.lines = games.state.lines[game] = 10 * (level - 1)

    def step(self, action: int) -> None:
        if not self.engine.over:
            lines = self.engine.lines
            play(self.engine, action)
            assert self.games.state.cleared[self.game] == self.engine.lines - lines

    def check(self) -> None:
        state, game, engine = self.games.state, self.game, self.engine
        assert bool(state.over[game]) == bool(engine.over)
        cells = np.frombuffer(bytes(engine.cells), np.uint8).reshape(-1, COLUMNS)[::-1]
        assert (state.boards[game] == cells[:ROWS]).all()
        assert (state.lines[game], state.pieces[game]) == (engine.lines, engine.pieces)
        assert state.level[game] == engine.level
        if not engine.over:
            assert dealt(self.games, game) == [engine.kind, *engine.next_kinds(QUEUE)]
            assert tuple(state.where[game]) == (*corner(engine.pos), engine.drop_rows())
            engine.bag = Known([*engine.next_kinds(QUEUE)])
            engine.dealt = 0

    def deal(self) -> None:
        """Let the engine know the piece that the batched game has added to its queue."""
        if not self.games.state.over[self.game]:
            self.engine.bag._kinds.append(int(self.games.state.queue[self.game, -1]))


def histories(n: int, seed: int, steps: int) -> Iterator[tuple[Games, list[Pair], np.ndarray]]:
    """Games in step with engines at all levels, played well, at random and badly: their states and teachers' values."""
    random = np.random.default_rng(seed)
    games = Games(n, seed)
    pairs = [Pair(games, game, 1 + game % 10) for game in range(n)]
    careless = np.linspace(0, 1, n)
    for _ in range(steps):
        values = games.teach().reshape(n, ACTIONS).copy()
        for pair in pairs:
            pair.check()
        yield games, pairs, values
        noise = random.random((n, ACTIONS))
        valid = np.where(values > INVALID, noise, -1)
        actions = np.where(random.random(n) < careless, valid.argmax(1), values.argmax(1))
        actions = np.where(random.random(n) < 0.1, noise.argmax(1), actions)  # valid or not
        over = games.step(actions)
        for pair, action in zip(pairs, actions, strict=True):
            pair.deal()
            pair.step(int(action))
        ended = over.copy()
        for game in np.flatnonzero(ended):
            pairs[game].check()
        games.reset(ended)
        for game in np.flatnonzero(ended):
            pairs[game] = Pair(games, game, int(random.integers(1, 11)))


def test_plays_as_the_engine_does() -> None:
    ended = set[str]()
    levels = set[int]()
    for number, (_, pairs, values) in enumerate(histories(n=100, seed=1, steps=80)):
        for game in range(number % 4, len(pairs), 4):
            engine = pairs[game].engine
            assert [*(values[game] > INVALID)] == [is_valid(engine, action) for action in range(ACTIONS)]
            levels.add(engine.level)
            lost = engine.copy()
            lost.play(HARD_DROP)
            ended.add(lost.over)
    assert ended == {"", "block_out", "lock_out"}
    assert levels == set(range(1, 11))


def value(engine: GuidelineEngine, action: int) -> float:
    """What the teacher should say of a valid action."""
    game = engine.copy()
    for move in presses(action):
        game.play(move)
    mask = game.mask >> ROW * game.drop_rows()
    board, lines = after(game.board, mask)
    board &= (1 << ROW * (FLOOR + ROWS)) - 1
    first = worth(board, mask, lines, stack=False) - 0.1 * len(presses(action))
    earned = earnings(mask, lines) - 0.1 * len(presses(action))
    game.play(HARD_DROP)
    best = first - 1000
    if game.over:
        return best
    for shape, cells in zip(SHAPES[game.kind], CELLS[game.kind], strict=True):
        for x in range(-2, COLUMNS):
            if not all(0 <= x + dx < COLUMNS for dx, _ in cells):
                continue
            mask = shape << place(x, ROWS)
            while not mask >> ROW & board:
                mask >>= ROW
            then, lines = after(board, mask)
            lowest = ((mask & -mask).bit_length() - 1) // ROW - FLOOR
            if lowest < 20 and not then & 1 << place(4, 20):
                best = max(best, worth(then, mask, lines, stack=False) + earned)
    return best


def earnings(mask: int, lines: int) -> float:
    bottom, top = ((bits.bit_length() - 1) // ROW - FLOOR for bits in (mask & -mask, mask))
    return LANDING_HEIGHT * ((bottom + top) / 2 + 1) + LINES * lines


def test_values_are_those_of_the_evaluation() -> None:
    some, dead = 0, 0
    for number, (_, pairs, values) in enumerate(histories(n=30, seed=2, steps=60)):
        if number % 5 == 4:
            for game in range(number // 5 % 3, len(pairs), 3):
                for action in np.flatnonzero(values[game] > INVALID):
                    expected = value(pairs[game].engine, int(action))
                    assert values[game, action] == pytest.approx(expected, abs=0.01)
                    some += 1
                    dead += expected < -1000
    assert some > 2000
    assert dead > 10


def shaft(random: np.random.Generator) -> tuple[GuidelineEngine, int]:
    """A game at any level whose piece has come down by itself, and how many rows, among random cells all around."""
    engine = GuidelineEngine(Known([*map(int, random.integers(1, 8, 2))]))
    fallen = int(random.integers(0, engine.drop_rows() + 1))
    way = engine.mask
    for _ in range(fallen):
        engine.wait(FPS)  # at level 1 that is a row
        way |= engine.mask
    filled = random.random((19, COLUMNS)) < random.uniform(0.2, 0.9)
    filled[filled.all(1), 0] = False
    for y, x in np.argwhere(filled):
        engine.board |= ~way & 1 << place(int(x), int(y))
    engine.grounded = engine.mask >> ROW & engine.board != 0
    engine.level = int(random.integers(1, 11))
    return engine, fallen


def last_kick(engine: GuidelineEngine, action: int) -> int:
    """Which kick the last turn of an action takes; -1 if it ends with something else."""
    turns = TURNS[action // SHIFTS]
    if action % SHIFTS != SHIFTS // 2 or not turns:
        return -1
    game = engine.copy()
    for turn in turns[:-1]:
        game.play(turn)
    game.rotate(turns[-1] - CW)
    return game.kick


def test_values_of_a_piece_that_has_come_down_by_itself() -> None:
    random = np.random.default_rng(3)
    games = [shaft(random) for _ in range(1500)]
    boards = np.array([[[e.board >> place(x, y) & 1 for x in range(COLUMNS)] for y in range(ROWS)] for e, _ in games])
    rows = [(engine.kind, engine.next_kinds(1)[0], engine.level, fallen) for engine, fallen in games]
    kind, coming, level, fallen = (np.array(column, np.int32) for column in zip(*rows, strict=True))
    values = np.empty((len(games), ACTIONS), np.float32)
    where = np.empty((len(games), 3), np.int32)
    teach(rules(None), columns_of(boards), kind, coming, level, fallen, values, where)
    for number, (engine, _) in enumerate(games):
        assert tuple(where[number]) == (*corner(engine.pos), engine.drop_rows())
        assert [*(values[number] > INVALID)] == [is_valid(engine, action) for action in range(ACTIONS)]
        valid = np.flatnonzero(values[number] > INVALID)
        for action in {*random.permutation(valid)[:1], *(a for a in valid if last_kick(engine, a) > 1)}:
            assert values[number, action] == pytest.approx(value(engine, int(action)), abs=0.01)


def test_no_action_takes_as_long_as_the_lock_delay() -> None:
    """The batched rules keep none."""
    longest = max(len(presses(action)) for action in range(ACTIONS))
    assert longest * MOVE_FRAMES < LOCK_FRAMES
    assert longest < LOCK_RESETS


def test_the_columns_are_the_board() -> None:
    for games, _, _ in histories(n=10, seed=4, steps=30):
        assert (columns_of(games.state.boards) == games.state.columns).all()


def test_deals_shuffled_sets_of_all_seven() -> None:
    games = Games(50, seed=5)
    sequence = [games.state.kind.copy()]
    for _ in range(27):
        games.step(games.teach().reshape(50, ACTIONS).argmax(1))
        sequence.append(games.state.kind.copy())
    assert not games.state.over.any()
    bags = np.array(sequence).T.reshape(50, 4, 7)
    assert (np.sort(bags) == np.arange(1, 8)).all()
    assert len({tuple(bag) for bag in bags.reshape(-1, 7)}) > 150, "they differ"


def test_the_teacher_lives() -> None:
    games = Games(40, seed=6)
    for _ in range(500):
        assert not games.step(games.teach().reshape(40, ACTIONS).argmax(1)).any()
    assert (games.state.level == 10).all()
