"""The tokens of a model: implements ``model.Vocabulary`` on a ``tokenizer.json``.

    special added tokens, the unknown one, ends that were added      no text: a reader never sees them
    other added tokens                                               their own text
    all others                                                       as ``spelling.py`` says

Shapes: ids in [0, size); those that the tokenizer does not have (the logits are often wider) have no text.
Errors: none; ``tokens_of`` returns None where there are none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from tokenizers import Tokenizer

from .spelling import read_spelling

_MARK: Final = re.compile(r"[<\[].+[>\]]")


@dataclass(frozen=True, slots=True)
class Specials:
    """Texts that a tokenizer turns into one token."""

    # Borders of turns, ends of text: never from a user.
    control: tuple[str, ...]
    # Marks for thoughts, calls and the like: fine in what the model itself has said.
    marks: tuple[str, ...]


class TokenizerVocabulary:
    def __init__(self, tokenizer: Tokenizer, text: str, *, size: int, ends: Iterable[int]) -> None:
        """``text``: the ``tokenizer.json`` of it; ``size``: width of the logits."""
        content = json.loads(text)
        self._size = size
        self._ends = frozenset(end for end in ends if 0 <= end < size)
        self._spelling = read_spelling(content)
        self._tokens: list[str | None] = [tokenizer.id_to_token(token) for token in range(size)]
        added = {entry["id"]: entry for entry in content.get("added_tokens") or []}
        unknown = _unknown_of(content.get("model") or {}, tokenizer)
        self._silent = frozenset(
            token
            for token, entry in added.items()
            if entry.get("special") is True or token in self._ends or token == unknown
        ) | ({unknown} if unknown is not None else set())
        self._plain: dict[int, str] = {
            token: entry["content"] for token, entry in added.items() if token not in self._silent
        }
        self.specials: Final = _specials_of(added, self._silent)
        self._bytes: list[bytes | None] = [None] * size
        self._by_bytes: dict[bytes, int] | None = None
        self._longest = 0

    @property
    def size(self) -> int:
        return self._size

    @property
    def ends(self) -> frozenset[int]:
        return self._ends

    @property
    def longest_token_bytes(self) -> int:
        """Most bytes that one token stands for: a longer text has at least so many tokens."""
        if self._longest == 0:
            spelled = max((len(self.bytes_of(token)) for token in range(self._size)), default=1)
            # A special token is long too, where it is allowed.
            named = max((len(text.encode()) for text in self.specials.control), default=1)
            self._longest = max(spelled, named, 1)
        return self._longest

    def has(self, token: int) -> bool:
        return 0 <= token < self._size and self._tokens[token] is not None

    @property
    def last(self) -> int:
        """The highest id that there is."""
        return max((token for token, text in enumerate(self._tokens) if text is not None), default=0)

    def bytes_of(self, token: int) -> bytes:
        known = self._bytes[token]
        if known is not None:
            return known
        spelled = self._bytes[token] = self._spell(token)
        return spelled

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of a whole sequence; bytes that are no UTF-8 become U+FFFD."""
        data = b"".join(self.bytes_of(token) for token in tokens)
        for _ in range(self._spelling.leading_spaces):
            data = data.removeprefix(b" ")
        return data.decode("utf-8", "replace")

    def tokens_of(self, text: bytes) -> list[int] | None:
        """The fewest tokens; of several with the same bytes the one with the lowest id."""
        table = self._table()
        # best[i]: how many tokens the first i bytes take, and the last of them.
        best: list[tuple[int, int] | None] = [(0, -1)] + [None] * len(text)
        for end in range(1, len(text) + 1):
            for begin in range(max(0, end - self.longest_token_bytes), end):
                before = best[begin]
                if before is None or (token := table.get(text[begin:end])) is None:
                    continue
                now = best[end]
                if now is None or before[0] + 1 < now[0]:
                    best[end] = (before[0] + 1, token)
        tokens: list[int] = []
        at = len(text)
        while at > 0:
            step = best[at]
            if step is None:
                return None
            tokens.append(step[1])
            at -= len(self.bytes_of(step[1]))
        return tokens[::-1]

    def _table(self) -> dict[bytes, int]:
        if self._by_bytes is None:
            table: dict[bytes, int] = {}
            for token in range(self._size):
                # An end that has a text would end the answer instead of standing in it.
                if token not in self._ends and (spelled := self.bytes_of(token)):
                    table.setdefault(spelled, token)
            self._by_bytes = table
        return self._by_bytes

    def _spell(self, token: int) -> bytes:
        text = self._tokens[token]
        if text is None or token in self._silent:
            return b""
        plain = self._plain.get(token)
        # Runs of spaces and line ends are added tokens of some vocabularies, written with the sign for a space.
        if plain is not None and "\u2581" not in plain:
            return plain.encode("utf-8", "replace")
        return self._spelling.spell(text)


def _unknown_of(model: dict[str, Any], tokenizer: Tokenizer) -> int | None:
    if isinstance(text := model.get("unk_token"), str):
        found: int | None = tokenizer.token_to_id(text)
        return found
    unknown = model.get("unk_id")
    return unknown if type(unknown) is int else None


def _specials_of(added: dict[int, dict[str, Any]], silent: frozenset[int]) -> Specials:
    control = [entry["content"] for token, entry in added.items() if token in silent]
    marks = [entry["content"] for token, entry in added.items() if token not in silent]
    return Specials(
        control=tuple(text for text in control if len(text) > 1),
        # Some vocabularies hold runs of spaces or code words: they carry no meaning.
        marks=tuple(text for text in marks if _MARK.fullmatch(text)),
    )
