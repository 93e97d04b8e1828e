"""How blocks look: styles of a cell as layers, palettes and themes, and the sprites made of both, drawn at random.

A style says which part of each pixel of a 16 × 16 cell belongs to which layer (gap, fill, light, dark, border); a theme
says what colour the layers have. Each picture gets styles and colours of its own, so that there are as many looks as
pictures.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Generator, Tensor

from reference.pixels import LUMA, constant, from_hsv

CELL = 16
"""Side of a sprite in pixels."""
GAP, FILL, LIGHT, DARK, BORDER = range(5)
LOCKED, ACTIVE, GHOST = 0, 7, 14
"""A cell's code is the kind of piece (1..7) plus one of these, 0 where it is empty, or one of the next three."""
OUTSIDE, EMPTY_TOO, NOTHING = 22, 23, 24
"""An empty cell above the board; the other shade of empty cells; a cell that adds nothing to the background."""
CODES = 25

_GUIDELINE = ((0, 220, 230), (240, 215, 0), (175, 60, 230), (40, 205, 60), (230, 45, 45), (55, 95, 255), (255, 150, 20))


class Dice:
    """Random numbers on a device, from one generator."""

    def __init__(self, device: torch.device, generator: Generator) -> None:
        self.device, self.generator = device, generator

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return torch.empty(shape, device=self.device).uniform_(low, high, generator=self.generator)

    def flip(self, chance: float, *shape: int) -> Tensor:
        """Booleans that are true with probability `chance`."""
        return self.uniform(0, 1, *shape) < chance

    def below(self, limit: int, *shape: int) -> Tensor:
        return torch.randint(limit, shape, device=self.device, generator=self.generator)

    def one_of(self, weights: tuple[float, ...], count: int) -> Tensor:
        """Indices (count,) drawn in proportion to `weights`."""
        edges = constant(weights, self.device).cumsum(0)
        # Rounding must not lead past the last weight.
        return torch.bucketize(self.uniform(0, 1, count) * edges[-1], edges).clamp_(max=len(weights) - 1)


def _ring(first: int, last: int) -> Tensor:
    """Pixels between `first` (included) and `last` (left out) pixels away from the cell's edge, (16, 16) booleans."""
    at = torch.arange(CELL)
    depth = torch.minimum(at, CELL - 1 - at)
    depth = torch.minimum(depth[:, None], depth[None])
    return (depth >= first) & (depth < last)


def _styles() -> tuple[list[Tensor], list[Tensor]]:
    """Styles of solid blocks and of hollow ones, each (16, 16) with a layer's index in every pixel."""
    y, x = torch.meshgrid(torch.arange(CELL), torch.arange(CELL), indexing="ij")
    upper = x + y < CELL - 1  # the half that light falls on

    def block(gap: int = 0, border: int = 0, bevel: int = 0, *, corner: bool = False) -> Tensor:
        style = torch.full((CELL, CELL), FILL)
        style[_ring(0, gap)] = GAP
        style[_ring(gap, gap + border)] = BORDER
        edge = _ring(gap + border, gap + border + bevel)
        style[edge & upper] = LIGHT
        style[edge & ~upper] = DARK
        if corner:
            style[gap + border + 1 : gap + border + 3, gap + border + 1 : gap + border + 3] = LIGHT
        return style

    def grid(*args: int, **kwargs: bool) -> Tensor:
        """The same with a line of gap on the upper and left side only."""
        style = block(0, *args, **kwargs)
        style[0] = style[:, 0] = GAP
        return style

    def changed(style: Tensor, where: Tensor, layer: int) -> Tensor:
        style = style.clone()
        style[where] = layer
        return style

    far = (x - 7.5) ** 2 + (y - 7.5) ** 2
    solid = [block(), block(1), block(2), grid(0), block(0, 1), block(0, 2), block(1, 1), block(1, 2), grid(3)]
    solid += [block(0, 0, 1), block(0, 0, 2), block(0, 0, 3), block(0, 0, 4), block(1, 0, 2), block(1, 1, 2)]
    solid += [block(0, 1, 3), block(0, 2, 1), block(1, corner=True), block(0, 1, corner=True), grid(0, corner=True)]
    solid += [changed(block(1), far > 80, GAP), changed(block(0, 2), far > 85, GAP), changed(block(), far > 70, DARK)]
    solid += [changed(block(1, 1), _ring(5, 8), LIGHT), changed(block(0, 1), _ring(5, 8), DARK)]
    solid += [changed(block(1), y < 5, LIGHT), changed(block(0, 1), y > 10, DARK), changed(block(1), upper, LIGHT)]
    solid += [changed(block(0, 1), ((x + y) % 4 < 2) & _ring(2, 8), DARK), changed(block(1), far < 9, BORDER)]
    solid += [changed(block(0, 2), _ring(4, 6), BORDER), changed(block(0, 1), y == x, LIGHT)]
    solid += [block(1, 3), changed(block(0, 0, 3), far < 12, LIGHT)]
    hollow = [torch.where(_ring(gap, gap + line), BORDER, GAP) for gap in (0, 1, 2) for line in (1, 2, 3)]
    return solid, hollow


