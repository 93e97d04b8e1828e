"""The button combinations a player can hold, and the controller byte of each."""

A, B, SELECT, START, UP, DOWN, LEFT, RIGHT = (1 << bit for bit in range(8))
"""Bits of the controller byte in the emulator's order."""

COMBINATIONS: dict[str, int] = {
    "noop": 0,
    "right": RIGHT,
    "right+a": RIGHT | A,
    "right+b": RIGHT | B,
    "right+a+b": RIGHT | A | B,
    "left": LEFT,
    "left+a": LEFT | A,
    "left+b": LEFT | B,
    "left+a+b": LEFT | A | B,
    "a": A,
    "b": B,
    "down": DOWN,
    "up": UP,
}
"""Canonical name to controller byte, in the order of the action space. Start and select are left out: they pause."""

NAMES = tuple(COMBINATIONS)
BYTES = tuple(COMBINATIONS.values())
