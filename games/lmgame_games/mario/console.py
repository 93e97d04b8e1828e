"""The emulated console: a cartridge booted to a stage, and buttons held frame by frame."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from nes_py import NESEnv

from lmgame_common import UsageError
from lmgame_games.mario import buttons, ram
from lmgame_games.mario.cartridge import Cartridge

TITLE_LIMIT = 120
"""Frames after power-on within which the title screen listens; the game takes 38."""
START_LIMIT = 1200
"""Frames after Start within which Mario can be moved; the longest way, with a walk into a pipe, takes 490."""


@dataclass(frozen=True, slots=True)
class Start:
    """How a console got from power-on to the first moment of a stage at which Mario can be moved."""

    before: bytes
    """Controller bytes, one a frame, from power-on to the title screen."""
    writes: tuple[tuple[int, int], ...]
    """(address, value): what is then written to RAM to choose the stage. The only writes there ever are."""
    after: bytes
    """Controller bytes, one a frame, from there on."""


def stage_writes(world: int, stage: int) -> tuple[tuple[int, int], ...]:
    """What to write on the title screen so that Start begins this stage: world, stage and area number, from 0.

    Areas are numbered through a world. Worlds 1, 2, 4 and 7 have one more, the walk into the pipe before stage 2
    (`World1Areas` and its like in the commented disassembly).
    """
    walk = world in (1, 2, 4, 7) and stage > 2
    return (0x075F, world - 1), (0x075C, stage - 1), (0x0760, stage - 1 + walk)


class Console(NESEnv):
    """`NESEnv` without what its `step` adds to a frame, at the start of a stage."""

    def __init__(self, cartridge: Cartridge, world: int, stage: int) -> None:
        """Switch on and play to the stage's start: 189 frames, 528 where a walk into a pipe comes first.

        Raises UsageError if the emulator can't run the cartridge, or it isn't Super Mario Bros as far as it shows.
        """
        try:
            super().__init__(cartridge.path)
        except (ValueError, RuntimeError) as error:
            raise UsageError(f"The emulator can't run the cartridge image {cartridge.path!r}: {error}") from None
        self.reset()
        self.memory = memoryview(self.ram).toreadonly()
        """The RAM as it is now: a view, and one that can't be written through."""
        native: Any = self._env
        self.advance = native.frame_advance
        """Run one frame with a controller byte held; the emulator's own function, so nothing stands in between."""
        self.start = self._boot(cartridge, world, stage)
        # A snapshot is of use to the console it came from alone: loaded into another one it crashes the process as
        # soon as its origin is gone (nes-py 9.0.1).
        self._snapshot = self.dump_state()

    def rewind(self) -> None:
        """Go back to the stage's start."""
        self.load_state(self._snapshot)

    def frame(self) -> np.ndarray:
        """A copy of the picture, uint8 of shape (240, 256, 3), RGB."""
        return self.observation(mode="rgb_array_contiguous")

    def _boot(self, cartridge: Cartridge, world: int, stage: int) -> Start:
        memory, before, after = self.memory, bytearray(), bytearray()
        unlike = UsageError(
            f"The cartridge image {cartridge.path!r} doesn't start like Super Mario Bros (1985). "
            "Give the path of that game's image, or leave `rom` out."
        )
        while memory[0x0770] != 0 or memory[0x0772] != 3:
            if len(before) == TITLE_LIMIT:
                raise unlike
            self.advance(0)
            before.append(0)
        writes = stage_writes(world, stage)
        for address, value in writes:
            self.ram[address] = value
        while not ram.playing(memory):
            if len(after) == START_LIMIT:
                raise unlike
            held = 0 if after else buttons.START
            self.advance(held)
            after.append(held)
        if ram.stage(memory) != (world, stage) or ram.lives(memory) != 3:
            raise unlike
        return Start(bytes(before), writes, bytes(after))
