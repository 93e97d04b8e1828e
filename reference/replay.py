"""The states that games went through, and what the teacher said of them."""

from dataclasses import dataclass

import torch

from reference.tetris_games import ACTIONS, COLUMNS, QUEUE, ROWS, Games


@dataclass
class Moment:
    """What a picture shows of N games; a piece has just appeared in each. Fields as in `tetris_games.State`."""

    boards: torch.Tensor
    """(N, 24, 10) uint8."""
    kind: torch.Tensor
    """(N,) int32."""
    where: torch.Tensor
    """(N, 3) int32."""
    queue: torch.Tensor
    """(N, 5) int32."""

    @classmethod
    def of(cls, games: Games) -> "Moment":
        """The games' present moment, sharing their memory; only after `teach`, which works out `where`."""
        state = games.state
        return cls(state.boards, state.kind, state.where, state.queue)


class Replay:
    """The last states, at most `capacity`, on a device."""

    def __init__(self, capacity: int, device: torch.device) -> None:
        self.capacity, self.filled, self._next = capacity, 0, 0
        self._boards = torch.zeros(capacity, ROWS, COLUMNS, dtype=torch.uint8, device=device)
        self._rest = torch.zeros(capacity, 1 + 3 + QUEUE, dtype=torch.int8, device=device)
        self._values = torch.zeros(capacity, ACTIONS, dtype=torch.float16, device=device)

    def add(self, games: Games, values: torch.Tensor) -> None:
        """Take in a state of every game with the teacher's values (N, 44), just computed."""
        moment = Moment.of(games)
        index = (torch.arange(games.n, device=values.device) + self._next) % self.capacity
        self._boards[index] = moment.boards
        self._rest[index] = torch.cat([moment.kind[:, None], moment.where, moment.queue], 1).to(torch.int8)
        self._values[index] = values.half()
        self._next = (self._next + games.n) % self.capacity
        self.filled = min(self.capacity, self.filled + games.n)

    def sample(self, count: int) -> tuple[Moment, torch.Tensor]:
        """States drawn uniformly with replacement, and values (count, 44) float32."""
        index = torch.randint(0, self.filled, (count,), device=self._values.device)
        rest = self._rest[index].int()
        moment = Moment(self._boards[index], rest[:, 0], rest[:, 1:4], rest[:, 4:])
        return moment, self._values[index].float()
