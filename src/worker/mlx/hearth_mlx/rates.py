"""How fast this replica reads prompts and decodes, measured from its own steps, and how much of a prompt one
step should read. Twin of ``src/worker/backends/llama-cpp/rates.ts`` and of ``chunkTokens`` in ``plan.ts``.

But here a decode step of its own comes with each chunk: where that is slow, so must the chunk be, or the newcomer
waits longer for the others' tokens than for its own prompt. Measured on a CPU, 135 M in float32, 2,000 tokens beside
one row: with chunks of 150 ms they take 1.8 times as long as alone, with chunks of six decode steps 1.3 times.

Units:  milliseconds and tokens. Moving averages: a step weighs 0.3, so that a machine that slows down (heat,
        another worker) is followed within a few steps.
Source: Sarathi-Serve (OSDI'24) for prompts read in chunks beside running streams.
"""

from __future__ import annotations

from typing import Final

from .engine import Priority

_WEIGHT: Final = 0.3
# How long a chunk holds up the streams that run beside it, where decode steps are fast; where they are slow, so many
# of them, and never longer than that.
_CHUNK_MS: Final = 150
_CHUNK_STEPS: Final = 6
_CHUNK_SLOW_MS: Final = 600
# A prompt of the low class holds the others up for a third of that.
_LOW_SHARE: Final = 1 / 3
# How long it may take where nobody decodes: a cancel waits for it.
_ALONE_MS: Final = 1500
_CHUNK_MIN_TOKENS: Final = 16
CHUNK_MAX_TOKENS: Final = 512
# Before the first measurement: small enough for a 7 B model on a slow machine.
_CHUNK_UNKNOWN_TOKENS: Final = 64


class StepRates:
    def __init__(self) -> None:
        self._prefill_tokens_per_ms: float | None = None
        # Number of rows → ms of a step that read no prompt.
        self._decode_ms: dict[int, float] = {}

    def chunk_tokens(self, *, decoding: int, priority: Priority = "normal") -> int:
        """How many tokens of a prompt of this class the next step should read, beside so many decoding rows."""
        if self._prefill_tokens_per_ms is None:
            return _CHUNK_UNKNOWN_TOKENS
        within = round(self._prefill_tokens_per_ms * self._chunk_ms(decoding, priority))
        return min(max(_CHUNK_MIN_TOKENS, within), CHUNK_MAX_TOKENS)

    def record(self, *, prompt_tokens: int, decoding: int, ms: float) -> None:
        """A step that read ``prompt_tokens`` and decoded for ``decoding`` rows took ``ms``."""
        if prompt_tokens == 0:
            self._decode_ms[decoding] = _average(self._decode_ms.get(decoding), ms)
            return
        # A handful of prompt tokens costs what a decode step costs: it says nothing of the rate.
        if prompt_tokens < _CHUNK_MIN_TOKENS:
            return
        reading_ms = max(ms - self._decode_ms_of(decoding), ms / 4, 0.01)
        self._prefill_tokens_per_ms = _average(self._prefill_tokens_per_ms, prompt_tokens / reading_ms)

    def _chunk_ms(self, decoding: int, priority: Priority) -> float:
        if decoding == 0:
            return _ALONE_MS
        beside_ms = min(max(_CHUNK_MS, _CHUNK_STEPS * self._decode_ms_of(decoding)), _CHUNK_SLOW_MS)
        return beside_ms * (_LOW_SHARE if priority == "low" else 1)

    def _decode_ms_of(self, rows: int) -> float:
        """The nearest figure below will do: it is taken off a step that takes far longer."""
        below = [known for known in self._decode_ms if known <= rows]
        return self._decode_ms[max(below)] if below else 0


def _average(before: float | None, value: float) -> float:
    return value if before is None else before + _WEIGHT * (value - before)
