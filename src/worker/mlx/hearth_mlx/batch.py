"""The rows that are computed together: mlx-lm's ``BatchGenerator``, kept to our rules.

    open ──close()──▶ closed        after an exception of next() nothing but close() may be called

Its own limits and stop tokens are off: the loop ends rows. One prompt is read at a time, so none is ever padded
to the length of another; a row with a single token to compute (one that has been parked) passes it by.

One ``next()`` is a decode step for all rows and then one chunk of the prompt. A token is delivered one step
after it was sampled, when its forward pass has been computed: then the row's cache holds it, and the next token
has been sampled.

Units:  tokens.
Errors: ``next`` raises what the library raises; what the batch holds is then worth nothing.
Source: mlx-lm 0.32.2, ``generate.py``; rules 5, 7 and 8 of the MLX worker's design.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import mlx.core as mx
from mlx_lm.generate import BatchGenerator, StopSequences

from .caches import LayerCaches, own
from .rates import CHUNK_MAX_TOKENS
from .rows import Row, checkpoints

# A prompt, and a parked row that goes on while it is being read.
_READING_ROWS = 2


@dataclass(frozen=True, slots=True)
class Sampled:
    row: Row
    token: int
    logprobs: mx.array


@dataclass(frozen=True, slots=True)
class StepNews:
    sampled: list[Sampled]
    # Rows whose cache now ends where a checkpoint is wanted.
    at_border: list[Row]
    prompt_tokens: int


class DecodeBatch:
    def __init__(self, network: Any, *, slots: int, has_checkpoints: bool) -> None:
        self._generator: Any = BatchGenerator(
            network,
            completion_batch_size=slots,
            prefill_batch_size=_READING_ROWS,
            prefill_step_size=CHUNK_MAX_TOKENS,
        )
        # It has wired most of the memory of a Mac, for this process alone.
        _unwire()
        self._has_checkpoints = has_checkpoints
        self._rows: dict[int, Row] = {}

    @property
    def rows(self) -> list[Row]:
        return list(self._rows.values())

    @property
    def reading(self) -> Row | None:
        """Whose prompt is being read."""
        return next((row for row in self._rows.values() if row.unread > 0), None)

    @property
    def decoding(self) -> int:
        return sum(row.unread == 0 for row in self._rows.values())

    def insert(self, row: Row) -> None:
        """Takes over its caches; at least one token is not in them."""
        ids = row.ids
        covered = row.covered
        wanted = checkpoints(row.prompt, covered) if self._has_checkpoints and row.position == 0 else []
        cuts = [covered, *wanted, len(ids)]
        (uid,) = self._generator.insert_segments(
            [[ids[start:end] for start, end in pairwise(cuts)]],
            max_tokens=[sys.maxsize],
            caches=[row.caches],
            all_tokens=[ids[:covered]],
            samplers=[row.chain.sample],
            logits_processors=[[row.chain.process]],
            stop_sequences=[StopSequences()],
        )
        row.uid, row.unread = uid, len(ids) - covered - 1
        row.caches = None
        self._rows[uid] = row

    def next(self, chunk_tokens: int) -> StepNews:
        self._generator.prefill_step_size = chunk_tokens
        read, sampled = self._generator.next()
        at_border: list[Row] = []
        prompt_tokens = 0
        for one in read:
            row = self._rows[one.uid]
            if one.end_of_prompt:
                continue
            done, total = one.progress
            unread = total - done - 1
            prompt_tokens += row.unread - unread
            row.unread = unread
            if one.end_of_segment and self._has_checkpoints:
                at_border.append(row)
        tokens = [Sampled(self._rows[one.uid], one.token, one.logprobs) for one in sampled]
        return StepNews(tokens, at_border, prompt_tokens)

    def peek(self, row: Row) -> tuple[LayerCaches, list[int]]:
        """A copy of its caches, and the tokens that they hold."""
        ((caches, tokens),) = self._generator.extract_cache([row.uid]).values()
        return own(caches), list(tokens)

    def remove(self, rows: Iterable[Row]) -> None:
        """Whoever wants their caches has peeked."""
        uids = [row.uid for row in rows if row.uid is not None]
        for uid in uids:
            self._rows.pop(uid).leave_batch(None, 0)
        if uids:
            self._generator.remove(uids)

    def close(self) -> None:
        """The rows are out of it, without caches."""
        for row in self._rows.values():
            row.leave_batch(None, 0)
        self._rows.clear()
        self._generator.close()
        # That put back the limit from before it was made; and so would the collector.
        _unwire()


def _unwire() -> None:
    mx.set_wired_limit(0)
