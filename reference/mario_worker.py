"""A player of Super Mario Bros beside the training: `python -m reference.mario_worker CHANNEL SEED STAGE:SHARE...`.

It plays games on the emulator, some by the teacher with random answers in between, the others by the model that is
being trained, whose answers it asks for through its channel. What the teacher says of each state that it comes to is
offered for training. When an answer kills Mario, the emulator's saved state is loaded and the teacher's answer is
played instead, so that a beginner's games too lead through the whole stage.
"""

import os
import random
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lmgame_games.mario import ram
from lmgame_games.mario.buttons import BYTES, NAMES
from lmgame_games.mario.cards import IDLE_FRAMES
from lmgame_games.mario.cartridge import find
from lmgame_games.mario.console import Console
from lmgame_games.mario.progress import Distance
from reference.mario_channel import CHOICES, RESULTS, SLOTS, Channel, decode, encode
from reference.mario_teacher import DEATH, Answer, judge

LONGEST, PATIENCE = 90, 14
"""Decisions after which a game is given up, in all and without getting on."""
ATTEMPTS = 6
"""Answers tried on the emulator before a state counts as lost."""
NOISE = (0.0, 0.1, 0.3)
"""Chances, one drawn for each of the teacher's games, of a random answer among the `STRAY` best."""
STRAY = 120
OWN_NOISE = (0.0, 0.0, 0.1)
"""The same for the model's games."""
TEMPERATURE = 4.0
"""Of the target, in pixels: answers that are worth so much less have a chance smaller by a factor of e."""
FLAGPOLE, PIPES, CASTLE = (4, 5), (2, 3), 2
"""Routines of the game (RAM 0x000E) at the flagpole and in pipes; its mode (RAM 0x0770) at a castle's end."""
TRIED = 1.0
"""Pixels that it is worth to know from the emulator that an answer works."""
UNATTENDED = 1200
"""Most frames to wait for the game to listen again."""


class Game:
    """A stage on the emulator, without the environment around it, so that it can be wound back."""

    def __init__(self, stage: str, console: Console | None = None) -> None:
        """Start a stage, or look at one that a console is in already."""
        world, number = map(int, stage.split("-"))
        self.stage, self._number = stage, (world, number)
        self.console = console or Console(find(), world, number)
        self.memory = self.console.memory
        self._progress = Distance()

    @property
    def x(self) -> int:
        """Pixels that Mario has got to the right, as the game's card counts them."""
        return self._progress.total

    def begin(self, idle: int) -> None:
        """Go back to the stage's start and let `idle` frames pass."""
        self.console.rewind()
        self._progress = Distance()
        self._progress.see(self.memory, True)
        for _ in range(idle):
            self.console.advance(0)

    def save(self) -> tuple[Any, Distance]:
        """Where the game is, for `load`."""
        return self.console.dump_state(), deepcopy(self._progress)

    def load(self, saved: tuple[Any, Distance]) -> None:
        """Go back to where the game was."""
        self.console.load_state(saved[0])
        self._progress = deepcopy(saved[1])

    def play(self, answer: Answer) -> str:
        """Play an answer as the environment does; returns `died`, `finished` (the stage) or `on`."""
        for byte in (BYTES[NAMES.index(name)] for name, frames in answer for _ in range(frames)):
            if (state := self._advance(byte)) in ("died", "finished"):
                return state
            if state == "gone":  # through a pipe: the rest was meant for another place
                break
        for _ in range(UNATTENDED):
            if ram.playing(self.memory):
                break
            if (state := self._advance(0)) in ("died", "finished"):
                return state
        return "on"

    def look_ahead(self, answer: Answer) -> "Future":
        """Where an answer leads to, and whether Mario lives for a moment after it; the game stays where it is."""
        saved = self.save()
        state = self.play(answer)
        after = self.save()
        lives = state == "finished" or (state == "on" and self.play((("noop", 20),)) != "died")
        self.load(saved)
        return Future(answer, state, after, lives)

    def _advance(self, byte: int) -> str:
        memory = self.memory
        self.console.advance(byte)
        listening = ram.playing(memory)
        self._progress.see(memory, listening)
        if listening:
            return "on"
        if ram.phase(memory) is ram.Phase.DYING:
            return "died"
        if memory[0x000E] in FLAGPOLE or memory[0x0770] == CASTLE or ram.stage(memory) != self._number:
            return "finished"
        return "gone" if memory[0x000E] in PIPES or not ram.in_scene(memory) else "growing"


@dataclass(frozen=True, slots=True)
class Future:
    """What came of an answer when it was tried."""

    answer: Answer
    state: str
    """As `Game.play` returned it."""
    after: tuple[Any, Distance]
    """As `Game.save` returned it."""
    lives: bool


@dataclass(frozen=True, slots=True)
class Advice:
    """What the teacher says of a state."""

    future: Future
    """Of its best answer, tried on the emulator."""
    answers: list[Answer]
    """Its best answers, `CHOICES` at most."""
    chances: np.ndarray
    """The chance that it would choose each of them; they sum to 1."""
    strays: list[Answer]
    """Answers that are not as good."""


