"""Cards and words as pictures, drawn once: arrays, uint8 (height, width, 3), that aren't to be written to.

The deck has four colours, so that suits differ in colour, shape and letter.
"""

import math
from functools import cache, lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
COLOURS: dict[str, Colour] = {"s": (25, 25, 30), "h": (205, 30, 40), "d": (30, 85, 215), "c": (20, 130, 55)}
_PAPER: Colour = (248, 248, 244)
_EDGE: Colour = (90, 90, 96)
_BACK: tuple[Colour, Colour] = ((120, 30, 44), (176, 70, 80))
_FINE = 4
"""Drawn so many times larger, for smooth edges."""


@cache
def font(points: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that comes with Pillow."""
    return ImageFont.load_default(points)


@cache
def face(card: str, width: int, height: int) -> np.ndarray:
    """A card's face: its rank large, its suit as a shape, and the letter that stands for it in text."""
    colour, rank, suit = COLOURS[card[1]], card[0], card[1]
    image = _blank(width, height, _PAPER)
    pen = ImageDraw.Draw(image)
    w, h = width * _FINE, height * _FINE
    rank = "10" if rank == "T" else rank
    pen.text((w * 0.5, h * 0.27), rank, colour, font(int(h * 0.44)), anchor="mm")
    _suit(pen, suit, w * 0.37, h * 0.72, h * 0.17, colour)
    pen.text((w * 0.78, h * 0.74), suit, colour, font(int(h * 0.25)), anchor="mm")
    return np.array(image.resize((width, height), Image.Resampling.LANCZOS))


@cache
def back(width: int, height: int) -> np.ndarray:
    """The back of a card."""
    image = _blank(width, height, _BACK[0])
    pen = ImageDraw.Draw(image)
    w, h, gap = width * _FINE, height * _FINE, width * _FINE // 8
    for x in range(gap, w, gap):
        for y in range(gap, h, gap):
            size = gap // 4
            pen.polygon([(x, y - size), (x + size, y), (x, y + size), (x - size, y)], _BACK[1])
    return np.array(image.resize((width, height), Image.Resampling.LANCZOS))


@cache
def place(width: int, height: int, felt: Colour, line: Colour) -> np.ndarray:
    """The place of a card that hasn't been dealt."""
    image = Image.new("RGB", (width, height), felt)
    ImageDraw.Draw(image).rounded_rectangle((0, 0, width - 1, height - 1), width // 9, outline=line, width=1)
    return np.array(image)


@cache
def button(size: int, felt: Colour) -> np.ndarray:
    """The dealer's button: a white disc with a D."""
    image = Image.new("RGB", (size * _FINE, size * _FINE), felt)
    pen = ImageDraw.Draw(image)
    pen.ellipse((0, 0, size * _FINE - 1, size * _FINE - 1), _PAPER, _EDGE, _FINE)
    pen.text((size * _FINE / 2, size * _FINE / 2), "D", COLOURS["s"], font(size * _FINE * 7 // 10), anchor="mm")
    return np.array(image.resize((size, size), Image.Resampling.LANCZOS))


@lru_cache(8192)
def word(letters: str, points: int, colour: Colour, ground: Colour) -> np.ndarray:
    """A word in that colour on a plain ground; all words of one size are of one height."""
    image = Image.new("RGB", (math.ceil(font(points).getlength(letters)), points + 6), ground)
    ImageDraw.Draw(image).text((0, points // 2 + 3), letters, colour, font(points), anchor="lm")
    return np.array(image)


def _blank(width: int, height: int, colour: Colour) -> Image.Image:
    image = Image.new("RGB", (width * _FINE, height * _FINE), _EDGE)
    edge = _FINE
    box = (edge, edge, width * _FINE - edge - 1, height * _FINE - edge - 1)
    ImageDraw.Draw(image).rectangle(box, colour)
    return image


def _suit(pen: ImageDraw.ImageDraw, suit: str, x: float, y: float, r: float, colour: Colour) -> None:
    """A suit's shape, within `r` of its middle."""

    def disc(dx: float, dy: float, radius: float) -> None:
        pen.ellipse(
            (x + (dx - radius) * r, y + (dy - radius) * r, x + (dx + radius) * r, y + (dy + radius) * r), colour
        )

    def shape(*points: tuple[float, float]) -> None:
        pen.polygon([(x + dx * r, y + dy * r) for dx, dy in points], colour)

    if suit == "d":
        shape((0, -1.1), (0.8, 0), (0, 1.1), (-0.8, 0))
    elif suit == "h":
        disc(-0.45, -0.4, 0.5)
        disc(0.45, -0.4, 0.5)
        shape((-0.9, -0.18), (0.9, -0.18), (0, 1))
    elif suit == "s":
        disc(-0.45, 0.2, 0.48)
        disc(0.45, 0.2, 0.48)
        shape((-0.88, 0.02), (0.88, 0.02), (0, -1.05))
        shape((0, 0), (0.38, 1), (-0.38, 1))
    else:
        disc(0, -0.52, 0.46)
        disc(-0.52, 0.2, 0.46)
        disc(0.52, 0.2, 0.46)
        shape((0, -0.4), (0.38, 1), (-0.38, 1))