FLAT = (0, 1, 2)
"""The solid styles without lines, bevels or spots: kept for the looks held out of training where the theme is light."""


@cache
def _masks(device: torch.device) -> tuple[Tensor, Tensor]:
    """The styles as weights of layers: (styles, 5, 256) of solid and of hollow blocks."""

    def weights(styles: list[Tensor]) -> Tensor:
        layers = torch.nn.functional.one_hot(torch.stack(styles), 5)
        return layers.permute(0, 3, 1, 2).flatten(2).float().to(device)

    solid, hollow = _styles()
    return weights(solid), weights(hollow)


@dataclass
class Skin:
    """Colours and sprites of N pictures, all in 0..1."""

    layers: Tensor
    """Colours of the background's layers, (N, 8, 3): base, board, panel, ink, border, two decorations, texture."""
    sprites: Tensor
    """A sprite for every code less the board's colour, (N, 25, 16, 3, 16) (rows, channels, columns)."""
    icons: Tensor
    """A cell of the pictures of next pieces less the panel's colour, by kind, (N, 8, 8, 3, 8)."""
    spots: Tensor
    """Which empty cells have the other shade: 0 none, 1 every other column, 2 a checkerboard, (N,)."""


def _mix(one: Tensor, other: Tensor, share: Tensor) -> Tensor:
    return one + (other - one) * share


def _palettes(dice: Dice, count: int, light: Tensor) -> Tensor:
    """Colours of the seven kinds, (N, 7, 3), far from a dark board's colour or, where `light`, from a light one's."""
    u, light = dice.uniform, light[:, None]
    spread = torch.rand((count, 7), device=dice.device, generator=dice.generator).argsort(1) / 7
    apart = u(0, 1, count, 1) + spread + u(-0.05, 0.05, count, 7)
    saturation = torch.where(light, u(0.65, 1, count, 1), u(0.15, 1, count, 1)) * u(0.9, 1, count, 7)
    value = torch.where(light, u(0.4, 0.95, count, 1), u(0.7, 1, count, 1)) * u(0.9, 1, count, 7)
    rainbow = from_hsv(apart % 1, saturation, value)
    mode = dice.one_of((0.35, 0.2, 0.15, 0.15, 0.15), count)[:, None, None]
    known = constant(_GUIDELINE, dice.device) / 255
    guideline = torch.where(light[..., None], known * 0.75, known) + u(-0.06, 0.06, count, 7, 3)
    one = rainbow[:, :1].expand(-1, 7, -1)
    grey = torch.where(light, u(0, 0.4, count, 1), u(0.65, 1, count, 1))[..., None].expand(-1, 7, 3)
    few = rainbow.gather(1, dice.below(3, count, 7)[..., None].expand(-1, -1, 3))
    few = torch.where(dice.flip(0.5, count, 1, 1) & (few == rainbow[:, :1]), grey, few)
    colours = torch.where(mode == 1, guideline, rainbow)
    for index, other in ((2, few), (3, one), (4, torch.where(dice.flip(0.5, count, 1, 1), grey, one))):
        colours = torch.where(mode == index, other, colours)
    return colours.clamp(0, 1)


