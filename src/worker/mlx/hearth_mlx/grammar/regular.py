"""What can be said of an expression without recursion: whether it has the empty text, how its texts begin, and the
same expression without the empty text. Pure; each answer is kept.

``forms`` are Antimirov's partial derivatives: an expression's texts, but the empty one, are those that begin with a
character of one of the sets and go on with what stands beside it. Counts above ``_EXACT`` are taken for "any number"
there, which keeps the derivatives few: what is derived has all texts of the expression and more.

Errors: none. Callers ask for rules in an order in which each comes after those that it uses, or calls would nest as
        deeply as rules do.
Source: V. Antimirov, "Partial derivatives of regular expressions and finite automaton constructions", 1996.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Final

from .expression import EMPTY, Chars, Choice, Expression, Expressions, Repeat, Rule, Rules, Sequence, Text
from .ranges import Ranges, lead_bytes

Forms = tuple[tuple[Ranges, Expression], ...]

_EXACT: Final = 4


class Regular:
    def __init__(self, rules: Rules, make: Expressions) -> None:
        self._rules = rules
        self._make = make
        self._has_nothing: dict[Expression, bool] = {}
        self._without_nothing: dict[Expression, Expression] = {}
        self._forms: dict[Expression, Forms] = {}

    def has_nothing(self, expression: Expression) -> bool:
        """Whether the empty text is one of its texts."""
        known = self._has_nothing.get(expression)
        if known is None:
            known = self._has_nothing[expression] = self._find_nothing(expression)
        return known

    def without_nothing(self, expression: Expression) -> Expression:
        """Its texts but the empty one."""
        if not self.has_nothing(expression):
            return expression
        known = self._without_nothing.get(expression)
        if known is None:
            known = self._without_nothing[expression] = self._drop_nothing(expression)
        return known

    def forms(self, expression: Expression) -> Forms:
        known = self._forms.get(expression)
        if known is None:
            known = self._forms[expression] = tuple(dict.fromkeys(self._find_forms(expression)))
        return known

    def first(self, expression: Expression) -> int:
        """The bytes that its texts begin with; see ``lead_bytes``."""
        return reduce(int.__or__, (lead_bytes(ranges) for ranges, _ in self.forms(expression)), 0)

    def _find_nothing(self, expression: Expression) -> bool:
        match expression:
            case Text() | Chars():
                return False
            case Sequence(items):
                return all(self.has_nothing(item) for item in items)
            case Choice(items):
                return any(self.has_nothing(item) for item in items)
            case Repeat(item, low, _):
                return low == 0 or self.has_nothing(item)
            case Rule(name):
                return self.has_nothing(self._rules[name])

    def _drop_nothing(self, expression: Expression) -> Expression:
        make = self._make
        match expression:
            case Sequence(items) if items:
                # The first that is not empty is any of them.
                parts = [make.sequence([self.without_nothing(item), *items[at + 1 :]]) for at, item in enumerate(items)]
                return make.choice(parts)
            case Choice(items):
                return make.choice(self.without_nothing(item) for item in items)
            case Repeat(item, _, high):
                return make.repeat(self.without_nothing(item), 1, high)
            case Rule(name):
                return self.without_nothing(self._rules[name])
            case _:
                return make.choice(())

    def _find_forms(self, expression: Expression) -> Iterable[tuple[Ranges, Expression]]:
        make = self._make
        match expression:
            case Text(text):
                code_point = ord(text[0])
                yield ((code_point, code_point),), make.text(text[1:])
            case Chars(ranges):
                yield ranges, EMPTY
            case Sequence(items):
                for at, item in enumerate(items):
                    for ranges, after in self.forms(item):
                        yield ranges, make.sequence([after, *items[at + 1 :]])
                    if not self.has_nothing(item):
                        break
            case Choice(items):
                for item in items:
                    yield from self.forms(item)
            case Repeat(item, low, high):
                rest = make.repeat(item, 0, None)
                if high is not None and high <= _EXACT:
                    rest = make.repeat(item, max(low - 1, 0), high - 1)
                for ranges, after in self.forms(item):
                    yield ranges, make.sequence([after, rest])
            case Rule(name):
                yield from self.forms(self._rules[name])
