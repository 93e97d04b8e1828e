"""How well a model plays Tetris in the batched games, by token-by-token greedy answers, and what disturbs it."""

from typing import Any

import torch

from reference import answers
from reference.draw import Artist
from reference.network import Network
from reference.replay import Moment
from reference.tetris_games import POSSIBLE, Games

DISTURBANCES: dict[str, dict[str, Any]] = {
    "none": {},
    "shift 4": {"shift": (4, 4)},
    "shift 12": {"shift": (12, 12)},
    "shift -12": {"shift": (-12, -12)},
    "shift 12, -12": {"shift": (12, -12)},
    "scale 0.90": {"scale": 0.90},
    "scale 0.95": {"scale": 0.95},
    "scale 1.05": {"scale": 1.05},
    "scale 1.10": {"scale": 1.10},
    "greyscale": {"grey": True},
    "inverted": {"invert": True},
    "blur": {"blur": 1.5},
    "JPEG 30": {"jpeg": 30},
    "noise 0.1": {"noise": 0.1},
}
"""Arguments of `Artist.draw`, by name."""


@torch.no_grad()
def answer(network: Network, pixels: torch.Tensor) -> torch.Tensor:
    """(batch,) placements that greedy decoding writes for pictures (batch, 3, 256, 256); -1 for no answer."""
    return answers.greedy(network.tree, network.tetris(network.see(pixels))[0])


@torch.no_grad()
def play(
    network: Network, artist: Artist, device: torch.device, *, look: str, games: int, pieces: int, seed: int = 9001
) -> dict[str, Any]:
    """Whole games from level 1, each at most so many pieces; an answer outside of the format places nothing well.

    Returns means over all answers (`in_format`: one of the 44 that there are, whether or not the piece can get there;
    `agree`: the teacher's), and numbers of pieces over games.
    """
    played = Games(games, seed, device)
    alive = torch.ones(games, dtype=torch.bool, device=device)
    in_format = agree = asked = torch.zeros((), device=device)
    for number in range(pieces):
        values = played.teach().view(games, -1)
        placed = answer(network, artist.draw(Moment.of(played), look=look, augment=0.0))
        good = placed >= 0
        in_format = in_format + (good & alive).sum()
        agree = agree + ((values.argmax(1) == placed) & alive).sum()
        asked = asked + alive.sum()
        # Nothing but a hard drop: what an answer that can't be read comes to, sooner or later.
        over = played.step(torch.where(good, placed, answers.FARTHEST))
        alive &= ~over
        if number % 50 == 49 and not alive.any():
            break
    count = played.state.pieces.float().sort().values
    return {
        "games": games,
        "cap": pieces,
        "pieces_mean": round(count.mean().item(), 1),
        "pieces_median": count[games // 2].item(),
        "pieces_min": count[0].item(),
        "alive": round(alive.float().mean().item(), 4),
        "in_format": round((in_format / asked).item(), 5),
        "agree": round((agree / asked).item(), 4),
        "lines_mean": round(played.state.lines.float().mean().item(), 1),
    }


@torch.no_grad()
def robustness(network: Network, artist: Artist, device: torch.device, count: int = 2000) -> dict[str, Any]:
    """Agreement with the teacher and regret on mid-game states, undisturbed and disturbed in each way."""
    games = Games(count, 77, device)
    for number in range(60):
        values = games.teach().view(count, -1)
        action = values.argmax(1)
        if number % 6 == 5:
            action = torch.where(values > POSSIBLE, torch.rand_like(values), -1.0).argmax(1)
        games.reset(games.step(action))
    values = games.teach().view(count, -1)
    moment = Moment.of(games)
    results = {}
    for name, arguments in [*DISTURBANCES.items(), ("held-out look", {"look": "held_out"})]:
        placed = torch.cat(
            [
                answer(network, artist.draw(part, **{"look": "suite", "augment": 0.0, **arguments}))
                for part in _parts(moment, 500)
            ]
        )
        at = placed.clamp_min(0)[:, None]
        valid = (placed >= 0) & (values.gather(1, at)[:, 0] > POSSIBLE)
        regret = (values.amax(1) - values.gather(1, at)[:, 0]).clamp(0, 100)
        results[name] = {
            "agree": round((placed == values.argmax(1)).float().mean().item(), 4),
            "valid": round(valid.float().mean().item(), 4),
            "regret": round(regret.mean().item(), 3),
        }
    return results


def _parts(moment: Moment, size: int) -> list[Moment]:
    fields = vars(moment)
    count = len(moment.kind)
    return [
        Moment(**{name: value[start : start + size] for name, value in fields.items()})
        for start in range(0, count, size)
    ]
