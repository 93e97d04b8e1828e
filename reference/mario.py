"""Super Mario Bros in the training of pico: players beside it, and batches of what they saw.

The emulator runs on the CPU, so games are played by processes of their own (`mario_worker`), which ask the model for
its answers. Training never waits for them, except for the very first states.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as nnf

from lmgame_games.mario import cards
from reference.mario_answers import code, tokens
from reference.mario_channel import ANSWER, CHOICES, FRAME, MOST_MOVES, RESULTS, SLOTS, Channel
from reference.network import Network, Writer
from reference.pixels import to_input
from reference.vocabulary import MARIO, PAD, token_id

STAGES = {stage: 0.76 if stage == "1-1" else 0.03 for stage in cards.STAGES}
"""Where games start, and in what share of them."""
FIRST = 256
"""States without which no batch is drawn."""
SHIFT = (8, 6)
"""Pixels across and down by which pictures are moved at most."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures and answers."""

    pixels: torch.Tensor
    """(n, 3, 256, 256) in [-1, 1]."""
    tokens: torch.Tensor
    """(n, LENGTH) ids, from the answer's opening to its end, padded."""


@dataclass(frozen=True, slots=True)
class Result:
    """A game that the model played."""

    stage: str
    idle: int
    x: int
    """Pixels to the right of the start, until the stage's end or the first death."""
    decisions: int
    finished: bool


def pixels(frames: torch.Tensor, augment: float = 0.0) -> torch.Tensor:
    """Frames (n, 240, 256, 3) uint8 as the model sees them: (n, 3, 256, 256) in [-1, 1].

    `augment` 0..1 moves them by a few pixels and changes brightness, contrast, colours and noise a little.
    """
    if not augment:
        return to_input(frames.permute(0, 3, 1, 2).float() / 255)
    n, height, width, _ = frames.shape
    device = frames.device

    def moved(size: int, most: int) -> torch.Tensor:
        by = (torch.rand(n, 1, device=device) * 2 - 1) * most * augment
        return (torch.arange(size, device=device) + by.round().long()).clamp(0, size - 1)

    across, down = moved(width, SHIFT[0]), moved(height, SHIFT[1])
    frames = frames[torch.arange(n, device=device)[:, None, None], down[:, :, None], across[:, None, :]]
    values = frames.permute(0, 3, 1, 2).float() / 255
    contrast = 1 + 0.15 * augment * (torch.rand(n, 1, 1, 1, device=device) * 2 - 1)
    colour = 0.06 * augment * (torch.rand(n, 3, 1, 1, device=device) * 2 - 1)
    noise = 0.02 * augment * torch.rand(n, 1, 1, 1, device=device)
    values = (values - 0.5) * contrast + 0.5 + colour + noise * torch.randn_like(values)
    return to_input(values)


