"""Pictures of batched Tetris games, drawn on the GPU as the model gets them: the suite's own look and many others.

Resampling is linear and separable: a picture is `rows @ frame @ columns`, two batched matrix products, whatever its
shift, scale and blur. The suite's look is composed at its native size out of the renderer's own sprites and backgrounds
and goes through the same filter as in the model's image processor, so it differs by rounding only. Other looks are sums
of such products: a background, the board's sprites and six small pictures of pieces, the latter two as differences from
the background's flat colour there.

`python -m reference.draw --check FOLDER` compares with the image processor and writes contact sheets.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from lmgame_games.tetris import render
from lmgame_games.tetris.picture import HEIGHT, HIDDEN_ROWS_SHOWN, WIDTH, Picture
from lmgame_games.tetris.pieces import CELLS
from lmgame_games.tetris.render import BOARD_X, BOARD_Y, FRAME_HEIGHT, FRAME_WIDTH
from reference import pixels
from reference.looks import BOXES, SIZE, Looks
from reference.pixels import triangle
from reference.skins import ACTIVE, CELL, EMPTY_TOO, GHOST, NOTHING, OUTSIDE, Dice, make_skins
from reference.views import View, disturbed, random_view

_ROWS = HEIGHT + HIDDEN_ROWS_SHOWN
_SHARE = 0.5
"""Share of the suite's own look among mixed ones."""
_PARTS = 1024
"""Pictures drawn at a time, which bounds the memory that drawing takes."""
_BOX_TOPS, _BOX_LEFT = (*(66 + 30 * i for i in range(5)), 18), 200  # of the suite's queue and hold box
_BOX_HEIGHT, _BOX_WIDTH = 24, 48


@dataclass
class _Scene:
    """What N pictures show."""

    codes: Tensor
    """Code of each cell, 22 rows from the top, (N, 220) int64, as in `reference.skins`."""
    lowered: Tensor
    """The same with the piece in play one row lower where it can be: for looks that show no hidden rows."""
    boxes: Tensor
    """Kinds in the places outside the board, (N, 6) int64: next pieces, hold."""


