"""What stands between the logits of one row and its next token: processors, grammar, sampler.

    sound ──something went wrong at position n──▶ faulty        from then on any token will do

mlx-lm calls this from inside a step that all rows share, and an exception there would take the neighbours with
it (some vanish, others go on silently wrong). So nothing here raises: what went wrong is remembered together
with the position of the token that it spoils, and the loop fails the row when that token would be delivered.
Tokens before it are good: the library samples one token ahead.

Of a row with a grammar the token is settled here and not later, because the next forward pass reads what is
returned: this waits for the sample, in such rows alone.

Units:  positions count generated tokens from 0.
Errors: ``fault_at``: what ``RowConstraint.settle`` raised; ``internal`` for everything else.
Source: rules 4 and 5 of the MLX worker's design; mlx-lm 0.32.2, ``GenerationBatch._step``.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import numpy as np

from .engine import CallError, Sampling
from .model import RowConstraint, Vocabulary
from .penalties import changes_of
from .sampler import sample


class RowChain:
    def __init__(
        self,
        sampling: Sampling,
        *,
        prompt_tokens: int,
        vocabulary: Vocabulary,
        constraint: RowConstraint | None,
        position: int = 0,
    ) -> None:
        self._sampling = sampling
        self._vocabulary = vocabulary
        self._constraint = constraint
        self._changes = changes_of(sampling, prompt_tokens)
        self._fault: tuple[int, CallError] | None = None
        self._is_over = False
        self._last: tuple[mx.array, mx.array] | None = None
        # As sampled, before the constraint had its say: what a new constraint is brought up to date with.
        self.chosen: list[int] = []
        # Of the token that is sampled next.
        self.position = position

    def process(self, tokens: mx.array, logits: mx.array) -> mx.array:
        """For mlx-lm: tokens [n] so far, logits [1, size] → logits [1, size], float32."""
        try:
            # In every row, so that nobody's rounding depends on a neighbour.
            logits = logits.astype(mx.float32)
            if self._fault is not None:
                return logits
            changed = logits
            for change in self._changes:
                changed = change(tokens, changed)
            return self._masked(changed)
        except Exception as error:
            self._record(error, self.position)
            return logits

    def sample(self, logprobs: mx.array) -> mx.array:
        """For mlx-lm: logprobs [1, size] → tokens [1], maybe not yet computed."""
        try:
            tokens = sample(self._sampling, logprobs, self.position)
            if self._constraint is not None:
                tokens = self._settled(tokens, logprobs, self._constraint)
        except Exception as error:
            self._record(error, self.position)
            tokens = mx.zeros(1, dtype=mx.uint32)
        self._last = (tokens, logprobs)
        self.position += 1
        return tokens

    def fault_at(self, position: int) -> CallError | None:
        """Why the token at this position is not to be delivered."""
        if self._fault is None or self._fault[0] > position:
            return None
        return self._fault[1]

    def check(self, position: int, token: int, logprobs: mx.array) -> None:
        """Of a sampled token that has been computed: numbers that are none show in its own log-probability."""
        # A settled token may be one that the sampler would never have taken: the chosen one was checked then.
        if self._constraint is not None or self.fault_at(position) is not None:
            return
        if not np.isfinite(np.asarray(logprobs).reshape(-1)[token]):
            self._record(_not_finite(position), position)

    def take_last(self) -> int | None:
        """The token that was sampled ahead, checked; waits for it. None before the first sample."""
        if self._last is None:
            return None
        tokens, logprobs = self._last
        mx.eval(tokens, logprobs)
        token = int(np.asarray(tokens)[0])
        self.check(self.position - 1, token, logprobs)
        return token

    def replay(self, chosen: Sequence[int], out: Sequence[int]) -> None:
        """Brings a new constraint to where the old one was after ``out``. Raises ``CallError``."""
        for token, settled in zip(chosen, out, strict=True):
            if self._constraint is not None and self._constraint.settle(token) != settled:
                raise CallError("internal", f"The grammar does not repeat what it made of token {token}.")
        self.chosen = list(chosen)

    def _masked(self, logits: mx.array) -> mx.array:
        if self._constraint is None or self._is_over:
            return logits
        mask = self._constraint.mask()
        return logits if mask is None else mx.where(mx.array(mask)[None], logits, -mx.inf)

    def _settled(self, tokens: mx.array, logprobs: mx.array, constraint: RowConstraint) -> mx.array:
        if self._fault is not None or self._is_over:
            return tokens
        chosen = int(np.asarray(tokens)[0])
        if not np.isfinite(np.asarray(logprobs)[0, chosen]):
            raise _not_finite(self.position)
        token = constraint.settle(chosen)
        if not 0 <= token < self._vocabulary.size:
            raise CallError("internal", f"The grammar chose token {token}, which the model does not have.")
        self.chosen.append(chosen)
        # One more is sampled before the loop can end the row; the grammar has nothing to say about it.
        self._is_over = token in self._vocabulary.ends
        return tokens if token == chosen else mx.array([token], dtype=tokens.dtype)

    def _record(self, error: Exception, position: int) -> None:
        if self._fault is not None and self._fault[0] <= position:
            return
        if not isinstance(error, CallError):
            error = CallError("internal", f"The next token could not be chosen: {error}")
        self._fault = (position, error)


def _not_finite(position: int) -> CallError:
    return CallError("internal", f"The model's numbers for token {position} of the answer are not finite.")
