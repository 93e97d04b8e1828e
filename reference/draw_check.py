"""`python -m reference.draw --check FOLDER`: is what is drawn what the model will see, and can it be read?

Compares the suite's look with frames of the real environment behind the model's image processor, writes contact sheets
of all looks, and times drawing.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import lmgame_games.tetris.player as scripted
from lmgame_games.tetris.env import TetrisEnv
from lmgame_games.tetris.picture import HEIGHT, HIDDEN_ROWS_SHOWN, WIDTH
from lmgame_games.tetris.pieces import corner
from reference import model
from reference.draw import Artist
from reference.looks import SIZE


@dataclass
class Moments:
    """States of real games as the artist takes them."""

    boards: Tensor
    kind: Tensor
    where: Tensor
    queue: Tensor
    hold: Tensor

    def to(self, device: torch.device) -> "Moments":
        return Moments(**{name: value.to(device) for name, value in vars(self).items()})


def real_states(count: int, seed: int = 5) -> tuple[Moments, list[np.ndarray]]:
    """States of real games where a piece has just appeared, low boards and high ones, and their frames."""
    rng = np.random.default_rng(seed)
    env = TetrisEnv(preset="standard", render_mode="rgb_array")
    rows: list[tuple[Any, ...]] = []
    frames = []
    env.reset(seed=seed)
    player, careless, pieces = scripted.TetrisPlayer(env), 0.2, 0
    while len(frames) < count:
        engine = env.engine
        if engine.over or pieces > 60:
            env.reset(seed=int(rng.integers(1 << 30)))
            player, careless, pieces = scripted.TetrisPlayer(env), rng.uniform(0, 0.7), 0
            continue
        # Once every few pieces, so that boards differ.
        if rng.random() < 0.25:
            board = np.zeros((24, WIDTH), np.uint8)
            shown = np.frombuffer(env.picture().cells, np.uint8).reshape(-1, WIDTH)
            board[: HEIGHT + HIDDEN_ROWS_SHOWN] = shown[::-1]
            where = (*corner(engine.pos), engine.drop_rows())
            rows.append((board, engine.kind, where, list(engine.next_kinds(5)), engine.hold_kind))
            frame = env.render()
            assert frame is not None
            frames.append(frame)
        if rng.random() < careless:
            moves = rng.choice(["left", "right", "rotate_cw"], rng.integers(0, 6)).tolist()
            moves = [engine.MOVES.index(move) for move in (*moves, "hard_drop")]
        else:
            moves = [engine.MOVES.index(move.name) for move in player.act() if move.name != "hold"]
        before = engine.pieces
        for move in moves:
            engine.play(move)
            if engine.over or engine.pieces > before:
                break
        pieces += 1
    board, kind, where, queue, hold = zip(*rows, strict=True)
    kinds = [torch.tensor(values, dtype=torch.int32) for values in (kind, where, queue, hold)]
    return Moments(torch.from_numpy(np.stack(board)), *kinds), frames


def compare(artist: Artist, moments: Moments, frames: list[np.ndarray]) -> None:
    """Print how far the artist's suite look is from real frames behind the image processor, numbers left out."""
    drawn = artist.draw(moments).float().cpu()
    # Below the queue are score, lines, level and so on, which the artist draws at random.
    seen = torch.ones(SIZE, SIZE, dtype=torch.bool)
    seen[round(230 * SIZE / 384) :, round(197 * SIZE / 288) :] = False
    images = [[Image.fromarray(frame)] for frame in frames]
    real = torch.as_tensor(model.processor().image_processor(images, return_tensors="pt")["pixel_values"][:, 0])
    error = (drawn - real).abs()[..., seen]
    print(f"draw: mean error {error.mean():.5f}, largest {error.max():.4f}")
    print(f"to_input of the same frames: largest {(pixels_of(frames) - real).abs().max():.4f}")


def pixels_of(frames: list[np.ndarray]) -> Tensor:
    """Frames (H, W, 3) uint8 as the model's input by `reference.pixels.to_input`."""
    from reference.pixels import to_input

    return to_input(torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 255)


def sheet(pictures: Tensor, columns: int, path: Path, zoom: int = 1) -> None:
    """Write pictures (N, 3, H, W) in [-1, 1] as one PNG."""
    pictures = ((pictures.float().cpu() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    count, _, height, width = pictures.shape
    rows = -(-count // columns)
    canvas = np.full((rows * (height + 4), columns * (width + 4), 3), 128, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = i // columns * (height + 4), i % columns * (width + 4)
        canvas[y : y + height, x : x + width] = picture.permute(1, 2, 0).numpy()
    image = Image.fromarray(canvas)
    image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST).save(path)


def timed(artist: Artist, moments: Moments, count: int, repeats: int) -> None:
    """Print how long drawing a batch takes."""
    many = torch.arange(count, device=artist.device) % len(moments.kind)
    batch = Moments(**{name: value[many] for name, value in vars(moments).items()})
    on_gpu = artist.device.type == "cuda"
    for arguments in ({}, {"look": "mixed"}, {"look": "mixed", "augment": 1.0}, {"look": "held_out", "augment": 1.0}):
        artist.draw(batch, **arguments)
        if on_gpu:
            torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(repeats):
            artist.draw(batch, **arguments)
        if on_gpu:
            torch.cuda.synchronize()
        each = (time.perf_counter() - begin) / repeats
        print(f"{arguments}: {1000 * each:.1f} ms for {count}, {count / each:,.0f}/s")
    if on_gpu:
        print(f"most memory: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", type=Path, required=True, metavar="FOLDER", help="where contact sheets go")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.check.mkdir(parents=True, exist_ok=True)
    device = torch.device(options.device)
    on_gpu = device.type == "cuda"
    begin = time.perf_counter()
    artist = Artist(device, torch.bfloat16 if on_gpu else torch.float32, options.seed)
    print(f"the artist is ready after {time.perf_counter() - begin:.1f} s")
    moments, frames = real_states(96)
    moments = moments.to(device)
    compare(artist, moments, frames)
    few = Moments(**{name: value[:48] for name, value in vars(moments).items()})
    sheets: dict[str, dict[str, Any]] = {
        "suite": {},
        "suite-augmented": {"augment": 1.0},
        "other": {"look": "mixed", "share": 0.0},
        "other-augmented": {"look": "mixed", "share": 0.0, "augment": 1.0},
        "held-out": {"look": "held_out"},
    }
    for name, arguments in sheets.items():
        sheet(artist.draw(few, **arguments), 8, options.check / f"{name}.png")
    fixed: list[dict[str, Any]] = [{"shift": (16, -16)}, {"shift": (-12, 12)}, {"scale": 0.82}, {"scale": 1.13}]
    fixed += [{"invert": True}, {"grey": True}, {"blur": 1.5}, {"jpeg": 20}, {"noise": 0.1}]
    one = Moments(**{name: value[7:8] for name, value in vars(moments).items()})
    sheet(torch.cat([artist.draw(one, **way) for way in fixed]), 5, options.check / "disturbed.png")
    timed(artist, moments, 2048 if on_gpu else 64, 10 if on_gpu else 2)
