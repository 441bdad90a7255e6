"""What a grammar asks of the tokens of one row.

    free ──the text that it waits for has ended──▶ bound        without such a text: bound at once

Free, any token may be chosen. Where the text ends inside of a token, what is behind it is the grammar's: when that is
the beginning of a sentence, the token stands; when it is not, the token is replaced by those that spell the bytes up to
the end of the text. The model has said what it wanted to say there. To forbid such tokens instead would lead it away
from the text.

Bound, a token is allowed if its bytes go on with a sentence. They may end inside of a character; the ends of an answer
are allowed where the sentence may end.

Errors: ``CallError``: a token that was not allowed, a limit of the matcher, a text that tokens cannot spell. The row is
        over then.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from llguidance import LLMatcher

from ..engine import CallError, Grammar
from ..model import Mask, Vocabulary
from .marker import Marker

_TOO_COMPLEX: Final = frozenset({"ParserTooComplex", "LexerTooComplex"})


class Constraint:
    """A ``RowConstraint``."""

    def __init__(self, grammar: Grammar, matcher: LLMatcher, vocabulary: Vocabulary) -> None:
        """``matcher`` is this row's own."""
        self._grammar = grammar
        self._matcher = matcher
        self._vocabulary = vocabulary
        self._marker = None if grammar.after is None else Marker(grammar.after)
        # Stand in the answer next, whatever is chosen.
        self._replaced: deque[int] = deque()
        self._words = np.zeros((vocabulary.size + 31) // 32, np.int32)

    def mask(self) -> Mask | None:
        if self._marker is not None:
            return None
        self._matcher.unsafe_compute_mask_ptr(self._words.ctypes.data, self._words.nbytes)
        if self._matcher.is_error():
            raise self._failure("The grammar cannot be kept to here")
        bits = np.unpackbits(self._words.view(np.uint8), count=self._vocabulary.size, bitorder="little")
        return bits.view(np.bool_)

    def settle(self, chosen: int) -> int:
        token = self._replaced.popleft() if self._replaced else chosen
        if token in self._vocabulary.ends:
            return token
        if self._marker is not None:
            return self._free(token, self._marker)
        if not self._matcher.consume_token(token):
            raise self._failure(f"The grammar does not allow token {token} here")
        return token

    def _free(self, token: int, marker: Marker) -> int:
        data = self._vocabulary.bytes_of(token)
        end = marker.end_in(data)
        if end is None:
            marker.push(data)
            return token
        if end == len(data) or self._begins_with(data[end:]):
            self._marker = None
            return token
        replaced = self._vocabulary.tokens_of(data[:end])
        if not replaced:
            raise CallError(
                "unsupported_parameter",
                f"The vocabulary of this model cannot write {self._grammar.after!r} without what follows it. "
                "Leave response_format out, or choose another model.",
                param="response_format",
            )
        self._replaced = deque(replaced)
        return self.settle(token)

    def _begins_with(self, data: bytes) -> bool:
        """Whether a sentence may begin so; if it may, it has."""
        tokens = self._vocabulary.tokens_of(data)
        if tokens is None or self._matcher.validate_tokens(tokens) < len(tokens):
            return False
        return self._matcher.consume_tokens(tokens)

    def _failure(self, what: str) -> CallError:
        reason = self._matcher.stop_reason()
        if reason in _TOO_COMPLEX:
            return CallError(
                "unsupported_parameter",
                f"{what}: it is too ambiguous to go on with ({reason}). Let every text be read in one way.",
                param="response_format",
            )
        return CallError("internal", f"{what} ({reason}).")
