"""Values out of JSON, or ``Refused``: what zod does for ``src/ipc/protocol.ts``, with the same answers.

A reader takes a value as ``json`` has read it and returns what it stands for. As there: keys that nobody asked for
are ignored; an optional field may be absent but not null; a whole number may be written as ``1.0``; the infinities
that ``1e999`` becomes are refused; true is not a number.

Errors: ``Refused`` has the path to the value and the rule, never the value: values are prompts and answers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

T = TypeVar("T")
Reader = Callable[[Any], T]

MAX_INTEGER: Final = 2**53 - 1
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Refused(Exception):
    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule: Final = rule
        self.path: list[str] = []

    def __str__(self) -> str:
        return f"{'.'.join(self.path) or 'message'}: {self.rule}"


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Refused("a boolean is expected")
    return value


def text(value: Any) -> str:
    """Halves of surrogate pairs become U+FFFD: they have no UTF-8, and a tokenizer would raise."""
    if not isinstance(value, str):
        raise Refused("a string is expected")
    return value if value.isascii() else _LONE_SURROGATE.sub("\ufffd", value)


def text_of(low: int, high: int) -> Reader[str]:
    """Lengths are code points."""

    def read(value: Any) -> str:
        found = text(value)
        if not low <= len(found) <= high:
            raise Refused(f"{low} to {high} characters are expected")
        return found

    return read


def one_of(*words: str) -> Reader[Any]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise Refused(f"one of {', '.join(words)} is expected")
        return value

    return read


def integer(low: int, high: int = MAX_INTEGER) -> Reader[int]:
    def read(value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Refused(f"a whole number from {low} to {high} is expected")
        return value

    return read


def number(low: float = -math.inf, high: float = math.inf, *, above: float = -math.inf) -> Reader[float]:
    """Finite, in [low, high] and more than ``above``."""

    def read(value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Refused("a number is expected")
        try:
            found = float(value)
        except OverflowError:
            found = math.inf
        if not math.isfinite(found) or not low <= found <= high or found <= above:
            raise Refused(f"a number from {max(low, above)} to {high} is expected")
        return found

    return read


def list_of(reader: Reader[T]) -> Reader[tuple[T, ...]]:
    def read(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise Refused("an array is expected")
        found = []
        for index, item in enumerate(value):
            found.append(_at(str(index), reader, item))
        return tuple(found)

    return read


def texts_by_name(value: Any) -> dict[str, str]:
    return {name: _at(name, text, item) for name, item in mapping(value).items()}


def mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Refused("an object is expected")
    return value


def required(fields: Mapping[str, Any], name: str, reader: Reader[T]) -> T:
    if name not in fields:
        refused = Refused("it is missing")
        refused.path.append(name)
        raise refused
    return _at(name, reader, fields[name])


def optional(fields: Mapping[str, Any], name: str, reader: Reader[T]) -> T | None:
    return _at(name, reader, fields[name]) if name in fields else None


def _at(name: str, reader: Reader[T], value: Any) -> T:
    try:
        return reader(value)
    except Refused as refused:
        refused.path.insert(0, name)
        raise
