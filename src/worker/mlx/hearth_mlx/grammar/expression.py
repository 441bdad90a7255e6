"""What a rule of a grammar says, as a tree whose equal parts are one object.

    Text      these characters, at least one
    Chars     one character of a set of at least two
    Sequence  two parts or more, one after the other; none: the empty text
    Choice    two parts or more, one of them; none: no text at all
    Repeat    a part, ``low`` to ``high`` times; ``high`` None: without end
    Rule      what the rule of that name says

``Expressions`` makes them, and makes each once: they are compared by identity, and what is worked out for a part
is worked out once wherever it stands.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from .ranges import Ranges


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Chars:
    ranges: Ranges


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    item: Expression
    low: int
    high: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    name: str


Expression = Text | Chars | Sequence | Choice | Repeat | Rule
Rules = dict[str, Expression]

EMPTY: Final = Sequence(())
NEVER: Final = Choice(())


def rules_in(expression: Expression) -> Iterator[str]:
    """Names in it, in the order of the text, as often as they stand there."""
    open_parts: list[Expression] = [expression]
    while open_parts:
        part = open_parts.pop()
        if isinstance(part, Rule):
            yield part.name
        elif isinstance(part, Repeat):
            open_parts.append(part.item)
        elif isinstance(part, Sequence | Choice):
            open_parts.extend(reversed(part.items))


class Expressions:
    """Makes expressions in their simplest form."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Expression] = {}

    def text(self, text: str) -> Expression:
        return self._intern(("text", text), Text(text)) if text else EMPTY

    def chars(self, ranges: Ranges) -> Expression:
        if not ranges:
            return NEVER
        if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
            return self.text(chr(ranges[0][0]))
        return self._intern(("chars", ranges), Chars(ranges))

    def rule(self, name: str) -> Expression:
        return self._intern(("rule", name), Rule(name))

    def sequence(self, items: Iterable[Expression]) -> Expression:
        flat: list[Expression] = []
        for item in items:
            for part in item.items if isinstance(item, Sequence) else (item,):
                last = flat[-1] if flat else None
                if isinstance(part, Text) and isinstance(last, Text):
                    flat[-1] = self.text(last.text + part.text)
                else:
                    flat.append(part)
        if NEVER in flat:
            return NEVER
        if len(flat) < 2:
            return flat[0] if flat else EMPTY
        return self._intern(("sequence", *map(id, flat)), Sequence(tuple(flat)))

    def choice(self, items: Iterable[Expression]) -> Expression:
        flat: dict[Expression, None] = {}
        for item in items:
            for part in item.items if isinstance(item, Choice) else (item,):
                flat[part] = None
        if len(flat) < 2:
            return next(iter(flat), NEVER)
        return self._intern(("choice", *map(id, flat)), Choice(tuple(flat)))

    def repeat(self, item: Expression, low: int, high: int | None) -> Expression:
        if item is EMPTY or high == 0 or (item is NEVER and low == 0):
            return EMPTY
        if item is NEVER or (low == 1 and high == 1):
            return item
        return self._intern(("repeat", id(item), low, high), Repeat(item, low, high))

    def _intern(self, key: Hashable, made: Expression) -> Expression:
        return self._known.setdefault(key, made)
