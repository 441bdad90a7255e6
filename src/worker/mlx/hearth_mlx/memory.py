"""Bytes that a load would take, without loading.

Known: the weights, as they will be in memory (a header says how large a tensor is, and the network says which it
keeps and in which type they run), and the caches of all slots at their full context.

Not known, and therefore an allowance: what a step needs in passing. It is counted as the logits of all slots, a
chunk of a prompt through the widest layer, and on a CPU, which has no fused attention, the scores of that chunk
against the whole context. What MLX keeps of freed buffers is bounded (``CACHE_LIMIT_BYTES``) and not counted; nor
are the interpreter and its libraries (about 100 MB), copies of caches that are kept for later prompts, which have a
limit of their own, and what a load needs in passing (a tensor that is converted is there twice for a moment).

Units:  bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import mlx.core as mx

from .row_cost import RowCost

# Buffers that have been freed are kept for the next step; the library's own limit is all of the memory.
CACHE_LIMIT_BYTES: Final = 1024 * 1024 * 1024
_CHUNK_TOKENS: Final = 512
_FLOAT_BYTES: Final = 4
# Of a chunk: its input, what is added to it, the two halves of a gated layer and their product.
_HIDDEN_COPIES: Final = 4
_INNER_COPIES: Final = 3


def need_bytes(
    *, weights: int, row: RowCost, slots: int, context_tokens: int, config: Mapping[str, Any], on_cpu: bool
) -> int:
    """``config``: of the part that reads text."""
    hidden = _size(config, "hidden_size")
    inner = max(_size(config, "intermediate_size"), _size(config, "moe_intermediate_size"), hidden)
    chunk = min(_CHUNK_TOKENS, context_tokens)
    passing = chunk * (_HIDDEN_COPIES * hidden + _INNER_COPIES * inner) + slots * row.logits_width
    if on_cpu:
        passing += chunk * context_tokens * _size(config, "num_attention_heads")
    return weights + slots * row.at(context_tokens) + passing * _FLOAT_BYTES


def limit_memory() -> None:
    """Wired memory cannot be taken back by the system: a second process that does it brings a Mac down."""
    mx.set_cache_limit(CACHE_LIMIT_BYTES)
    if mx.metal.is_available():
        mx.set_wired_limit(0)


def _size(config: Mapping[str, Any], name: str) -> int:
    value = config.get(name)
    return value if isinstance(value, int) else 0
