"""What one row of a network keeps in memory, asked of the network itself.

MLX computes nothing before it must: a call that nobody evaluates says what shapes a network's caches have, and the
width of its logits, for every architecture that mlx-lm knows. Numbers in a config say it for the usual ones only.

Units:  bytes for one row. ``per_token``: of layers that keep every token, in the slope of a long context; ``fixed``:
        of layers that keep a window (when it is full) or a state.
Errors: whatever the network raises for shapes that do not fit together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.models.cache import CacheList, ChunkedKVCache, RotatingKVCache, make_prompt_cache


@dataclass(frozen=True, slots=True)
class RowCost:
    per_token: int
    # (tokens, bytes for each): a window takes no more than the context.
    windows: tuple[tuple[int, int], ...]
    states: int
    logits_width: int

    def at(self, context_tokens: int) -> int:
        windows = sum(min(tokens, context_tokens) * each for tokens, each in self.windows)
        return self.per_token * context_tokens + windows + self.states


def row_cost(network: Any) -> RowCost:
    """Builds the graph of one step and leaves it: no weight is read."""
    caches = make_prompt_cache(network)
    logits = network(mx.zeros((1, 1), dtype=mx.int32), cache=caches)
    per_token, states = 0, 0
    windows = []
    for cache in _leaves(caches):
        keys, values = getattr(cache, "keys", None), getattr(cache, "values", None)
        if isinstance(keys, mx.array) and isinstance(values, mx.array):
            each = (keys.nbytes + values.nbytes) // keys.shape[2]
            if (window := _window_of(cache)) is None:
                per_token += each
            else:
                windows.append((window, each))
        else:
            states += sum(array.nbytes for array in _arrays(cache.state))
    return RowCost(per_token, tuple(windows), states, int(logits.shape[-1]))


def _leaves(caches: Any) -> Iterator[Any]:
    for cache in caches:
        if isinstance(cache, CacheList):
            yield from _leaves(cache.caches)
        elif cache is not None:
            yield cache


def _window_of(cache: Any) -> int | None:
    if isinstance(cache, RotatingKVCache):
        return int(cache.max_size)
    return int(cache.chunk_size) if isinstance(cache, ChunkedKVCache) else None


def _arrays(state: Any) -> list[mx.array]:
    return [entry[1] for entry in tree_flatten(state) if isinstance(entry[1], mx.array)]
