"""What one row's KV cache, a list with one cache of mlx-lm per layer, can be asked and made to do.

Kinds of layers: plain (``KVCache``) can forget its last tokens at any time; a window (``RotatingKVCache``) can
until it has begun to overwrite; a recurrent state (``ArraysCache``) never can.

Units:  tokens, bytes.
Errors: ``LoadError`` for a layer that mlx-lm cannot put into a batch.
Source: mlx-lm 0.32.2, ``models/cache.py``.
"""

from __future__ import annotations

import copy
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import ArraysCache, CacheList, KVCache, make_prompt_cache

from .engine import LoadError

LayerCaches = list[Any]


def can_forget(caches: LayerCaches) -> bool:
    """Whether the last tokens can be taken off, as it is now."""
    return all(cache.is_trimmable() for cache in caches)


def is_plain(network: Any) -> bool:
    """Whether the caches of this model can forget at any time. Raises ``LoadError``."""
    caches = make_prompt_cache(network)
    for cache in _parts(caches):
        if not hasattr(cache, "merge"):
            raise LoadError(
                f"mlx-lm cannot batch models with a {type(cache).__name__}; choose a model of another architecture"
            )
    return all(isinstance(cache, KVCache) for cache in _parts(caches))


def without_last(caches: LayerCaches, tokens: int) -> LayerCaches:
    """The same, without the last tokens. The arrays are shared: nobody writes into them."""
    return [_without_last(cache, tokens) for cache in caches] if tokens > 0 else caches


def own(caches: LayerCaches) -> LayerCaches:
    """Computes them and lets go of the batch that they were taken from."""
    for cache in _parts(caches):
        if isinstance(cache, ArraysCache):
            # A slice of a state keeps the states of all rows in memory.
            cache.cache = [None if state is None else mx.contiguous(state) for state in cache.cache]
    mx.eval([cache.state for cache in caches])
    return caches


def bytes_of(caches: LayerCaches) -> int:
    return sum(cache.nbytes for cache in caches)


def _without_last(cache: Any, tokens: int) -> Any:
    if isinstance(cache, CacheList):
        list_of: Any = CacheList
        return list_of(*(_without_last(part, tokens) for part in cache.caches))
    shorter = copy.copy(cache)
    shorter.trim(tokens)
    return shorter


def _parts(caches: Any) -> LayerCaches:
    return [part for cache in caches for part in (_parts(cache.caches) if isinstance(cache, CacheList) else [cache])]
