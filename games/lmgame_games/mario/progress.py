"""How far Mario got, counted in pixels."""

from typing import Protocol

from lmgame_games.mario import ram
from lmgame_games.mario.ram import Ram

SIDE_AREAS = frozenset({0x00, 0x2B, 0x2F, 0x34, 0x42})
"""Areas off a stage's way to its end: bonus rooms under water, in the clouds (two), underground; 4-2's warp zone."""


class Progress(Protocol):
    """Counts while the game runs."""

    @property
    def total(self) -> int:
        """Pixels so far; never falls."""
        ...

    def see(self, memory: Ram, playing: bool) -> None:
        """Look at the RAM after a frame; `playing` says whether Mario is under the player's control."""
        ...


class Distance:
    """The furthest x within each area of each stage, from where Mario first stood there, summed.

    What was reached once adds nothing again: not after a death, not after walking back, not in a castle that winds the
    corridor back, not when the game returns to the stage. Only frames in which the player is in control count, so the
    walk to the castle is nobody's merit. Side areas count nothing; where Mario comes out of them does.
    """

    def __init__(self) -> None:
        self._reached: dict[tuple[int, int, int], int] = {}
        self._place: tuple[int, int, int] | None = None
        self._furthest = 0
        self._total = 0

    @property
    def total(self) -> int:
        """Pixels so far; never falls."""
        return self._total

    def see(self, memory: Ram, playing: bool) -> None:
        """Look at the RAM after a frame; `playing` says whether Mario is under the player's control."""
        if not playing:
            self._leave()
            return
        x = ram.mario_x(memory)
        if self._place is None:
            self._place = (*ram.stage(memory), ram.area(memory))
            self._furthest = self._reached.get(self._place, x)
        if x > self._furthest:
            if self._place[2] not in SIDE_AREAS:
                self._total += x - self._furthest
            self._furthest = x

    def _leave(self) -> None:
        # Stage and area change only while the player has no control, so it is enough to look at them afterwards.
        if self._place is not None:
            self._reached[self._place] = self._furthest
            self._place = None


class Scroll:
    """The furthest scroll position, counted as the original Lmgame-Bench does: its environment takes the left edge of
    the picture as `xscrollLo + 255 * xscrollHi`, after every frame, and keeps one maximum for the whole episode. What
    lies no further than that in a later stage adds nothing.
    """

    def __init__(self) -> None:
        self._total = 0

    @property
    def total(self) -> int:
        """Pixels so far; never falls."""
        return self._total

    def see(self, memory: Ram, playing: bool) -> None:
        """Look at the RAM after a frame."""
        position = memory[0x071C] + 255 * memory[0x071A]
        if position > self._total:
            self._total = position
