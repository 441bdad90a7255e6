"""What a request asks to be done to its logits, as functions of the tokens so far. Stateless.

The twin of ``src/worker/backends/llama-cpp/penalties.ts``, in the same order: first the additive ones (logit
bias, frequency and presence penalty), then ``repeat_penalty``. Frequency and presence count generated tokens
only (OpenAI's definition), ``repeat_penalty`` looks at the last 64 tokens of prompt and answer; the library's
own processors count the prompt too, in a window of 20.

All of it stays on the device: the last token of ``tokens`` may not have been computed yet, and to wait for it
would cost the step that runs meanwhile. And because nothing is remembered here, a rebuilt decode batch needs
nothing of these functions but to be called.

Shapes: tokens [n], all that is in the row so far, prompt first; logits [1, vocabulary size], float32.
Errors: none of its own.
Source: OpenAI API reference, "frequency_penalty"; llama.cpp ``llama_sampler_penalties_apply``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import mlx.core as mx

from .engine import Sampling

Change = Callable[[mx.array, mx.array], mx.array]

# How far back ``repeat_penalty`` looks, over prompt and answer.
REPEAT_WINDOW_TOKENS: Final = 64
# OpenAI: "-100 or 100 should result in a ban or exclusive selection".
_BAN: Final = -100


def changes_of(sampling: Sampling, prompt_tokens: int) -> list[Change]:
    """Empty where the request changes no logit."""
    changes: list[Change] = []
    if sampling.logit_bias:
        changes.append(_bias(sampling.logit_bias))
    if sampling.frequency_penalty != 0 or sampling.presence_penalty != 0:
        changes.append(_counted(sampling.frequency_penalty, sampling.presence_penalty, prompt_tokens))
    if sampling.repeat_penalty != 1:
        changes.append(_repeated(sampling.repeat_penalty))
    return changes


def _bias(biases: tuple[tuple[int, float], ...]) -> Change:
    # Of a token that is named twice the last bias holds, as in a map.
    by_token = {token: -float("inf") if value <= _BAN else float(value) for token, value in biases}
    ids, values = mx.array(list(by_token)), mx.array(list(by_token.values()))

    def change(_: mx.array, logits: mx.array) -> mx.array:
        biased: mx.array = _at(logits)[:, ids].add(values)
        return biased

    return change


def _counted(frequency: float, presence: float, prompt_tokens: int) -> Change:
    def change(tokens: mx.array, logits: mx.array) -> mx.array:
        generated = tokens[prompt_tokens:]
        if generated.size == 0:
            return logits
        counts: mx.array = _at(mx.zeros(logits.shape[-1]))[generated].add(1)
        return mx.subtract(logits, counts * frequency + (counts > 0) * presence)

    return change


def _repeated(penalty: float) -> Change:
    def change(tokens: mx.array, logits: mx.array) -> mx.array:
        window = tokens[-REPEAT_WINDOW_TOKENS:]
        if window.size == 0:
            return logits
        seen = logits[:, window]
        less = mx.where(seen > 0, seen / penalty, seen * penalty)
        # A token that is in the window twice gets the same value twice.
        return mx.put_along_axis(logits, window[None].astype(mx.int32), less, axis=-1)

    return change


def _at(array: mx.array) -> Any:
    """The library's types do not know that ``at`` can be indexed."""
    return array.at