class Artist:
    """Draws the model's input from batched games.

    Args:
        device: Where; drawing never synchronises it with the host. On a CPU everything is float32.
        dtype: Of the result.
        seed: Of layouts and backgrounds, which are drawn once, here, and of the artist's own generator.
        layouts: How many other looks' layouts there are; each is coloured anew in each picture.
    """

    def __init__(
        self, device: torch.device | str, dtype: torch.dtype, seed: int, *, layouts: int | None = None
    ) -> None:
        self.device, self.dtype = torch.device(device), dtype
        on_gpu = self.device.type == "cuda"
        self._work = torch.float16 if on_gpu else torch.float32
        count = layouts or (2048 if on_gpu else 128)
        self.generator = Generator(self.device).manual_seed(seed)
        self._looks = Looks.make(count, seed, self.device)
        self._held_out = Looks.make(max(count // 8, 16), seed, self.device, held_out=True)
        frames = _suite_frames(256 if on_gpu else 32, seed)
        self._frames = self._suite(frames)
        self._sprites = self._suite(np.stack([*render._cell_sprites()]))
        self._pictures = self._suite(np.stack([*render._box_sprites(False)]))
        self._background = torch.tensor(render.BACKGROUND, device=self.device) / 255
        cells = torch.zeros((8, 4, 2), dtype=torch.long)  # unturned, as a piece appears
        for kind in range(1, 8):
            cells[kind] = torch.tensor(CELLS[kind][0])
        self._cells = cells.to(self.device)
        shapes = torch.zeros(8, 2, 4)
        for kind, shape in enumerate(render._SHAPES):
            for row, column in shape:
                shapes[kind, row, column] = 1
        self._shapes = shapes.to(self.device, self._work)
        one = torch.ones(1, device=self.device)
        # The suite's frame to the picture, unaltered: (256, 384) and (288, 256).
        rows = triangle(0 * one, one * SIZE / FRAME_HEIGHT, FRAME_HEIGHT, SIZE, None, torch.float32)[0]
        columns = triangle(0 * one, one * SIZE / FRAME_WIDTH, FRAME_WIDTH, SIZE, None, torch.float32)[0]
        self._plain_rows = (rows / rows.sum(1, keepdim=True)).to(self._work)
        self._plain_columns = (columns / columns.sum(1, keepdim=True)).to(self._work).T

    def _suite(self, pictures: np.ndarray) -> Tensor:
        """Renderer's pictures (N, H, W, 3) uint8 -> (N, H, 3, W) in 0..1."""
        return (torch.from_numpy(pictures).to(self.device).float() / 255).transpose(2, 3).to(self._work).contiguous()

    @torch.no_grad()
    def draw(
        self,
        moment: Any,
        look: str = "suite",
        augment: float = 0.0,
        generator: Generator | None = None,
        *,
        share: float = _SHARE,
        **disturbance: Any,
    ) -> Tensor:
        """Pictures of N games, (N, 3, 256, 256) in [-1, 1].

        Args:
            moment: Tensors `boards` (N, 24, 10), `kind` (N,), `where` (N, 3) and `queue` (N, 5), see
                `reference.tetris_games.State`; `hold` (N,) too if there is one.
            look: "suite", "mixed" (a share of it, the rest other looks) or "held_out" (looks never in "mixed").
            augment: From 0, as drawn, to 1: strength of random alterations, of which each picture gets its own.
            generator: Of everything random, on the device; the artist's own by default.
            share: Of the suite's look among mixed ones.
            disturbance: A fixed alteration of the suite's frames at their native size, see `disturbed`.
        """
        dice = Dice(self.device, generator or self.generator)
        scene = self._scene(moment)
        count = len(scene.codes)
        if disturbance:
            if look != "suite" or augment:
                raise ValueError("Fixed disturbances are for the suite's look without augmentation.")
            parts = [
                pixels.to_input(disturbed(self._native(dice, scene, part).transpose(1, 2), dice, **disturbance))
                for part in torch.arange(count, device=self.device).split(_PARTS)
            ]
            return torch.cat(parts).to(self.dtype)
        suite = {"suite": count, "mixed": round(share * count), "held_out": 0}[look]
        out = torch.empty((count, 3, SIZE, SIZE), dtype=self.dtype, device=self.device)
        order = torch.rand(count, device=self.device, generator=dice.generator).argsort()
        for start in range(0, suite, _PARTS):
            part = order[start : min(suite, start + _PARTS)]
            out[part] = self._draw_suite(dice, scene, part, augment)
        for start in range(suite, count, _PARTS):
            part = order[start : start + _PARTS]
            out[part] = self._draw_other(dice, scene, part, augment, held_out=look == "held_out")
        return out

    def _scene(self, moment: Any) -> _Scene:
        boards, kind, where = moment.boards.long(), moment.kind.long(), moment.where.long()
        count = len(kind)
        locked = boards[:, :_ROWS].flip(1).reshape(count, -1)
        top = torch.arange(_ROWS * WIDTH, device=self.device) < HIDDEN_ROWS_SHOWN * WIDTH
        locked = torch.where((locked == 0) & top, OUTSIDE, locked)
        cells = self._cells[kind] + where[:, None, :2]

        def with_piece(lower: Tensor) -> Tensor:
            # One place more than there are cells takes what stands out of the picture.
            codes = torch.nn.functional.pad(locked, (0, 1))
            for code, down in ((GHOST, where[:, 2]), (ACTIVE, lower)):
                row = _ROWS - 1 - cells[..., 1] + down[:, None]
                place = torch.where(row < 0, _ROWS * WIDTH, row * WIDTH + cells[..., 0])
                codes.scatter_(1, place.clamp(0, _ROWS * WIDTH), (code + kind)[:, None].expand(-1, 4))
            return codes[:, :-1]

        hold = getattr(moment, "hold", torch.zeros_like(kind)).long()
        boxes = torch.cat([moment.queue.long(), hold[:, None]], 1)
        return _Scene(with_piece(torch.zeros_like(kind)), with_piece(where[:, 2].clamp(max=1)), boxes)

    def _native(self, dice: Dice, scene: _Scene, part: Tensor) -> Tensor:
        """The suite's frames of a part of the games, (n, 384, 3, 288) in 0..1."""
        count = len(part)
        frames = self._frames[dice.below(len(self._frames), count)]
        board = self._sprites[scene.codes[part].flatten()]
        frames[:, : _ROWS * CELL, :, BOARD_X : BOARD_X + WIDTH * CELL] = _tiled(board, count)
        boxes = self._pictures[scene.boxes[part]]
        for i, top in enumerate(_BOX_TOPS):
            frames[:, top : top + _BOX_HEIGHT, :, _BOX_LEFT : _BOX_LEFT + _BOX_WIDTH] = boxes[:, i]
        return frames

    def _draw_suite(self, dice: Dice, scene: _Scene, part: Tensor, augment: float) -> Tensor:
        count = len(part)
        frames = self._native(dice, scene, part)
        if not augment:
            wide = (frames.view(-1, FRAME_WIDTH) @ self._plain_columns).view(count, FRAME_HEIGHT, 3 * SIZE)
            out = torch.bmm(self._plain_rows.expand(count, -1, -1), wide).view(count, SIZE, 3, SIZE).transpose(1, 2)
            return (out.clamp(0, 1) * 2 - 1).to(self.dtype)
        # A player has to see everything from the row above the board to the queue.
        across, down = SIZE / FRAME_WIDTH, SIZE / FRAME_HEIGHT
        bounds = (30 * across, 16 * down, 250 * across, (BOARD_Y + HEIGHT * CELL) * down)
        view = random_view(
            dice, pixels.constant(bounds, self.device).expand(count, 4), self._background.expand(count, 3), augment
        )
        frames -= view.fill.to(self._work)[:, None, :, None]
        start = SIZE / 2 * (1 - view.scale) + view.move
        columns = triangle(start[:, 0], view.scale[:, 0] * across, FRAME_WIDTH, SIZE, view.blur, self._work)
        wide = torch.bmm(frames.view(count, -1, FRAME_WIDTH), columns.transpose(1, 2)).view(count, FRAME_HEIGHT, -1)
        rows = triangle(start[:, 1], view.scale[:, 1] * down, FRAME_HEIGHT, SIZE, view.blur, self._work)
        return self._finished(dice, torch.bmm(rows, wide), view)

    def _draw_other(self, dice: Dice, scene: _Scene, part: Tensor, augment: float, *, held_out: bool) -> Tensor:
        count, work = len(part), self._work
        looks = self._held_out if held_out else self._looks
        which = dice.below(len(looks), count)
        skin = make_skins(dice, count, held_out=held_out, dtype=work)
        board, boxes, hidden = looks.board[which], looks.boxes[which], looks.hidden[which]
        view = random_view(dice, looks.bounds[which], skin.layers[:, 0], augment)
        start = SIZE / 2 * (1 - view.scale) + view.move
        # The background, (n, 256, 768) as rows of three channels.
        colours = (skin.layers - view.fill[:, None]).transpose(1, 2).to(work) / 255
        picture = pixels.mixed(colours, looks.weights[which]).view(count, 3, SIZE, SIZE).transpose(1, 2)
        columns = triangle(start[:, 0], view.scale[:, 0], SIZE, SIZE, view.blur, work)
        wide = torch.bmm(picture.reshape(count, -1, SIZE), columns.transpose(1, 2)).view(count, SIZE, -1)
        rows = triangle(start[:, 1], view.scale[:, 1], SIZE, SIZE, view.blur, work)
        out = torch.bmm(rows, wide)
        # The board; hidden rows that the layout doesn't show add nothing.
        codes = torch.where(hidden[:, None] == 0, scene.lowered[part], scene.codes[part])
        place = torch.arange(_ROWS * WIDTH, device=self.device)
        row, column = place // WIDTH, place % WIDTH
        odd = torch.where(skin.spots[:, None] == 1, column, row + column) % 2 == 1
        codes = torch.where((codes == 0) & (skin.spots[:, None] > 0) & odd, EMPTY_TOO, codes)
        codes = torch.where(row < HIDDEN_ROWS_SHOWN - hidden[:, None], NOTHING, codes)
        first = torch.arange(count, device=self.device)[:, None] * skin.sprites.shape[1]
        sprites = skin.sprites.flatten(0, 1)[(codes + first).flatten()]
        left_top = board[:, :2] - pixels.constant((0, HIDDEN_ROWS_SHOWN), self.device) * board[:, 2:]
        left_top, pitch = start + view.scale * left_top, view.scale * board[:, 2:] / CELL
        columns = triangle(left_top[:, 0], pitch[:, 0], WIDTH * CELL, SIZE, view.blur, work)
        wide = torch.bmm(_tiled(sprites, count).view(count, -1, WIDTH * CELL), columns.transpose(1, 2))
        rows = triangle(left_top[:, 1], pitch[:, 1], _ROWS * CELL, SIZE, view.blur, work)
        out.baddbmm_(rows, wide.view(count, _ROWS * CELL, -1))
        self._add_boxes(dice, out, scene.boxes[part], skin.icons, looks.shown[which], boxes, start, view)
        return self._finished(dice, out, view)

    def _add_boxes(
        self,
        dice: Dice,
        out: Tensor,
        kinds: Tensor,
        icons: Tensor,
        shown: Tensor,
        boxes: Tensor,
        start: Tensor,
        view: View,
    ) -> None:
        """Add next pieces and hold, (n, 6) `kinds` of `icons` (n, 8, 8, 3, 8), to pictures `out` (n, 256, 768)."""
        count, side = len(out), icons.shape[2]
        shapes = self._shapes[kinds] * shown[..., None, None].to(self._work)
        icon = icons.gather(1, kinds[:, :, None, None, None].expand(-1, -1, *icons.shape[2:]))
        # (n, box, row of cells, row of pixels, channel, column of cells, column of pixels)
        tiles = icon[:, :, None, :, :, None, :] * shapes[:, :, :, None, None, :, None]
        tiles = tiles.reshape(count * BOXES, 2 * side * 3, 4 * side)
        # Pieces lie in their box from the left or in its middle; I has one row only.
        shape = shapes.amax(2).sum(-1), shapes.amax(3).sum(-1)
        middle = torch.stack([(4 - shape[0]) / 2, (2 - shape[1]) / 2], 2) * dice.flip(0.7, count, 1, 1)
        left_top = start[:, None] + view.scale[:, None] * (boxes[..., :2] + middle * boxes[..., 2:])
        pitch = view.scale[:, None] * boxes[..., 2:] / side
        blur = view.blur[:, None]
        columns = triangle(left_top[..., 0], pitch[..., 0], 4 * side, SIZE, blur, self._work)
        wide = torch.bmm(tiles, columns.flatten(0, 1).transpose(1, 2)).view(count, BOXES * 2 * side, 3 * SIZE)
        rows = triangle(left_top[..., 1], pitch[..., 1], 2 * side, SIZE, blur, self._work)
        out.baddbmm_(rows.transpose(1, 2).reshape(count, SIZE, -1), wide)

    def _finished(self, dice: Dice, out: Tensor, view: View) -> Tensor:
        """Pictures (n, 256, 768), rows of three channels less `view.fill` -> (n, 3, 256, 256) in [-1, 1]."""
        count = len(out)
        out = out.view(count, SIZE, 3, SIZE).transpose(1, 2).reshape(count, 3, -1)
        offset = view.offset + (view.matrix @ view.fill[..., None])[..., 0]
        work = self._work
        out = pixels.recoloured(view.matrix.to(work), offset.to(work), view.gamma.to(work), out)
        altered = len(view.quality) > 0
        if altered:
            noise = torch.empty_like(out).normal_(generator=dice.generator)
            out.addcmul_(noise, view.noise[:, None, None].to(self._work))
        out = out.view(count, 3, SIZE, SIZE)
        if altered:
            few = len(view.quality)
            # Pictures come in random order, so that the first ones are any.
            for subsample, part in enumerate((slice(0, few // 2), slice(few // 2, few))):
                if part.start == part.stop:
                    continue
                out[part] = pixels.jpeg(out[part], view.quality[part], subsample=bool(subsample))
        return (out.clamp_(0, 1) * 2 - 1).to(self.dtype)


def _tiled(sprites: Tensor, count: int) -> Tensor:
    """Sprites (count * 220, 16, 3, 16), cell by cell -> boards (count, 352, 3, 160)."""
    cells = sprites.view(count, _ROWS, WIDTH, CELL, 3, CELL)
    return cells.permute(0, 1, 3, 4, 2, 5).reshape(count, _ROWS * CELL, 3, WIDTH * CELL)


def _suite_frames(count: int, seed: int) -> np.ndarray:
    """Frames of the suite's renderer with an empty board and all kinds of numbers, (count, 384, 288, 3) uint8."""
    rng = np.random.default_rng(seed)
    frames = np.empty((count, FRAME_HEIGHT, FRAME_WIDTH, 3), np.uint8)
    renderer = render.Renderer()
    for frame in frames:
        lines = int(10 ** rng.uniform(0, 3.7)) - 1
        pieces = int(2.5 * lines + rng.uniform(0, 40))
        frame[:] = renderer.draw(
            Picture(
                cells=bytes(WIDTH * _ROWS),
                active=(),
                active_kind=0,
                rotation=int(rng.integers(4)) if rng.random() < 0.1 else 0,
                ghost=(),
                queue=(),
                has_hold=True,
                hold=0,
                hold_used=False,
                score=int(10 ** rng.uniform(0, 7)),
                lines=lines,
                level=min(10, 1 + lines // 10),
                pieces=pieces,
                game_over=False,
            )
        )
    return frames


if __name__ == "__main__":
    from reference.draw_check import main

    main()
