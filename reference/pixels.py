"""Resampling and distortion of batches of pictures, for drawing training pictures and for testing on altered ones.

Everything is a plain tensor function with no synchronisation with the host. Colours are 0..1.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as nnf
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness (ITU-R BT.601)."""

# The tables that most JPEG encoders scale by quality (ITU-T T.81, annex K.1), row by row.
_LUMINANCE = """
16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"""
_CHROMINANCE = """
17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99"""


@cache
def constant(values: tuple[Any, ...], device: torch.device) -> Tensor:
    """A float32 tensor of `values`, made once: a copy to the device each time would wait for it."""
    return torch.tensor(values, dtype=torch.float32, device=device)


def triangle(start: Tensor, pitch: Tensor, count: int, size: int, width: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Weights of antialiased bilinear resampling along one axis, the filter of Pillow's `Image.resize`.

    Source sample j of `count` covers [start + pitch * j, start + pitch * (j + 1)] on an axis of `size` output pixels.
    `start` and `pitch` (N, ...) float32; `width` widens the filter, 1 or None is none, more blurs. Returns
    (N, ..., size, count), each output pixel's weights normalised over a source without ends, so that they sum to less
    than 1 where the source doesn't reach.
    """
    reach = pitch.clamp(min=1.0)
    if width is not None:
        reach = reach * width
    inverse = 1 / reach
    samples = start[..., None] + pitch[..., None] * (torch.arange(count, device=start.device) + 0.5)
    pixels = torch.arange(size, device=start.device) + 0.5
    # Distances are taken in float32 and kept in `dtype`: those that matter are a few pixels at most.
    weights = torch.empty((*start.shape, size, count), dtype=dtype, device=start.device)
    torch.sub((samples * inverse[..., None])[..., None, :], (pixels * inverse[..., None])[..., None], out=weights)
    weights.abs_().neg_().add_(1).relu_()
    # How much the samples of an endless lattice would weigh together: an arithmetic series on either side.
    extent = (reach / pitch)[..., None]
    right = (start[..., None] + pitch[..., None] / 2 - pixels) / pitch[..., None]
    right = right - right.floor()
    total = torch.zeros_like(right)
    for first in (right, 1 - right):
        terms = (extent - first).ceil().clamp(min=0)
        total += terms - (terms * first + terms * (terms - 1) / 2) / extent
    return weights.mul_((1 / total)[..., None].to(dtype))


def to_input(frames: Tensor, size: int = 256) -> Tensor:
    """Frames (N, 3, H, W) as the model's image processor resizes and normalises them: (N, 3, size, size) in [-1, 1].

    The frames are rounded to 8 bits first, and so is the result, as both are pictures in a file or in memory.
    """
    frames = (frames.clamp(0, 1) * 255).round()
    small = nnf.interpolate(frames, (size, size), mode="bilinear", antialias=True)
    return small.round().clamp(0, 255) / 127.5 - 1


def shifted(frames: Tensor, right: int, down: int, fill: Tensor) -> Tensor:
    """Frames (N, 3, H, W) moved by whole pixels; `fill` (3,) shows where nothing is left."""
    height, width = frames.shape[-2:]
    moved = fill.to(frames).view(1, 3, 1, 1).expand_as(frames).clone()
    to_y, to_x = slice(max(0, down), height + min(0, down)), slice(max(0, right), width + min(0, right))
    of_y, of_x = slice(max(0, -down), height + min(0, -down)), slice(max(0, -right), width + min(0, -right))
    moved[..., to_y, to_x] = frames[..., of_y, of_x]
    return moved


def scaled(frames: Tensor, factor: float, fill: Tensor) -> Tensor:
    """Frames (N, 3, H, W) made `factor` times as large about their centre, in a picture of the same size."""
    height, width = frames.shape[-2:]
    fill = fill.to(frames).view(1, 3, 1, 1)
    out = frames - fill
    axis = [torch.full((1,), size * (1 - factor) / 2, device=frames.device) for size in (height, width)]
    pitch = torch.full((1,), factor, device=frames.device)
    rows = triangle(axis[0], pitch, height, height, None, torch.float32)[0].to(frames)
    columns = triangle(axis[1], pitch, width, width, None, torch.float32)[0].to(frames)
    return rows @ out @ columns.T + fill


def blurred(frames: Tensor, sigma: float) -> Tensor:
    """Frames (N, 3, H, W) under a Gaussian blur of `sigma` pixels."""
    radius = math.ceil(3 * sigma)
    taps = torch.arange(-radius, radius + 1, device=frames.device, dtype=frames.dtype)
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    padded = nnf.pad(frames, (radius, radius, radius, radius), mode="replicate")
    return nnf.conv2d(nnf.conv2d(padded, kernel, groups=3), kernel.transpose(2, 3), groups=3)


@cache
def _cosines(blocks: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The 8-point DCT (type II, orthonormal) of each of `blocks` blocks in a row: (8 * blocks, 8 * blocks)."""
    k, n = torch.arange(8.0)[:, None], torch.arange(8.0)[None]
    matrix = torch.cos(math.pi * (2 * n + 1) * k / 16) / 2
    matrix[0] /= math.sqrt(2)
    return torch.kron(torch.eye(blocks), matrix).to(device, dtype)


@cache
def _tables(device: torch.device) -> Tensor:
    """Quantisation tables of Y, Cb and Cr at quality 50: (3, 8, 8)."""
    luminance, chrominance = ([int(part) for part in table.split()] for table in (_LUMINANCE, _CHROMINANCE))
    return torch.tensor([luminance, chrominance, chrominance], device=device).view(3, 8, 8).float()


@cache
def _to_ycc(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The matrix from RGB to YCbCr and its inverse (JFIF)."""
    red, green, blue = LUMA
    forth = torch.tensor(
        [
            [red, green, blue],
            [-red / (2 - 2 * blue), -green / (2 - 2 * blue), 0.5],
            [0.5, -green / (2 - 2 * red), -blue / (2 - 2 * red)],
        ]
    )
    return forth.to(device, dtype), torch.linalg.inv(forth).to(device, dtype)


def _mixed(matrix: Tensor, planes: Tensor) -> Tensor:
    """Colour planes (N, L, P) of any type mixed to new ones: (N or 1, C, L) -> (N, C, P).

    A sum of products rather than a matrix product: libraries are slow at ones this thin.
    """
    rows = []
    for row in range(matrix.shape[1]):
        total = matrix[:, row, 0, None] * planes[:, 0].to(matrix.dtype)
        for layer in range(1, matrix.shape[2]):
            total = total + matrix[:, row, layer, None] * planes[:, layer].to(matrix.dtype)
        rows.append(total)
    return torch.stack(rows, 1)


@cache
def _compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return torch.compile(function, dynamic=False)


def mixed(matrix: Tensor, planes: Tensor) -> Tensor:
    """Colour planes (N, L, P) of any type mixed to new ones by a matrix (N or 1, C, L): (N, C, P)."""
    return (_compiled(_mixed) if planes.is_cuda else _mixed)(matrix, planes)


def _recoloured(matrix: Tensor, offset: Tensor, gamma: Tensor, planes: Tensor) -> Tensor:
    return (_mixed(matrix, planes) + offset[..., None]).clamp(0, 1) ** gamma[:, None, None]


def recoloured(matrix: Tensor, offset: Tensor, gamma: Tensor, planes: Tensor) -> Tensor:
    """Planes (N, 3, P) times `matrix` (N, 3, 3) plus `offset` (N, 3), within 0..1, to the power of `gamma` (N,)."""
    function = _compiled(_recoloured) if planes.is_cuda else _recoloured
    return function(matrix, offset, gamma, planes)


def jpeg(pictures: Tensor, quality: Tensor, *, subsample: bool) -> Tensor:
    """What is left of pictures (N, 3, H, W) after JPEG of a `quality` (N,) of 1..100; H and W multiples of 8.

    `subsample` halves the resolution of colour, as most encoders do by default. Entropy coding loses nothing and is
    left out.
    """
    count, _, height, width = pictures.shape
    device, dtype = pictures.device, pictures.dtype
    forth, back = _to_ycc(device, dtype)
    factor = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
    tables = (_tables(device) * factor[:, None, None, None]).round().clamp(1, 255).to(dtype) / 255
    planes = mixed(forth[None], pictures.reshape(count, 3, -1)).view(count, 3, height, width)
    if subsample:
        small = nnf.avg_pool2d(planes[:, 1:], 2)
        planes[:, 1:] = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
    planes[:, 0] -= 0.5
    rows, columns = _cosines(height // 8, device, dtype), _cosines(width // 8, device, dtype)
    waves = (rows @ planes @ columns.T).view(count, 3, height // 8, 8, width // 8, 8)
    step = tables[:, :, None, :, None, :]
    waves = (waves / step).round_().mul_(step).view(count, 3, height, width)
    planes = rows.T @ waves @ columns
    planes[:, 0] += 0.5
    return mixed(back[None], planes.view(count, 3, -1)).view_as(pictures).clamp_(0, 1)


def hue_matrix(angle: Tensor) -> Tensor:
    """Rotations of colour about the grey axis by `angle` (N,) radians: (N, 3, 3)."""
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    third, root = torch.full((3, 3), 1 / 3, device=angle.device), 1 / math.sqrt(3)
    cross = constant(((0.0, -root, root), (root, 0.0, -root), (-root, root, 0.0)), angle.device)
    return cos * torch.eye(3, device=angle.device) + (1 - cos) * third + sin * cross


def saturation_matrix(amount: Tensor) -> Tensor:
    """Matrices (N, 3, 3) that bring colours to grey at `amount` (N,) 0, leave them at 1, deepen them above."""
    grey = constant(LUMA, amount.device).expand(3, 3)
    return grey + amount[:, None, None] * (torch.eye(3, device=amount.device) - grey)


def from_hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Colours (..., 3) from hue, saturation and value in 0..1, any shapes that broadcast together."""
    hue, saturation, value = torch.broadcast_tensors(hue, saturation, value)
    shift = constant((5.0, 3.0, 1.0), hue.device)
    k = (shift + 6 * hue[..., None]) % 6
    return value[..., None] * (1 - saturation[..., None] * torch.minimum(k, 4 - k).clamp(0, 1))