def advise(game: Game) -> Advice | None:
    """What the teacher says here; None where it knows no way to live.

    What it thinks best is tried on the emulator, because its own model of the game ends at the picture's edge. Where
    that kills Mario, the next best one is tried, and answers that end near there count less.
    """
    found = judge(game.memory)
    values = found.values
    ends = np.array([end.px for end in found.ends])
    for _ in range(ATTEMPTS):
        best = int(values.argmax())
        if values[best] <= DEATH:
            return None
        future = game.look_ahead(found.answers[best])
        if future.lives:
            values[best] += TRIED
            break
        values[np.abs(ends - ends[best]) <= 12] -= 40
        values[best] = DEATH
    else:
        return None
    order = np.argsort(-values)
    chances = np.exp((values[order[:CHOICES]] - values[best]) / TEMPERATURE)
    strays = [found.answers[number] for number in order[:STRAY] if values[number] > DEATH]
    return Advice(future, [found.answers[number] for number in order[:CHOICES]], chances / chances.sum(), strays)


class Player:
    """Plays one game after another until its channel says stop."""

    def __init__(self, channel: Channel, seed: int, shares: dict[str, float]) -> None:
        """Play these stages, each in its share of the games."""
        self.channel, self.shares = channel, shares
        self.random = random.Random(seed)
        self.games: dict[str, Game] = {}
        self.parent = os.getppid()
        self.examinations = 0

    def run(self) -> None:
        """Play for ever."""
        while True:
            if self.channel["jobs"] > self.examinations:
                self._examine()
            else:
                self._train()

    def _game(self, stage: str) -> Game:
        if stage not in self.games:
            self.games[stage] = Game(stage)
        return self.games[stage]

    def _examine(self) -> None:
        """Play one game by the model alone."""
        self.examinations = self.channel["jobs"]
        stage, idle = self.channel["job_stage"].decode(), self.channel["job_idle"]
        game = self._game(stage)
        game.begin(idle)
        state, decisions = "on", 0
        while state == "on" and decisions < 300:
            self._ask(game)
            state = game.play(self._answer())
            decisions += 1
        self._result(game, idle, decisions, state == "finished")
        self.channel["jobs_done"] = self.examinations

    def _train(self) -> None:
        """Play one game for training."""
        stage = self.random.choices(list(self.shares), list(self.shares.values()))[0]
        game, idle = self._game(stage), self.random.randrange(IDLE_FRAMES)
        game.begin(idle)
        own = self.random.random() < self.channel["share"]
        noise = self.random.choice(OWN_NOISE if own else NOISE)
        clean, since = own and not noise, 0
        for decision in range(1, LONGEST + 1):
            self._check()
            if self.channel["jobs"] > self.examinations:
                return
            if own:
                self._ask(game)
            advice = advise(game)
            if advice:
                self._offer(game, advice)
            answer = self._answer() if own else None
            if advice and self.random.random() < noise:
                answer = self.random.choice(advice.strays)
            before = game.x
            state = game.play(answer) if answer else "died"
            if state == "died":
                if clean:
                    self._result(game, idle, decision, False)
                    clean = False
                if not advice:
                    return
                state = advice.future.state
                game.load(advice.future.after)
            since = 0 if game.x > before else since + 1
            if state == "finished" or since == PATIENCE:
                break
        if clean:
            self._result(game, idle, decision, state == "finished")

    def _ask(self, game: Game) -> None:
        self.channel["question"][:] = game.console.frame()
        self.channel["asked"] += 1

    def _answer(self) -> Answer:
        self._until(lambda: self.channel["answered"] == self.channel["asked"])
        return decode(self.channel["answer"])

    def _offer(self, game: Game, advice: Advice) -> None:
        written = self.channel["written"]
        self._until(lambda: written - self.channel["read"] < SLOTS)
        slot = self.channel["states"][written % SLOTS]
        slot["frame"][:] = game.console.frame()
        slot["answers"][:], slot["chances"][:] = 0, 0
        for number, (answer, chance) in enumerate(zip(advice.answers, advice.chances, strict=True)):
            slot["answers"][number], slot["chances"][number] = encode(answer), chance
        self.channel["written"] = written + 1

    def _result(self, game: Game, idle: int, decisions: int, finished: bool) -> None:
        count = self.channel["results"]
        result = game.stage.encode(), idle, game.x, decisions, finished
        self.channel["result"][count % RESULTS] = result
        self.channel["results"] = count + 1

    def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._check()
            time.sleep(0.002)

    def _check(self) -> None:
        if self.channel["stop"] or os.getppid() != self.parent:
            sys.exit()


def main() -> None:
    """The command."""
    path, seed, *shares = sys.argv[1:]
    os.nice(5)
    pairs = (share.split(":") for share in shares)
    Player(Channel(Path(path)), int(seed), {stage: float(share) for stage, share in pairs}).run()


if __name__ == "__main__":
    main()
