"""Chooses a token of one row: temperature, top-k, top-p, min-p.

The chance of a token hangs on the seed and its position in the answer, and on nothing else: not on who else is
in the decode batch, nor on whether the batch has been built anew since. So requests with a seed can be batched.
It also hangs on the token's own id rather than on its rank, so that two near-equal logits that change places
through rounding do not change the answer.

The filters come in llama.cpp's order (top-k, top-p of what is left, min-p of the likeliest), on probabilities
before the temperature, as in the Node backend.

Shapes: logprobs [1, vocabulary size], float32, normalised or not; tokens [1], not yet computed.
Units:  ``position`` counts generated tokens from 0.
Source: "The Curious Case of Neural Text Degeneration" (top-p); ``llama_sampler_top_k``, ``_top_p``, ``_min_p``.
"""

from __future__ import annotations

import math
from typing import Final

import mlx.core as mx

from .engine import Sampling

# Below this the likeliest token is the only one that has a chance in float32.
_GREEDY_TEMPERATURE: Final = 1e-5


def sample(sampling: Sampling, logprobs: mx.array, position: int) -> mx.array:
    if sampling.temperature < _GREEDY_TEMPERATURE or sampling.top_k == 1:
        return mx.argmax(logprobs, axis=-1)
    kept = _min_p(_top(logprobs, sampling.top_k, sampling.top_p), sampling.min_p)
    # The largest becomes 0: a division by a small temperature overflows only where there is no chance.
    scaled = (kept - mx.max(kept, axis=-1, keepdims=True)) / sampling.temperature
    return mx.random.categorical(scaled, key=_key(sampling.seed, position))


def _key(seed: int, position: int) -> mx.array:
    """Both are 32 bits wide, so no two of them share a key."""
    return mx.random.key((seed & 0xFFFF_FFFF) << 32 | (position & 0xFFFF_FFFF))


def _top(logprobs: mx.array, top_k: int, top_p: float) -> mx.array:
    """Bans all but the ``top_k`` likeliest, and of these all but the likeliest that add up to ``top_p``."""
    best = logprobs
    if 0 < top_k < logprobs.shape[-1]:
        order = mx.argpartition(-logprobs, kth=top_k - 1, axis=-1)
        best = mx.take_along_axis(logprobs, order[:, :top_k], axis=-1)
        logprobs = mx.put_along_axis(logprobs, order[:, top_k:], mx.array(-math.inf), axis=-1)
    if not 0 < top_p < 1:
        return logprobs
    ascending = mx.sort(best, axis=-1)
    chances = mx.softmax(ascending, axis=-1)
    above = mx.cumsum(chances, axis=-1, reverse=True, inclusive=False)
    # The likeliest has nothing above it, so one always stays.
    dropped = (above >= top_p).sum(axis=-1, keepdims=True)
    threshold = mx.take_along_axis(ascending, mx.minimum(dropped, ascending.shape[-1] - 1), axis=-1)
    return mx.where(logprobs < threshold, -math.inf, logprobs)


def _min_p(logprobs: mx.array, min_p: float) -> mx.array:
    """Bans what is less likely than this share of the likeliest."""
    if min_p <= 0:
        return logprobs
    threshold = mx.max(logprobs, axis=-1, keepdims=True) + math.log(min_p)
    return mx.where(logprobs < threshold, -math.inf, logprobs)