class Source:
    """The players, and the states they have offered.

    Args:
        emulator: A folder to import `nes_py` and `gym_super_mario_bros` from, where this Python has neither (both
            ask for Python 3.13; built for another version they run there, too).
        device: Where batches are wanted.
        network: The model that plays.
        count: Size of a batch.
        workers: Number of players; by default two fewer than there are cores.
        capacity: States kept, 184 KB each on the device.
        stages: Share of the games that start on each stage.
        seed: Of the players' choices.
    """

    weight = 0.5
    """What a batch's loss is multiplied by before it is added to Tetris's."""
    interval = 0.15
    """Least seconds between two looks at what the players have."""

    def __init__(
        self,
        emulator: Path,
        device: torch.device,
        network: Network,
        *,
        count: int = 256,
        workers: int | None = None,
        capacity: int = 60_000,
        stages: dict[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        self.device, self.count, self.stages = device, count, stages or STAGES
        self.generator = np.random.default_rng(seed)
        self.frames = torch.zeros((capacity, *FRAME), dtype=torch.uint8, device=device)
        self.answers = np.zeros((capacity, CHOICES), ANSWER)
        self.chances = np.zeros((capacity, CHOICES), np.float32)
        self.filled = self.offered = 0
        self.results: deque[Result] = deque(maxlen=400)
        self._seen = self._asked = 0
        self._looked = 0.0
        self._folder = tempfile.TemporaryDirectory()
        workers = workers or max(1, (os.cpu_count() or 2) - 2)
        paths = [Path(self._folder.name) / str(number) for number in range(workers)]
        self.channels = [Channel(path, create=True) for path in paths]
        # Not the compiled layers, which would be compiled anew for every length.
        self._writer = Writer(Network(network.model), MARIO, workers, 2 * MOST_MOVES)
        self._read = [0] * workers
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(emulator)])}
        command = [sys.executable, "-m", "reference.mario_worker"]
        shares = [f"{stage}:{share}" for stage, share in self.stages.items()]
        self.players = [
            subprocess.Popen([*command, str(path), str(1000 * seed + number), *shares], env=environment)
            for number, path in enumerate(paths)
        ]

    def batch(self, *, share: float = 0.6, augment: float = 1.0) -> Batch:
        """States drawn at random, half of them from the newest third, each with one of the teacher's answers.

        Also answers the players, now and then. `share` is the share of their games that the model shall play.
        """
        for channel in self.channels:
            channel["share"] = share
        self.look()
        while self.filled < FIRST:
            time.sleep(0.05)
            self.look(force=True)
        recent = (self.offered - 1 - self.generator.integers(0, -(-self.filled // 3), self.count)) % len(self.answers)
        index = np.where(
            self.generator.random(self.count) < 0.5, recent, self.generator.integers(0, self.filled, self.count)
        )
        level = self.generator.random((self.count, 1))
        choice = (self.chances[index].cumsum(1) < level).sum(1).clip(0, CHOICES - 1)
        ids = torch.from_numpy(tokens(self.answers[index, choice]))
        where = torch.from_numpy(index)
        if self.device.type == "cuda":
            ids, where = ids.pin_memory(), where.pin_memory()
        chosen = self.frames[where.to(self.device, non_blocking=True)]
        return Batch(pixels(chosen, augment), ids.to(self.device, non_blocking=True))

    def loss(self, network: Network, features: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Mean cross-entropy of the answers' tokens."""
        logits = network.write(features, MARIO, batch.tokens[:, :-1])
        return nnf.cross_entropy(logits.flatten(0, 1), batch.tokens.flatten(), ignore_index=token_id(PAD))

    def look(self, *, force: bool = False) -> None:
        """Take in what the players offer, and answer what they ask."""
        now = time.monotonic()
        if now - self._looked < self.interval and not force:
            return
        self._looked = now
        for player, process in enumerate(self.players):
            if process.poll() is not None:
                raise RuntimeError(f"Player {player} of Super Mario Bros ended with code {process.returncode}.")
            self._take(player)
        asking = [channel for channel in self.channels if channel["asked"] > channel["answered"]]
        if asking:
            for channel, answer in zip(asking, self.answer([channel["question"] for channel in asking]), strict=True):
                channel["answer"] = answer
                channel["answered"] += 1

    def _take(self, player: int) -> None:
        channel = self.channels[player]
        written, read = channel["written"], channel["read"]
        for number in range(read, written):
            slot: Any = channel["states"][number % SLOTS]
            place = self.offered % len(self.answers)
            self.frames[place].copy_(torch.from_numpy(np.array(slot["frame"])))
            self.answers[place], self.chances[place] = slot["answers"], slot["chances"]
            self.offered += 1
            self.filled = min(len(self.answers), self.offered)
        channel["read"] = written
        for number in range(self._read[player], channel["results"]):
            stage, idle, x, decisions, finished = channel["result"][number % RESULTS].item()
            self.results.append(Result(stage.decode(), idle, x, decisions, finished))
            self._seen += 1
        self._read[player] = channel["results"]

    @torch.no_grad()
    def answer(self, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The model's answers to at most a frame a player, the likeliest token each time; as a channel has them."""
        seen = np.zeros((len(self.channels), *FRAME), np.uint8)
        seen[: len(frames)] = frames
        written = self._writer(pixels(torch.from_numpy(seen).to(self.device)))
        self._asked += len(frames)
        return [code(row) for row in written[: len(frames)].tolist()]

    def report(self) -> dict[str, Any]:
        """How the players are doing; of the model's finished games, those on 1-1 that were played without noise."""
        own = [result for result in self.results if result.stage == "1-1"][-40:]
        report: dict[str, Any] = {"mario_states": self.offered, "mario_games": self._seen, "mario_asked": self._asked}
        if own:
            report["mario_x"] = int(np.median([result.x for result in own]))
            report["mario_finished"] = round(float(np.mean([result.finished for result in own])), 2)
        return report

    def examine(self, games: Iterable[tuple[str, int]]) -> list[Result]:
        """Let the model alone play these games (stage, idle frames), one life each; the games in training end."""
        for channel in self.channels:
            channel["share"] = 0.0
        waiting, found = deque(games), []
        wanted = len(waiting)
        busy = [False] * len(self.channels)
        while len(found) < wanted:
            for player, channel in enumerate(self.channels):
                if channel["jobs_done"] == channel["jobs"]:
                    if busy[player]:
                        busy[player] = False
                        found.append(self._last(player))
                    if waiting:
                        channel["job_stage"], channel["job_idle"] = waiting[0][0].encode(), waiting[0][1]
                        waiting.popleft()
                        channel["jobs"] += 1
                        busy[player] = True
            self.look(force=True)
            time.sleep(0.005)
        return sorted(found, key=lambda result: (result.stage, result.idle))

    def _last(self, player: int) -> Result:
        channel = self.channels[player]
        stage, idle, x, decisions, finished = channel["result"][(channel["results"] - 1) % RESULTS].item()
        return Result(stage.decode(), idle, x, decisions, finished)

    def close(self) -> None:
        """End the players."""
        for channel in self.channels:
            channel["stop"] = 1
        for player in self.players:
            try:
                player.wait(10)
            except subprocess.TimeoutExpired:
                player.kill()
        self._folder.cleanup()
