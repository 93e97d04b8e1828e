"""Many games of Tetris `standard` at once, with the teacher's opinion of every placement: on a CPU or a GPU.

The rules and the teacher are in `tetris_rules.h`. Without PyTorch the games live in numpy arrays.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from reference.compiled import CpuKernels, CudaKernels, Kernels

SOURCE = Path(__file__).with_name("tetris_rules.h")
ROWS, COLUMNS, QUEUE = 24, 10, 5
TURNS, SHIFTS = 4, 11
ACTIONS = TURNS * SHIFTS
"""Placements that the answer format can say: turn * 11 + shift + 5. Turns: none, clockwise, twice clockwise,
counter-clockwise; shifts: -5..5 columns to the right, after the turns; then a hard drop."""
INVALID = -10000.0
"""Value of an action that can't be played as it is said, or says the same place as another one."""
POSSIBLE = INVALID / 2
"""What the values of all other actions lie above, those that end the game included."""


@dataclass
class State:
    """The games' state, one array a field, the game on the first axis; int32 where nothing else is said."""

    boards: Any
    """(N, 24, 10) uint8: kinds of the locked cells (1..7 = I, O, T, S, Z, J, L; 0 empty), row 0 the lowest."""
    columns: Any
    """(N, 10): the same, a column an integer, bit y for row y."""
    kind: Any
    """(N,): kind of the piece in play, which has just appeared and come down one row if it could."""
    where: Any
    """(N, 3): column and row of the lower left corner of its bounding box; rows from it down to its ghost."""
    queue: Any
    """(N, 5): the next kinds, the very next first."""
    bag: Any
    """(N,): bit k set if kind k is still to come out of the present bag."""
    random: Any
    """(N,) int64: state of the generator behind the bag."""
    level: Any
    """(N,): 1..10."""
    lines: Any
    """(N,): rows cleared."""
    pieces: Any
    """(N,): pieces locked."""
    cleared: Any
    """(N,): rows cleared by the last step."""
    over: Any
    """(N,) bool: whether the game has ended; nothing changes in it any more until it is reset."""


class Games:
    """N games, all begun. The same seed and actions give the same games on every device.

    Args:
        n: How many.
        seed: Of the bags.
        device: A PyTorch device (`cpu`, `cuda`), or None for numpy arrays.

    Raises:
        LmgameError: On a CPU, if the rules can't be compiled.
    """

    def __init__(self, n: int, seed: int, device: str | None = None) -> None:
        self.n = n
        self._rules = rules(device)
        shapes = {"boards": (n, ROWS, COLUMNS), "columns": (n, COLUMNS), "where": (n, 3), "queue": (n, QUEUE)}
        types = {"boards": np.uint8, "random": np.int64, "over": np.bool_}
        arrays = {f.name: np.zeros(shapes.get(f.name, (n,)), types.get(f.name, np.int32)) for f in fields(State)}
        # Far apart in the generator's one cycle of 2**64.
        arrays["random"][:] = np.random.default_rng(seed).integers(-(2**63), 2**63, n)
        self._values = np.zeros((n, TURNS, SHIFTS), np.float32)
        everyone = np.ones(n, np.bool_)
        if device is not None:
            import torch

            arrays = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
            self._values = torch.from_numpy(self._values).to(device)
            everyone = torch.from_numpy(everyone).to(device)
        self.state = State(**arrays)
        self.reset(everyone)

    def reset(self, mask: Any) -> None:
        """Begin new games where `mask`, (N,) bool, is set."""
        self._rules("reset", self.n, mask, *vars(self.state).values())

    def step(self, actions: Any) -> Any:
        """Play one action, (N,) of 0..43, in each game that isn't over; returns `state.over`, (N,) bool.

        An action that isn't valid is played as the engine plays such moves: those that are blocked do nothing, and
        what comes after a lock is dropped.
        """
        chosen = actions.astype(np.int32) if isinstance(actions, np.ndarray) else actions.int()
        self._rules("step", self.n, chosen, *vars(self.state).values())
        return self.state.over

    def teach(self) -> Any:
        """Values (N, 4, 11) float32 of all actions, `INVALID` where there is none; overwritten by the next call.

        Of the board after the piece in play and the best straight drop of the next one, with what both earned; some
        1000 less where that ends the game.
        """
        state = self.state
        coming = state.queue[:, 0]
        coming = np.ascontiguousarray(coming) if isinstance(coming, np.ndarray) else coming.contiguous()
        teach(self._rules, state.columns, state.kind, coming, state.level, None, self._values, state.where)
        return self._values


def teach(
    rules: Kernels, columns: Any, kind: Any, coming: Any, level: Any, fallen: Any, values: Any, where: Any
) -> None:
    """Value every action in states of one's own making.

    Args:
        rules: See `rules`.
        columns: (N, 10) int32, see `State`.
        kind: (N,) int32.
        coming: (N,) int32, the very next kind.
        level: (N,) int32.
        fallen: (N,) int32, rows that the piece has come down already while nobody pressed anything; or None for 0.
        values: (N, 4, 11) float32, written.
        where: (N, 3) int32, written.
    """
    rules("teach", ACTIONS * len(kind), columns, kind, coming, level, fallen, values, where)


def rules(device: str | None) -> Kernels:
    """The compiled rules for a device (see `Games`)."""
    return CudaKernels(SOURCE) if device is not None and str(device).startswith("cuda") else CpuKernels(SOURCE)


def columns_of(boards: Any) -> Any:
    """Boards (N, 24, 10) of kinds, row 0 the lowest, as integers (N, 10): numpy arrays."""
    return ((boards > 0).astype(np.int32) << np.arange(ROWS, dtype=np.int32)[:, None]).sum(1, dtype=np.int32)
