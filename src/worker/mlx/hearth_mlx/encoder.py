"""Text to tokens, in pieces: a piece from the middle of a text must not look like its beginning.

SentencePiece puts a space before the first word of whatever it is given. A later piece is therefore encoded behind a
character with which nothing merges, whose tokens are taken off again.

Shapes: ``Encoded.spans[i]`` is where in the piece, in characters, token i stands.
Source: ``_encode_chat_piece`` of transformers, which does it with a line end.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from tokenizers import Tokenizer

_SEPARATORS: Final = ("\n", "\x01", "a", "0")


@dataclass(frozen=True, slots=True)
class Encoded:
    ids: list[int]
    spans: list[tuple[int, int]]


class Encoder:
    def __init__(self, tokenizer: Tokenizer, text: str) -> None:
        """``text``: the ``tokenizer.json`` of it."""
        self._tokenizer = tokenizer
        content = json.loads(text)
        self._adds_space = any(
            _adds_space(step) for name in ("normalizer", "pre_tokenizer") for step in _steps(content.get(name))
        )

    def encode(self, piece: str, *, is_first: bool) -> Encoded:
        """With special tokens recognised, and none added."""
        if is_first or not self._adds_space:
            return self._encode(piece)
        for separator in _SEPARATORS:
            alone = self._encode(separator).ids
            both = self._encode(separator + piece)
            skip = len(alone)
            if both.ids[:skip] == alone and all(begin >= len(separator) for begin, _ in both.spans[skip:]):
                shift = len(separator)
                return Encoded(both.ids[skip:], [(begin - shift, end - shift) for begin, end in both.spans[skip:]])
        return self._encode(piece)

    def _encode(self, text: str) -> Encoded:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return Encoded(encoding.ids, encoding.offsets)


def _steps(part: Any) -> list[dict[str, Any]]:
    if not isinstance(part, dict):
        return []
    inner = part.get("normalizers") or part.get("pretokenizers")
    return [step for each in inner for step in _steps(each)] if isinstance(inner, list) else [part]


def _adds_space(step: dict[str, Any]) -> bool:
    match step:
        case {"type": "Prepend"} | {"type": "ByteLevel", "add_prefix_space": True}:
            return True
        case {"type": "Metaspace", "prepend_scheme": scheme}:
            return bool(scheme != "never")
        case {"type": "Metaspace"}:
            return step.get("add_prefix_space") is not False
        case _:
            return False
