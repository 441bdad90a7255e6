"""The numbers of a network: its arrays, and how many it has (packed weights unpacked, scales not at all)."""

from __future__ import annotations

from typing import Any, Final

import mlx.core as mx
from mlx.utils import tree_flatten

_NOT_COUNTED: Final = ("scales", "biases", "global_scale")


def count_parameters(network: Any) -> int:
    total = 0
    for module in network.modules():
        bits = getattr(module, "bits", None) if "scales" in module else None
        for name, value in module.items():
            if name.startswith("_") or not isinstance(value, mx.array):
                continue
            if bits is None:
                total += value.size
            elif name == "weight":
                total += value.size * 32 // int(bits)
            elif name not in _NOT_COUNTED:
                total += value.size
    return total


def arrays_of(network: Any) -> list[mx.array]:
    return [entry[1] for entry in tree_flatten(network.parameters()) if isinstance(entry[1], mx.array)]
