"""Grammars for the rows of one model; those used last are remembered by the hash of their text.

Errors: ``CallError`` unsupported_parameter for a grammar that cannot be kept to. The orchestrator has linted it: what
        is refused here is too large or too ambiguous for llguidance.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final

from llguidance import LLMatcher

from ..engine import CallError, Grammar
from ..model import RowConstraint, Vocabulary
from .constraint import Constraint
from .error import GrammarError
from .matchers import Matchers

# Requests come with few different grammars at a time.
_MAX_KNOWN: Final = 10


class GrammarConstraints:
    """The ``Constraints`` of a model."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._matchers = Matchers(vocabulary)
        # The least recently used in front. Two threads come here: one prepares, one makes.
        self._known: OrderedDict[str, LLMatcher] = OrderedDict()
        self._lock = Lock()
        self._compiling = Lock()

    def knows(self, grammar: Grammar) -> bool:
        with self._lock:
            return grammar.hash in self._known

    def prepare(self, grammar: Grammar) -> None:
        self._find(grammar)

    def make(self, grammar: Grammar) -> RowConstraint:
        return Constraint(grammar, self._find(grammar).deep_copy(), self._vocabulary)

    def _find(self, grammar: Grammar) -> LLMatcher:
        known = self._recall(grammar)
        if known is not None:
            return known
        with self._compiling:
            # The other thread may have had the same one.
            known = self._recall(grammar)
            if known is not None:
                return known
            compiled = self._compile(grammar.text)
            with self._lock:
                self._known[grammar.hash] = compiled
                if len(self._known) > _MAX_KNOWN:
                    self._known.popitem(last=False)
        return compiled

    def _recall(self, grammar: Grammar) -> LLMatcher | None:
        with self._lock:
            known = self._known.get(grammar.hash)
            if known is not None:
                self._known.move_to_end(grammar.hash)
            return known

    def _compile(self, text: str) -> LLMatcher:
        try:
            return self._matchers.compile(text)
        except GrammarError as error:
            raise CallError("unsupported_parameter", str(error), param="response_format") from error
