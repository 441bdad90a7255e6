"""One call inside the worker: what it asked for, how far it is, what its reader has been given.

    waiting ──slot──▶ reading ──last prompt token──▶ decoding ◀──credit──▶ parked
       │                 └── next() has raised ──◀──────┘                    │
       └────────────────── end of answer, cancel, fault: ended ──────────────┘

The loop is the only one that moves it. The twin of ``src/worker/backends/llama-cpp/sequence.ts``.

The tokens of a row are its prompt and its answer. ``caches`` hold the first ``covered`` of them while the row is
out of the decode batch (waiting for its turn to be read, or parked); inside it the batch holds the cache.

Units:  tokens.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .caches import LayerCaches
from .chain import RowChain
from .engine import CallEnd, EndReason, GenerateJob
from .model import ReadPrompt, Vocabulary
from .text import TextAssembler


@dataclass(frozen=True, slots=True)
class Accepted:
    """What one token added for the reader. ``reason`` when it was the last."""

    text: str
    is_token: bool
    reason: EndReason | None = None
    stop: str | None = None


class Row:
    def __init__(
        self,
        job: GenerateJob,
        prompt: ReadPrompt,
        *,
        vocabulary: Vocabulary,
        context_tokens: int,
        make_chain: Callable[[int], RowChain],
    ) -> None:
        """``make_chain`` of a position: a chain for the tokens from there on."""
        self.job = job
        self.prompt = prompt
        self.out: list[int] = []
        self.make_chain = make_chain
        self.chain = make_chain(0)
        self.credit_tokens = job.credit_tokens
        self.cached_tokens = 0
        self.is_cancelled = False
        self.caches: LayerCaches | None = None
        self.covered = 0
        # Sampled ahead, when it was parked; not yet delivered.
        self.pending: int | None = None
        # In the decode batch: its name there, and how many tokens are to be read before the last one.
        self.uid: int | None = None
        self.unread = 0
        self._vocabulary = vocabulary
        self._assembler = TextAssembler(job.stops)
        limit = sys.maxsize if job.max_tokens is None else job.max_tokens
        self._limit_tokens = min(limit, context_tokens - len(prompt.ids))

    @property
    def ids(self) -> list[int]:
        return [*self.prompt.ids, *self.out]

    @property
    def position(self) -> int:
        """Of the next token in the answer."""
        return len(self.out)

    @property
    def held_tokens(self) -> int:
        """In its cache."""
        if self.uid is None:
            return self.covered
        return len(self.prompt.ids) + len(self.out) - self.unread

    def accept(self, token: int) -> Accepted:
        """Takes a sampled token."""
        if not self.job.sampling.ignore_eos and token in self._vocabulary.ends:
            return Accepted(self._assembler.flush(), is_token=False, reason="stop")
        self.out.append(token)
        self.credit_tokens -= 1
        settled = self._assembler.push(self._vocabulary.bytes_of(token))
        if settled.stop is not None:
            return Accepted(settled.text, is_token=True, reason="stop", stop=settled.stop)
        if len(self.out) < self._limit_tokens:
            return Accepted(settled.text, is_token=True)
        return Accepted(settled.text + self._assembler.flush(), is_token=True, reason="length")

    def leave_batch(self, caches: LayerCaches | None, covered: int) -> None:
        self.uid, self.unread = None, 0
        self.caches, self.covered = caches, covered

    def start_over(self) -> None:
        """Forgets all but what the reader has been given; what follows is what would have followed.
        Raises ``CallError``."""
        chosen = self.chain.chosen[: len(self.out)]
        self.chain = self.make_chain(len(self.out))
        self.chain.replay(chosen, self.out[: len(chosen)])
        self.leave_batch(None, 0)

    def end(self, reason: EndReason, stop: str | None = None) -> CallEnd:
        return CallEnd(
            call=self.job.call,
            reason=reason,
            stop=stop,
            prompt_tokens=len(self.prompt.ids),
            cached_tokens=self.cached_tokens,
            generated_tokens=len(self.out),
        )


def checkpoints(prompt: ReadPrompt, covered: int) -> Sequence[int]:
    """Where a cache that cannot forget is worth a copy: after the system prompt, which other conversations
    share; after the last two messages, where the next turn goes on or this one is asked again; of a prompt
    without messages, at its end. Each copy holds all tokens before it, so not at every border."""
    length = len(prompt.ids)
    borders = [border for border in prompt.borders if 0 < border < length] or [length - 1]
    return [border for border in sorted({borders[0], *borders[-2:]}) if border > covered]
