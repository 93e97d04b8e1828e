"""Muon for the matrices inside the layers, AdamW for everything else, on float32 copies of bfloat16 weights.

Muon: Keller Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024); the update is scaled by
0.2 * sqrt(max(rows, columns)), as in Liu et al., "Muon is Scalable for LLM Training" (arXiv 2502.16982), so that
weights move as they would under AdamW. `torch.optim.Muon` takes one matrix at a time; here those of one shape go
together, which at this model's size is what makes the step cheap.
"""

import math
from collections.abc import Iterable

import torch

_WEIGHT_DECAY = 0.05
_QUINTIC = (3.4445, -4.7750, 2.0315)


class Optimiser:
    """Both optimisers over a module's parameters; `step` also clears the gradients.

    Args:
        named: Names and bfloat16 parameters. Matrices whose name contains `.layers.` go to Muon.
        muon_rate: Peak learning rate of Muon.
        adam_rate: Peak learning rate of AdamW.
    """

    def __init__(self, named: Iterable[tuple[str, torch.nn.Parameter]], muon_rate: float, adam_rate: float) -> None:
        self.muon_rate, self.adam_rate = muon_rate, adam_rate
        by_shape: dict[tuple[int, ...], list[torch.nn.Parameter]] = {}
        self.rest: list[torch.nn.Parameter] = []
        for name, parameter in named:
            if parameter.ndim == 2 and ".layers." in name:
                by_shape.setdefault(tuple(parameter.shape), []).append(parameter)
            else:
                self.rest.append(parameter)
        self.groups = list(by_shape.values())
        self.masters = [torch.stack([p.data.float() for p in group]) for group in self.groups]
        self.momenta = [torch.zeros_like(master) for master in self.masters]
        self.rest_masters = [torch.nn.Parameter(p.data.float().clone()) for p in self.rest]
        self.adam = torch.optim.AdamW(
            self.rest_masters, lr=adam_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=self.rest[0].is_cuda
        )

    @torch.no_grad()
    def step(self, factor: float, momentum: float) -> None:
        """One step, learning rates times `factor`, Muon with this momentum."""
        for group, master, velocity in zip(self.groups, self.masters, self.momenta, strict=True):
            gradient = torch.stack([_gradient(p) for p in group]).float()
            velocity.mul_(momentum).add_(gradient)
            update = _orthogonal(gradient.add(velocity, alpha=momentum)).float()
            rate = self.muon_rate * factor
            master.mul_(1 - rate * _WEIGHT_DECAY)
            master.add_(update, alpha=-rate * 0.2 * math.sqrt(max(master.shape[-2:])))
            torch._foreach_copy_([p.data for p in group], list(master.unbind(0)))
        for master, parameter in zip(self.rest_masters, self.rest, strict=True):
            master.grad = _gradient(parameter).float()
        torch.nn.utils.clip_grad_norm_(self.rest_masters, 1.0)
        for settings in self.adam.param_groups:
            settings["lr"] = self.adam_rate * factor
        self.adam.step()
        torch._foreach_copy_([p.data for p in self.rest], [m.data for m in self.rest_masters])
        for parameter in (*self.rest, *(p for group in self.groups for p in group)):
            parameter.grad = None


def _gradient(parameter: torch.nn.Parameter) -> torch.Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Roughly the nearest orthogonal matrices, (batch, rows, columns), by five Newton-Schulz steps in bfloat16."""
    a, b, c = _QUINTIC
    x = matrices.to(torch.bfloat16)
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x
