"""Matchers of llguidance over the tokens of one model.

What the grammar sees of a token is what the reader sees of it: its bytes come from the vocabulary, not from a second
reading of the tokenizer. So special tokens, whose bytes are none, are in no mask.

Limits: above llguidance's own, but for the states of the lexer, which take memory; of 438 published JSON Schemas none
        runs into them. An answer that goes beyond those that count by token fails there. ``verbose_errors`` would
        have the answer in them.
Errors: ``GrammarError`` for what llguidance does not take.
"""

from __future__ import annotations

import threading
from typing import Final

from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

from ..model import Vocabulary
from .error import GrammarError
from .translate import translate

# llguidance reads definitions by recursion: measured with 1.9.1, 2 to 3 kB for each that is inside of another.
_STACK_BYTES_PER_DEFINITION: Final = 8 * 1024
_STACK_BYTES: Final = 8 * 1024 * 1024
_MAX_DEFINITIONS: Final = 50_000
# Byte 0xFF is in no text, and tokens that begin with it are special to llguidance.
_SPECIAL: Final = b"\xff"

_LIMITS: Final = LLParserLimits(
    max_items_in_row=20_000,
    initial_lexer_fuel=20_000_000,
    step_lexer_fuel=2_000_000,
    step_max_items=500_000,
    max_lexer_states=100_000,
    max_grammar_size=2_000_000,
    verbose_errors=False,
)


class Matchers:
    def __init__(self, vocabulary: Vocabulary) -> None:
        tokens = TokenizerWrapper(_Tokens(vocabulary))
        self._tokenizer = LLTokenizer(tokens, n_vocab=vocabulary.size, eos_token=sorted(vocabulary.ends))

    def compile(self, gbnf: str) -> LLMatcher:
        """One that stands before the first token; rows get copies."""
        lark = translate(gbnf)
        if lark.definitions > _MAX_DEFINITIONS:
            raise GrammarError(f"The grammar has more than {_MAX_DEFINITIONS} parts: make it smaller")
        matcher = self._build(lark.text, _STACK_BYTES + lark.definitions * _STACK_BYTES_PER_DEFINITION)
        if not matcher.is_error():
            # The first mask finds what is wrong only when it runs, and the copies need not find it again.
            matcher.compute_bitmask()
        if matcher.is_error():
            raise GrammarError(f"The grammar is too large or too ambiguous to enforce: {_first_line(matcher)}")
        return matcher

    def _build(self, lark: str, stack_bytes: int) -> LLMatcher:
        built: list[LLMatcher] = []
        usual = threading.stack_size(stack_bytes)
        try:
            thread = threading.Thread(target=lambda: built.append(LLMatcher(self._tokenizer, lark, limits=_LIMITS)))
            thread.start()
        finally:
            threading.stack_size(usual)
        thread.join()
        return built[0]


class _Tokens:
    """As ``TokenizerWrapper`` asks for them. llguidance never has to make tokens of a text for us."""

    bos_token_id = None

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.eos_token_id = min(vocabulary.ends)
        spelled = map(vocabulary.bytes_of, range(vocabulary.size))
        self.tokens = [b"" if _SPECIAL in token else token for token in spelled]

    def __call__(self, text: str | bytes) -> list[int]:
        return []


def _first_line(matcher: LLMatcher) -> str:
    return matcher.get_error().strip().partition("\n")[0][:200]
