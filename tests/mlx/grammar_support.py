"""A vocabulary of byte-level BPE, trained here, and what drives a constraint over it."""

from __future__ import annotations

import hashlib
from functools import cache

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from hearth_mlx.engine import Grammar
from hearth_mlx.grammar.constraints import GrammarConstraints
from hearth_mlx.model import Mask, RowConstraint

END, TURN_END, START = 0, 1, 2
_CORPUS = [
    '{"name": "Ada", "tags": ["a", "b"], "size": -12.5e3, "is": true, "not": false, "nothing": null}',
    "Le café d'été coûte 12 € à Zürich; 日本語の文字と 😀😁 smileys. naïve résumé </think> <think>",
    "aaa bbb abab abc cab babab ((a + b) * c) - 1234567890",
] * 4


class BytesVocabulary:
    """A ``Vocabulary``: all single bytes, pieces of several characters and parts of some, and ids without a token."""

    def __init__(self, vocab_size: int = 420, width: int = 500) -> None:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
        tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=["<|end|>", "<|turn_end|>", "<|start|>"],
            initial_alphabet=alphabet,
            show_progress=False,
        )
        tokenizer.train_from_iterator(_CORPUS, trainer)
        byte_of = _byte_of()
        self.size = width
        self.ends = frozenset({END, TURN_END})
        self._bytes = [b""] * width
        for text, token in tokenizer.get_vocab().items():
            if token > START:
                self._bytes[token] = bytes(byte_of[character] for character in text)
        self._tokens = {data: token for token, data in enumerate(self._bytes) if data}
        self.longest = max(map(len, self._bytes))

    def bytes_of(self, token: int) -> bytes:
        return self._bytes[token]

    def tokens_of(self, text: bytes) -> list[int] | None:
        """Longest first: all single bytes are tokens."""
        tokens: list[int] = []
        at = 0
        while at < len(text):
            length = next(
                n for n in range(min(self.longest, len(text) - at), 0, -1) if text[at : at + n] in self._tokens
            )
            tokens.append(self._tokens[text[at : at + length]])
            at += length
        return tokens

    def token(self, data: bytes) -> int:
        return self._tokens[data]


def _byte_of() -> dict[str, int]:
    """The characters that byte-level BPE writes bytes as (GPT-2's table)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + at): byte for at, byte in enumerate(others)}


@cache
def vocabulary() -> BytesVocabulary:
    return BytesVocabulary()


@cache
def constraints() -> GrammarConstraints:
    return GrammarConstraints(vocabulary())


def grammar(text: str, after: str | None = None) -> Grammar:
    return Grammar(hash=hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(), text=text, after=after)


def make(text: str, after: str | None = None) -> RowConstraint:
    return constraints().make(grammar(text, after))


def bound_mask(row: RowConstraint) -> Mask:
    mask = row.mask()
    assert mask is not None
    return mask


def allowed(row: RowConstraint) -> set[bytes]:
    """What may come next; b"" stands for an end."""
    mask = bound_mask(row)
    return {vocabulary().bytes_of(token) for token in range(vocabulary().size) if mask[token]}


def may_end(row: RowConstraint) -> bool:
    """All ends may come, or none."""
    mask = bound_mask(row)
    (is_allowed,) = {bool(mask[end]) for end in vocabulary().ends}
    return is_allowed


def take(row: RowConstraint, data: bytes) -> bool:
    """Byte by byte, as far as it is allowed."""
    for byte in data:
        token = vocabulary().token(bytes([byte]))
        if not bound_mask(row)[token]:
            return False
        assert row.settle(token) == token
    return True


def accepts(text: str, sentence: str) -> bool:
    row = make(text)
    return take(row, sentence.encode()) and may_end(row)
