"""A loaded model with what the loop keeps for it.

Units:  tokens, bytes, milliseconds.
Errors: ``LoadError`` for what cannot be loaded, or cannot be batched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import mlx.core as mx

from .batch import DecodeBatch
from .caches import is_plain
from .engine import Loaded, LoadSpec
from .model import LoadedModel
from .prefix_cache import PrefixCache
from .preparing import Preparing

# What prefixes may take in any case: of models whose rows take next to nothing.
_LEAST_PREFIX_BYTES: Final = 1 << 26


class Loader(Protocol):
    def estimate(self, spec: LoadSpec) -> int: ...

    def load(self, spec: LoadSpec, progress: Callable[[float], None]) -> tuple[LoadedModel, Mapping[str, float]]:
        """The model, and where the time went. Raises ``LoadError``."""
        ...


@dataclass(slots=True)
class Replica:
    model: LoadedModel
    loaded: Loaded
    batch: DecodeBatch
    prefixes: PrefixCache
    preparing: Preparing
    # None: what the rows leave of the memory that the model was let in with.
    prefix_cache_bytes: int | None

    def limit_prefixes(self, row_tokens: int) -> None:
        """``row_tokens`` are in the caches of rows: what these grow by, kept beginnings make room for."""
        if self.prefix_cache_bytes is not None:
            return
        left = self.loaded.slots * self.loaded.context_tokens - row_tokens
        self.prefixes.limit(max(_LEAST_PREFIX_BYTES, left * self.model.kv_bytes_per_token))

    def replace_batch(self) -> None:
        """For one that is not to be trusted any more. Memory is the likeliest thing to be short of, so what is
        only kept for later goes too."""
        self.prefixes.clear()
        self.batch.close()
        mx.clear_cache()
        self.batch = _new_batch(self.model.network, self.loaded.slots)


def load_replica(
    loader: Loader, spec: LoadSpec, progress: Callable[[float], None], prefix_cache_bytes: int | None
) -> Replica:
    model, load_ms = loader.load(spec, progress)
    trained = model.facts.trained_context_tokens
    loaded = Loaded(
        # Beyond what it was trained on a model writes nonsense, and memory is paid for it.
        context_tokens=min(spec.context_tokens, trained) if trained > 0 else spec.context_tokens,
        slots=spec.slots,
        facts=model.facts,
        load_ms=load_ms,
    )
    batch = _new_batch(model.network, spec.slots)
    prefixes = PrefixCache(prefix_cache_bytes or 0)
    replica = Replica(model, loaded, batch, prefixes, Preparing(model.constraints), prefix_cache_bytes)
    replica.limit_prefixes(0)
    return replica


def _new_batch(network: Any, slots: int) -> DecodeBatch:
    return DecodeBatch(network, slots=slots, has_checkpoints=not is_plain(network))