def _theme(dice: Dice, count: int, light: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Colours of the empty board and of its grid, each (N, 3), and of the background's layers, (N, 8, 3)."""
    u = dice.uniform
    hue, tint = u(0, 1, count), u(0, 0.5, count) * dice.flip(0.7, count)
    black = dice.flip(0.35, count)
    dark_board = from_hsv(hue, tint, torch.where(black, u(0, 0.03, count), u(0.02, 0.22, count)))
    light_board = from_hsv(hue, tint * 0.3, u(0.8, 1, count))
    light = light[:, None]
    board = torch.where(light, light_board, dark_board)
    ink = torch.where(light, u(0, 0.3, count, 1), u(0.7, 1, count, 1)).expand(-1, 3)
    grid = _mix(board, 1 - board.round(), u(0.06, 0.3, count, 1))
    dark_base = from_hsv(u(0, 1, count), u(0, 0.9, count), u(0, 0.5, count))
    light_base = from_hsv(u(0, 1, count), u(0, 0.4, count), u(0.6, 1, count))
    base = torch.where(light, light_base, dark_base)
    # A quarter has a plain background in the board's own colour, as small programs do.
    base = torch.where(dice.flip(0.25, count, 1), board, base)
    panel = torch.where(dice.flip(0.6, count, 1), board, _mix(board, base, u(0, 0.35, count, 1)))
    frame = torch.where(dice.flip(0.5, count, 1), ink, from_hsv(u(0, 1, count), u(0, 1, count), u(0.3, 1, count)))
    decorations = from_hsv(u(0, 1, count, 2), u(0, 1, count, 2), u(0.1, 1, count, 2))
    decorations = _mix(base[:, None], decorations, u(0.1, 0.7, count, 2, 1))
    texture = _mix(base, from_hsv(u(0, 1, count), u(0, 1, count), u(0, 1, count)), u(0.1, 0.7, count, 1))
    parts = [base[:, None], board[:, None], panel[:, None], ink[:, None], frame[:, None], decorations, texture[:, None]]
    return board, grid, torch.cat(parts, 1)


def _painted(style: Tensor, masks: Tensor, layers: list[Tensor]) -> Tensor:
    """Sprites (N, 7, 16, 16, 3) in the `style` (N,) of `masks`, from five colours (N, 7, 3)."""
    colours = torch.stack(layers, 2)  # (N, 7, 5, 3)
    flat = torch.einsum("nklc,nlp->nkpc", colours, masks[style])
    return flat.unflatten(2, (CELL, CELL))


def make_skins(dice: Dice, count: int, *, held_out: bool, dtype: torch.dtype) -> Skin:
    """Draw styles and colours for `count` pictures."""
    u, flip, device = dice.uniform, dice.flip, dice.device
    solid, hollow = _masks(device)
    light = flip(1.0 if held_out else 0.2, count)
    board, grid, layers = _theme(dice, count, light)
    kinds = _palettes(dice, count, light)
    wide = light[:, None, None]
    empty, line = (colour[:, None].expand(-1, 7, -1) for colour in (board, grid))
    white, black = torch.ones_like(kinds), torch.zeros_like(kinds)

    def borders(base: Tensor) -> Tensor:
        which = dice.one_of((0.3, 0.2, 0.3, 0.2), count)[:, None, None]
        shades = torch.where(which == 2, base * 0.45, _mix(base, white, torch.full_like(base[..., :1], 0.6)))
        return torch.where(which == 0, torch.where(wide, black, white), torch.where(which == 1, black, shades))

    # The gap shows the board, or its grid where there is one.
    has_grid = flip(0.55, count)[:, None, None]
    gap = torch.where(has_grid, line, empty)
    lit, shaded = u(0.25, 0.7, count, 1, 1), u(0.3, 0.8, count, 1, 1)

    def block(style: Tensor, base: Tensor, border: Tensor) -> Tensor:
        return _painted(style, solid, [gap, base, _mix(base, white, lit), base * shaded, border])

    def any_style() -> Tensor:
        if held_out:
            return dice.below(len(FLAT), count)
        style = dice.below(solid.shape[0], count)
        return torch.where(light & (style < len(FLAT)), style + len(FLAT), style)

    style = any_style()
    active_border = borders(kinds)
    active = block(style, kinds, active_border)
    # What is locked: in the same style and colours, dimmed, all in one colour, or grey.
    mode = dice.one_of((0.45, 0.25, 0.15, 0.15), count)[:, None, None]
    dimmed = torch.where(wide, _mix(kinds, white, u(0, 0.3, count, 1, 1)), kinds * u(0.6, 0.95, count, 1, 1))
    shade = torch.where(wide, u(0.2, 0.55, count, 1, 1), u(0.4, 0.8, count, 1, 1))
    grey = (kinds @ constant(LUMA, device))[..., None].expand_as(kinds)
    grey = torch.where(wide, grey.clamp(max=0.55), grey.clamp(min=0.4))
    uniform = torch.where(flip(0.6, count, 1, 1), shade.expand_as(kinds), kinds[:, :1].expand_as(kinds))
    base = torch.where(mode == 0, kinds, torch.where(mode == 1, dimmed, torch.where(mode == 2, uniform, grey)))
    same = flip(0.6, count) if not held_out else flip(1.0, count)
    locked_border = torch.where(same[:, None, None] & (mode == 0), active_border, borders(base))
    locked = block(torch.where(same, style, any_style()), base, locked_border)
    # Where the piece would land: nothing, an outline, or the piece faintly.
    faint = _mix(empty, kinds, u(0.15, 0.4, count, 1, 1))
    outline = torch.where(flip(0.7, count, 1, 1), kinds, _mix(empty, 1 - empty.round(), u(0.3, 0.6, count, 1, 1)))
    inside = torch.where(flip(0.5, count, 1, 1), empty, _mix(empty, kinds, torch.full_like(shade, 0.12)))
    ring = _painted(dice.below(hollow.shape[0], count), hollow, [inside, faint, faint, faint, outline])
    pale = _painted(style, solid, [gap, faint, faint, faint, faint])
    # Empty cells: plain or under a grid (lines on two sides, all around, or a dot).
    grid_style = dice.below(3, count)
    lines = torch.stack([_gridlines(way, device) for way in range(3)])[grid_style] * has_grid.float()
    plain = _mix(board[:, None, None], grid[:, None, None], lines[..., None])
    shade_too = _mix(board, grid, u(0.2, 0.7, count, 1))[:, None, None]
    plain_too = _mix(shade_too, grid[:, None, None], lines[..., None])
    outside = torch.where(flip(0.5, count, 1, 1, 1), plain, layers[:, 1][:, None, None].expand_as(plain))
    ghost_mode = dice.one_of((0.3, 0.4, 0.3), count)[:, None, None, None, None]
    unseen = plain[:, None].expand_as(ring)
    ghost = torch.where(ghost_mode == 0, unseen, torch.where(ghost_mode == 1, ring, pale))
    singles = [part[:, None] for part in (outside, plain_too, board[:, None, None].expand_as(plain))]
    sprites = torch.cat([plain[:, None], locked, active, ghost, *singles], 1) - board[:, None, None, None]
    sprites = sprites.permute(0, 1, 2, 4, 3).to(dtype).contiguous()
    icons = active.unflatten(3, (8, 2)).unflatten(2, (8, 2)).mean((3, 5)) - layers[:, 2][:, None, None, None]
    icons = torch.cat([torch.zeros_like(icons[:, :1]), icons], 1).permute(0, 1, 2, 4, 3).to(dtype).contiguous()
    spots = dice.one_of((0.8, 0.12, 0.08), count)
    return Skin(layers, sprites, icons, spots)


@cache
def _gridlines(way: int, device: torch.device) -> Tensor:
    """Weights of an empty cell's grid, (16, 16): 0 lines above and left, 1 all around, 2 a dot in the middle."""
    lines = torch.zeros(CELL, CELL)
    if way == 0:
        lines[0] = lines[:, 0] = 1
    elif way == 1:
        lines[_ring(0, 1)] = 1
    else:
        lines[7:9, 7:9] = 1
    return lines.to(device)
