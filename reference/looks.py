"""A bank of layouts of Tetris pictures: where board, next pieces and hold lie, and what else is on the screen.

A layout is drawn once, as an index map of layers without colours; each picture colours it anew (`reference.skins`).
One family of layouts, the "console", is never trained on: next pieces and hold both left of a board at the right. With
a light theme and flat blocks without borders it is how a model is tested on a look of the game that it hasn't seen.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
import torch.nn.functional as nnf
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

SIZE = 256
"""Side of a picture, the model's input, in pixels."""
BASE, BOARD, PANEL, INK, FRAME, DECOR, DECOR_TOO, TEXTURE = range(8)
"""Layers of a background, by the index of their colour."""
BOXES = 6
"""Places of a piece outside the board: five next ones and hold."""
_FINE = 2
"""Layouts are drawn at twice the size and averaged."""

type Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the picture."""

_LABELS = ("SCORE", "LEVEL", "LINES", "TOP", "TIME", "PIECES", "GOAL", "COMBO", "RATE", "PLAYER 1", "PPS", "HIGH SCORE")
_TITLES = ("TETRIS", "BLOCKS", "A-TYPE", "MARATHON", "SPRINT 40L", "Stage 4", "Falling Blocks", "Press P to pause")
_ASPECTS = (3 / 4, 3 / 4, 2 / 3, 4 / 5, 9 / 10, 1.0, 1.0, 10 / 9, 16 / 15, 5 / 4, 4 / 3, 4 / 3, 3 / 2, 16 / 9)
"""Width by height of the frames that are squeezed to a square picture."""
_ARRANGEMENTS = ("right", "right", "sides", "sides", "mirrored", "above", "below")


@dataclass
class Looks:
    """Layouts as tensors, one row each; lengths in pixels of a 256 × 256 picture."""

    weights: Tensor
    """How much of each pixel is which layer, of 255, (L, 8, 65536) uint8."""
    board: Tensor
    """Left, top of the highest of the 20 rows, width and height of a cell, (L, 4)."""
    hidden: Tensor
    """How many rows above those twenty are shown, 0..2, (L,)."""
    boxes: Tensor
    """Left, top, width and height of a cell of next pieces 1..5 and of hold, (L, 6, 4)."""
    shown: Tensor
    """Which of those there are, (L, 6), 0 or 1."""
    bounds: Tensor
    """The rectangle that a player has to see, (L, 4)."""

    def __len__(self) -> int:
        return len(self.board)

    @classmethod
    def make(cls, count: int, seed: int, device: torch.device, *, held_out: bool = False) -> Self:
        """Draw `count` layouts, of the family held out of training only or of all others."""
        rng = np.random.default_rng([seed, held_out])
        layouts = [_Layout(rng, held_out=held_out) for _ in range(count)]
        weights = torch.empty((count, 8, SIZE * SIZE), dtype=torch.uint8, device=device)
        for start in range(0, count, 64):
            maps = torch.from_numpy(np.stack([layout.map for layout in layouts[start : start + 64]])).to(device)
            weights[start : start + 64] = _weights(maps, rng)

        def rows(name: str) -> Tensor:
            return torch.tensor([getattr(layout, name) for layout in layouts], dtype=torch.float32, device=device)

        return cls(weights, *(rows(field.name) for field in fields(cls)[1:]))


def _weights(maps: Tensor, rng: np.random.Generator) -> Tensor:
    """Index maps (B, 512, 512) uint8 -> weights of layers (B, 8, 65536) uint8, part of the base as texture."""
    count, device = len(maps), maps.device
    shares = torch.stack([maps == layer for layer in range(8)], 1).float()
    shares = nnf.avg_pool2d(shares, _FINE)
    # Texture: none, a gradient in some direction, clouds of some coarseness, or speckles; a stretch of the base.
    axis = torch.linspace(-0.5, 0.5, SIZE, device=device)
    tilt = torch.from_numpy(rng.uniform(-1, 1, (count, 2, 1, 1)).astype(np.float32)).to(device)
    gradient = (0.5 + tilt[:, 0] * axis[:, None] + tilt[:, 1] * axis).clamp(0, 1)
    cells = int(rng.choice([4, 8, 16, 32, 64, 256]))
    noise = torch.from_numpy(rng.random((count, 1, cells, cells), dtype=np.float32)).to(device)
    clouds = nnf.interpolate(noise, (SIZE, SIZE), mode=str(rng.choice(["bilinear", "nearest"])))[:, 0]
    kind = torch.from_numpy(rng.choice(4, count, p=[0.4, 0.3, 0.2, 0.1])).to(device)[:, None, None]
    speckles = (clouds > 0.97).float()
    texture = torch.where(kind == 1, gradient, torch.where(kind == 2, clouds, speckles)) * (kind > 0)
    shares[:, TEXTURE] = shares[:, BASE] * texture
    shares[:, BASE] -= shares[:, TEXTURE]
    return (shares * 255).round().to(torch.uint8).flatten(2)


class _Layout:
    """One layout, drawn at random."""

    def __init__(self, rng: np.random.Generator, *, held_out: bool) -> None:
        self._rng = rng
        self._image = Image.new("L", (_FINE * SIZE, _FINE * SIZE), BASE)
        self._draw = ImageDraw.Draw(self._image)
        self._taken: list[Rectangle] = []
        self._labels: list[tuple[str, float, float]] = []
        self.boxes: list[list[float]] = [[0.0, 0.0, 1.0, 1.0] for _ in range(BOXES)]
        self.shown = [0.0] * BOXES
        self._place(str("console" if held_out else rng.choice(_ARRANGEMENTS)))
        left, top, right, bottom = zip(*self._taken, strict=True)
        self.bounds = [min(left), min(top), max(right), max(bottom)]
        self._decorate()
        for rectangle, layer in self._panels:
            if layer >= 0:
                self._surround(rectangle)
        for rectangle, layer in self._panels:
            self._fill(rectangle, layer if layer >= 0 else PANEL)
        self._write()
        self.map = np.asarray(self._image)

    def _place(self, arrangement: str) -> None:
        """Choose sizes and places of board, next pieces and hold."""
        rng = self._rng
        self.hidden = int(rng.choice([0, 1, 2], p=[0.5, 0.1, 0.4]))
        rows = 20 + self.hidden
        stacked = arrangement in ("above", "below")
        tall = rng.uniform(0.66, 0.82) if stacked else rng.uniform(0.72, 0.98)
        cell_h = SIZE * tall / rows
        aspect = float(rng.choice(_ASPECTS)) * rng.uniform(0.95, 1.05)
        cell_w = float(np.clip(cell_h / aspect, 6.2, 14.6))
        width, height = 10 * cell_w, rows * cell_h
        # Cells of next pieces: a share of the board's, as large as there is room for.
        room = SIZE - width
        share = rng.uniform(0.55, 0.95)
        sides = {"sides": 2, "mirrored": 2}.get(arrangement, 1)
        if not stacked:
            share = min(share, (room / sides - 8) / (4.4 * cell_w))
        if share * cell_w < 3.3:  # too narrow for this board: make the board narrower
            cell_w = min(cell_w, (SIZE - 8 * sides) / (10 + 4.4 * 0.6 * sides))
            width, share = 10 * cell_w, 0.6
            room = SIZE - width
        box_w, box_h = share * cell_w, share * cell_h
        side = 4.4 * box_w + 4
        free_x = max(0.0, room - (0 if stacked else sides * side) - 6)
        free_y = max(0.0, SIZE - height - (3.2 * box_h + 8 if stacked else 4))
        from_left = 3 + free_x * rng.uniform(0, 1)
        from_top = 2 + free_y * rng.uniform(0, 1)
        left = from_left + {"sides": side, "mirrored": side, "console": side}.get(arrangement, 0.0)
        top = from_top + (3.2 * box_h + 6 if arrangement == "above" else 0.0)
        left, top = round(left * 2) / 2, round(top * 2) / 2
        self.board = [left, top + self.hidden * cell_h, cell_w, cell_h]
        outline: Rectangle = (left, top, left + width, top + height)
        self._taken.append(outline)
        self._panels = [(outline, BOARD)]
        if self.hidden and rng.random() < 0.3:
            self._panels.append(((left, top, left + width, top + self.hidden * cell_h), BOARD))
        wanted = int(rng.choice([1, 1, 2, 3, 4, 5, 5]))
        gap = rng.uniform(3, 10)
        if stacked:
            y = top - 2.8 * box_h - 3 if arrangement == "above" else top + height + 0.6 * box_h + 3
            step = box_w * rng.uniform(4.4, 5)
            wanted = min(wanted, max(1, int((SIZE - 6) / step)))
            x = float(np.clip(left + rng.uniform(-0.2, 0.5) * width, 3, SIZE - 3 - wanted * step))
            self._queue(x, y, box_w, box_h, wanted, step, 0)
            if rng.random() < 0.5 and room - left > 4.6 * box_w:
                self._hold(left + width + 4, top + rng.uniform(0, 3) * box_h + 8, box_w, box_h)
            return
        spots = {"left": left - 4 - 4.2 * box_w, "right": left + width + 4}
        if free_x > 8 and rng.random() < 0.5:  # a panel need not touch the board
            spots["right"] += min(rng.uniform(0, 20), SIZE - 3 - spots["right"] - 4.3 * box_w)
            spots["left"] = max(3.0, spots["left"] - rng.uniform(0, 15))
        step = box_h * rng.uniform(2.4, 3.6)
        queue_at = spots["left" if arrangement in ("mirrored", "console") else "right"]
        hold_at = spots["left" if arrangement in ("sides", "console") else "right"]
        # Next pieces at the left and nothing at the right is for the console alone.
        has_hold = arrangement == "mirrored" or rng.random() < 0.6
        shared = has_hold and queue_at == hold_at
        wanted = min(wanted, max(1, int((height - 20 - (3 * box_h + 14 if shared else 0)) / step)))
        length = wanted * step + (3 * box_h + 14 if shared else 0)
        y = top + 10 + max(0.0, height - length - 14) * float(rng.choice([0, 0, 0, rng.random()]))
        if shared and rng.random() < 0.5:
            self._hold(hold_at, y, box_w, box_h)
            y += 2 * box_h + 12 + gap
        elif shared:
            self._hold(hold_at, y + wanted * step + 10, box_w, box_h)
        elif has_hold:
            self._hold(hold_at, y if rng.random() < 0.6 else top + rng.uniform(0, 0.7) * height, box_w, box_h)
        self._queue(queue_at, y, box_w, box_h, wanted, 0, step)

    def _queue(self, x: float, y: float, w: float, h: float, count: int, step_x: float, step_y: float) -> None:
        """Next pieces, the very next first, in one panel or each in its own."""
        rng = self._rng
        each = rng.random() < 0.4
        for i in range(count):
            self._box(i, x + i * step_x, y + i * step_y, w, h, panel=each)
        whole: Rectangle = (x, y, x + (count - 1) * step_x + 4 * w, y + (count - 1) * step_y + 2 * h)
        if not each:
            self._panels.append((_grown(whole, rng.uniform(1, 5)), PANEL))
        self._labels.append((str(rng.choice(["NEXT", "Next", "NEXT:", "Next piece", "QUEUE"])), x, y - 11))

    def _hold(self, x: float, y: float, w: float, h: float) -> None:
        y = min(y, SIZE - 2.2 * h)
        self._box(BOXES - 1, x, y, w, h, panel=True)
        self._labels.append((str(self._rng.choice(["HOLD", "Hold", "HELD"])), x, y - 11))

    def _box(self, index: int, x: float, y: float, w: float, h: float, *, panel: bool) -> None:
        self.boxes[index] = [x, y, w, h]
        self.shown[index] = 1.0
        rectangle: Rectangle = (x, y, x + 4 * w, y + 2 * h)
        self._taken.append(rectangle)
        # Without a panel of its own the box still needs the panel's colour behind it.
        self._panels.append(
            (_grown(rectangle, self._rng.uniform(1, 3)) if panel else rectangle, PANEL if panel else -1)
        )

    def _surround(self, rectangle: Rectangle) -> None:
        """Draw a frame around a panel, or none."""
        rng = self._rng
        if rng.random() < 0.25:
            return
        thick = rng.uniform(0.5, 4)
        sides = _grown(rectangle, thick)
        if rng.random() < 0.15:  # open at the top
            sides = (sides[0], rectangle[1], sides[2], sides[3])
        self._fill(sides, FRAME if rng.random() < 0.8 else DECOR)
        if thick > 2.5 and rng.random() < 0.5:
            self._fill(_grown(rectangle, thick / 2), INK)

    def _fill(self, rectangle: Rectangle, layer: int) -> None:
        left, top, right, bottom = (round(_FINE * at) for at in rectangle)
        self._draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), fill=layer)

    def _decorate(self) -> None:
        """What lies behind everything: stripes, a side, scattered rectangles, blocks or dots."""
        rng = self._rng
        kind = int(rng.choice(6, p=[0.35, 0.15, 0.15, 0.15, 0.1, 0.1]))
        if kind == 1:
            step, upright = rng.uniform(6, 40), rng.random() < 0.5
            for at in np.arange(0, SIZE, step):
                self._fill((at, 0, at + step / 2, SIZE) if upright else (0, at, SIZE, at + step / 2), DECOR)
        elif kind == 2:
            edge = rng.uniform(0.3, 0.7) * SIZE
            self._fill((edge, 0, SIZE, SIZE) if rng.random() < 0.5 else (0, edge, SIZE, SIZE), DECOR)
        elif kind == 3:
            for _ in range(int(rng.integers(3, 30))):
                x, y = rng.uniform(0, SIZE, 2)
                w, h = rng.uniform(2, 60, 2)
                self._fill((x, y, x + w, y + h), int(rng.choice([DECOR, DECOR_TOO, FRAME])))
        elif kind == 4:  # a wall of bricks
            w, h = rng.uniform(6, 24), rng.uniform(4, 16)
            for row in range(int(SIZE / h) + 1):
                x = -w / 2 * (row % 2)
                while x < SIZE:
                    self._fill((x, row * h, x + w - 1, row * h + h - 1), DECOR)
                    x += w
        elif kind == 5:
            for _ in range(int(rng.integers(10, 120))):
                x, y = rng.uniform(0, SIZE, 2)
                self._fill((x, y, x + 1, y + 1), INK)

    def _write(self) -> None:
        """Labels at their panels, and words and numbers wherever there is room."""
        rng = self._rng
        sizes = (10, 12, 14, 16, 18, 20, 24)
        font = _font(int(rng.choice(sizes)), bitmap=bool(rng.random() < 0.3))
        if rng.random() < 0.8:
            for text, x, y in self._labels:
                self._text(text, x, y, font)
        for _ in range(int(rng.integers(0, 9))):
            text = str(rng.choice(_LABELS))
            if rng.random() < 0.5:
                text += ": " + str(int(10 ** rng.uniform(0, 7)))
            self._scatter(text, font)
            if rng.random() < 0.5:
                self._scatter(str(int(10 ** rng.uniform(0, 6))).zfill(int(rng.integers(1, 7))), font)
        if rng.random() < 0.3:
            self._scatter(str(rng.choice(_TITLES)), _font(int(rng.choice((20, 24, 32, 40))), bitmap=False))

    def _scatter(self, text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> None:
        for _ in range(4):
            if self._text(text, self._rng.uniform(2, SIZE - 20), self._rng.uniform(2, SIZE - 12), font):
                return

    def _text(self, text: str, x: float, y: float, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> bool:
        """Write where nothing lies that a player has to see; whether there was room."""
        box = self._draw.textbbox((round(x * _FINE), round(y * _FINE)), text, font=font)
        rectangle: Rectangle = (box[0] / _FINE, box[1] / _FINE, box[2] / _FINE, box[3] / _FINE)
        if any(_overlap(rectangle, taken) for taken in self._taken):
            return False
        self._draw.text((round(x * _FINE), round(y * _FINE)), text, fill=INK, font=font)
        return True


def _font(size: int, *, bitmap: bool) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default_imagefont() if bitmap else ImageFont.load_default(size)


def _grown(rectangle: Rectangle, by: float) -> Rectangle:
    left, top, right, bottom = rectangle
    return left - by, top - by, right + by, bottom + by


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
