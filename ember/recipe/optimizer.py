"""Muon for the matrices, Adam for the embedding and the norms.

Source  Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024): the momentum is
        made orthogonal by five Newton-Schulz steps. Kingma and Ba, "Adam" (2015).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEPS = 5
_MOMENTUM = 0.95
_BETAS = (0.9, 0.95)
_EPSILON = 1e-8


def orthogonalize(matrices: Tensor) -> Tensor:
    """(count, rows, columns) -> the same, with all singular values near 1."""
    a, b, c = _COEFFICIENTS
    x = matrices.bfloat16()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_STEPS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    result: Tensor = (x.mT if tall else x).float()
    return result


class Optimizer:
    """`step(rate)` takes a factor of both learning rates; gradients are used up."""

    def __init__(self, net: nn.Module, matrix_rate: float, other_rate: float) -> None:
        named = list(net.named_parameters())
        matrices = [p for name, p in named if p.ndim == 2 and "embedding" not in name]
        groups: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        for parameter in matrices:
            groups[parameter.shape].append(parameter)
        self._groups = list(groups.values())
        self._others = [p for name, p in named if p.ndim != 2 or "embedding" in name]
        self._matrix_rate, self._other_rate = matrix_rate, other_rate
        self._momenta = [torch.zeros(len(group), *group[0].shape, device=group[0].device) for group in self._groups]
        self._first = [torch.zeros_like(p) for p in self._others]
        self._second = [torch.zeros_like(p) for p in self._others]
        self._count = 0

    @torch.no_grad()
    def step(self, rate: float) -> None:
        self._count += 1
        for group, momentum in zip(self._groups, self._momenta, strict=True):
            gradient = torch.stack([_gradient(p) for p in group])
            momentum.lerp_(gradient, 1 - _MOMENTUM)
            update = orthogonalize(gradient.lerp(momentum, _MOMENTUM))
            scale = max(1.0, update.shape[1] / update.shape[2]) ** 0.5
            for parameter, change in zip(group, update.unbind(), strict=True):
                parameter.add_(change, alpha=-self._matrix_rate * rate * scale)
                parameter.grad = None
        for parameter, first, second in zip(self._others, self._first, self._second, strict=True):
            gradient = _gradient(parameter)
            first.lerp_(gradient, 1 - _BETAS[0])
            second.lerp_(gradient.square(), 1 - _BETAS[1])
            first_hat = first / (1 - _BETAS[0] ** self._count)
            second_hat = second / (1 - _BETAS[1] ** self._count)
            parameter.sub_(first_hat / (second_hat.sqrt() + _EPSILON), alpha=self._other_rate * rate)
            parameter.grad = None

    def state(self) -> dict[str, Any]:
        return {"momenta": self._momenta, "first": self._first, "second": self._second, "count": self._count}

    def restore(self, state: dict[str, Any]) -> None:
        _copy(self._momenta, state["momenta"])
        _copy(self._first, state["first"])
        _copy(self._second, state["second"])
        self._count = state["count"]


def _gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        raise ValueError("a parameter without a gradient: call backward first")
    return parameter.grad


def _copy(targets: Iterable[Tensor], sources: Iterable[Tensor]) -> None:
    for target, source in zip(targets, sources, strict=True):
        target.copy_(source)
