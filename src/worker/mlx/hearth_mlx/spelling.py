"""What the tokens of a ``tokenizer.json`` are made of, as its decoder says it. Pure.

    ByteLevel                     each character stands for a byte (GPT-2); a token with any other character is
                                  its own text
    Replace, ByteFallback, Fuse   SentencePiece: U+2581 is a space, <0xNN> a byte
    Strip, Metaspace              the same; one space at the beginning of a text is not part of it

Shapes: one token to bytes: UTF-8, or a part of it.
Errors: ``LoadError`` for a decoder by which the bytes of a token cannot be known from the token alone.
Source: https://huggingface.co/docs/tokenizers/api/decoders; GPT-2 ``bytes_to_unicode``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .engine import LoadError

_BYTE: Final = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True, slots=True)
class Spelling:
    spell: Callable[[str], bytes]
    # Spaces that a text loses at its beginning: they were put there by the tokenizer.
    leading_spaces: int


def read_spelling(tokenizer: Mapping[str, Any]) -> Spelling:
    """``tokenizer``: the object in ``tokenizer.json``."""
    steps = _flatten(tokenizer.get("decoder"))
    kinds = [step.get("type") for step in steps]
    if kinds == ["ByteLevel"]:
        return Spelling(_byte_level, 0)
    replacements: list[tuple[str, str]] = []
    has_bytes, is_fused, leading = False, False, 0
    for step in steps:
        match step:
            case {"type": "Replace", "pattern": {"String": str(pattern)}, "content": str(content)} if not is_fused:
                replacements.append((pattern, content))
            case {"type": "ByteFallback"}:
                has_bytes = True
            case {"type": "Fuse"}:
                is_fused = True
            case {"type": "Strip", "content": " ", "start": int(start), "stop": 0} if is_fused:
                leading += start
            case {"type": "Metaspace", "replacement": str(sign)}:
                replacements.append((sign, " "))
                leading += 0 if _is_never(step) else 1
            case _:
                raise _unknown(kinds)
    if not steps:
        raise _unknown(kinds)

    def spell(text: str) -> bytes:
        if has_bytes and (byte := _BYTE.fullmatch(text)) is not None:
            return bytes([int(byte[1], 16)])
        for pattern, content in replacements:
            text = text.replace(pattern, content)
        return text.encode("utf-8", "replace")

    return Spelling(spell, leading)


def _flatten(decoder: Any) -> list[dict[str, Any]]:
    if not isinstance(decoder, dict):
        return []
    if decoder.get("type") == "Sequence":
        return [step for inner in decoder.get("decoders") or [] for step in _flatten(inner)]
    return [decoder]


def _is_never(step: Mapping[str, Any]) -> bool:
    return step.get("prepend_scheme") == "never" or step.get("add_prefix_space") is False


def _unknown(kinds: list[Any]) -> LoadError:
    named = ", ".join(str(kind) for kind in kinds) or "none"
    return LoadError(
        f"tokenizer.json has the decoder {named}; this build reads ByteLevel and those of SentencePiece; "
        "take another model, or its GGUF"
    )


def _byte_level(text: str) -> bytes:
    try:
        return bytes([_BYTE_OF_CHAR[char] for char in text])
    except KeyError:
        return text.encode("utf-8", "replace")


def _byte_table() -> dict[str, int]:
    """GPT-2 writes every byte as a printable character: these are the bytes behind them."""
    table: dict[str, int] = {}
    following = 256
    for byte in range(256):
        if 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or byte >= 0xAE:
            table[chr(byte)] = byte
        else:
            table[chr(following)] = byte
            following += 1
    return table


_BYTE_OF_CHAR: Final = _byte_table()
