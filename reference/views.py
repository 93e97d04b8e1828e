"""How pictures are altered: at random for training, and in fixed ways that a user's pictures may be."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lmgame_games.tetris.render import BACKGROUND, FRAME_HEIGHT, FRAME_WIDTH
from reference import pixels
from reference.looks import SIZE
from reference.skins import Dice


@dataclass
class View:
    """How N pictures are altered: position, size and blur in the resampling, colours after it."""

    scale: Tensor
    """Across and down, (N, 2)."""
    move: Tensor
    """To the right and down, in pixels of the picture, (N, 2)."""
    blur: Tensor
    """Width of the filter, (N,); 1 is none."""
    fill: Tensor
    """Colour of what lies outside the frame, (N, 3)."""
    matrix: Tensor
    """Colours are multiplied with this, (N, 3, 3) ..."""
    offset: Tensor
    """... then this is added, (N, 3) ..."""
    gamma: Tensor
    """... and they are taken to this power, (N,)."""
    noise: Tensor
    """Standard deviation of noise, (N,)."""
    quality: Tensor
    """JPEG quality of a share of the pictures, (M,), M <= N."""


def random_view(dice: Dice, bounds: Tensor, edge: Tensor, augment: float) -> View:
    """Random alterations of pictures of the game, of a strength from 0 to 1.

    `bounds` (N, 4), left, top, right and bottom in pixels of the picture, stays in it but for a few pixels; `edge`
    (N, 3) is the colour at the picture's edge.
    """
    count, u, device = len(bounds), dice.uniform, dice.device
    eye = torch.eye(3, device=device)
    if not augment:
        one, none = torch.ones(count, device=device), torch.zeros(count, device=device)
        pair = one[:, None].expand(-1, 2)
        return View(pair, 0 * pair, one, edge, eye.expand(count, 3, 3), 0 * edge, one, none, none[:0])
    # A tenth of the pictures stays as it is, and of the others each has some of the alterations.
    any_at_all = dice.flip(0.9, count)

    def amount(chance: float) -> Tensor:
        return augment * u(0, 1, count).sqrt() * (dice.flip(chance, count) & any_at_all)

    strength = amount(0.75)
    scale = torch.exp(u(np.log(0.82), np.log(1.13), count) * strength)
    scale = (scale[:, None] * torch.exp(u(-0.05, 0.05, count, 2) * strength[:, None])).clamp(0.8, 1.15)
    low, high = bounds[:, :2], bounds[:, 2:]
    scale = torch.minimum(scale, ((SIZE + 8) / (high - low)).clamp(min=1))
    farthest = pixels.constant((16 * SIZE / FRAME_WIDTH, 16 * SIZE / FRAME_HEIGHT), device)
    move = u(-1, 1, count, 2) * farthest * amount(0.75)[:, None]
    centre = SIZE / 2
    least = torch.minimum(-centre - scale * (low - centre) - 4, 0 * move)
    most = torch.maximum(SIZE + 4 - centre - scale * (high - centre), 0 * move)
    move = torch.minimum(torch.maximum(move, least), most)
    blur = 1 + 1.2 * amount(0.3)
    where = dice.one_of((0.6, 0.2, 0.2), count)[:, None]
    fill = torch.where(where == 0, edge, torch.where(where == 1, torch.zeros_like(edge), u(0, 1, count, 3)))
    # Colours: hue, saturation, channels, contrast, brightness, now and then grey or inverted.
    hue = pixels.hue_matrix(u(-np.pi, np.pi, count) * amount(0.35))
    grey = dice.flip(0.12 * augment, count) & any_at_all
    saturation = torch.where(grey, 0.0, 1 + u(-0.6, 0.5, count) * amount(0.6))
    strength = amount(0.8)
    gain = torch.exp(u(-0.35, 0.25, count) * strength)[:, None] * (1 + u(-0.15, 0.15, count, 3) * strength[:, None])
    matrix = gain[:, :, None] * (pixels.saturation_matrix(saturation) @ hue)
    offset = 0.5 * (1 - gain) + (u(-0.15, 0.15, count) * strength)[:, None]
    inverted = (dice.flip(0.15 * augment, count) & any_at_all)[:, None]
    matrix = torch.where(inverted[..., None], -matrix, matrix)
    offset = torch.where(inverted, 1 - offset, offset)
    gamma = torch.exp(u(-0.45, 0.45, count) * amount(0.5))
    noise = 0.1 * u(0, 1, count) * amount(0.4)
    quality = 100 - augment * u(0, 85, round(0.2 * count))
    return View(scale, move, blur, fill, matrix, offset, gamma, noise, quality)


def disturbed(
    frames: Tensor,
    dice: Dice,
    *,
    shift: tuple[int, int] = (0, 0),
    scale: float = 1.0,
    invert: bool = False,
    grey: bool = False,
    blur: float = 0.0,
    jpeg: int = 0,
    noise: float = 0.0,
    fill: tuple[int, int, int] = BACKGROUND,
) -> Tensor:
    """Frames (N, 3, 384, 288) in 0..1, altered as a user's might be, at their own size.

    Args:
        frames: Of the suite.
        dice: Draws the noise.
        shift: Pixels to the right and down.
        scale: About the centre; 1 leaves the size.
        invert: Whether colours are inverted.
        grey: Whether colours are taken away.
        blur: Standard deviation of a Gaussian blur, in pixels.
        jpeg: Quality of JPEG, 1..100; 0 for none.
        noise: Standard deviation of noise.
        fill: Colour, 0..255, of what shifting and scaling leave empty.
    """
    outside = pixels.constant(fill, frames.device) / 255
    frames = frames.float().contiguous()
    if scale != 1.0:
        frames = pixels.scaled(frames, scale, outside)
    if shift != (0, 0):
        frames = pixels.shifted(frames, *shift, outside)
    if grey:
        luma = pixels.constant(pixels.LUMA, frames.device)
        frames = (frames * luma[:, None, None]).sum(1, keepdim=True).expand_as(frames)
    if invert:
        frames = 1 - frames
    if blur:
        frames = pixels.blurred(frames, blur)
    if noise:
        frames = frames + noise * torch.empty_like(frames).normal_(generator=dice.generator)
    if jpeg:
        quality = torch.full((len(frames),), float(jpeg), device=frames.device)
        frames = pixels.jpeg(frames.clamp(0, 1), quality, subsample=True)
    return frames
