"""With which bytes the text begins that may follow a lexeme: at least those that ever do. Pure.

Shapes: a mask has bit b for byte b. The end of the text is not a byte: a lexer's last lexeme ends there anyway.
Source: the FOLLOW sets of LL parsing; by iteration until nothing is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as List

from .expression import Choice, Expression, Repeat, Rule, Rules, Sequence


def follow_bytes(rules: Rules, order: List[str], first: Mapping[str, int]) -> dict[str, int]:
    """``rules`` are made of names alone, of rules and of lexemes; ``first`` has the latter's first bytes. ``order``:
    rules after those that they use, as far as there is such an order."""
    return _Follow(rules, order, first).find()


class _Follow:
    def __init__(self, rules: Rules, order: List[str], first: Mapping[str, int]) -> None:
        self._rules = rules
        self._order = order
        # First bytes, and whether it has the empty text.
        self._first: dict[str, tuple[int, bool]] = {name: (0, False) for name in order}
        self._first.update((name, (mask, False)) for name, mask in first.items())
        self._follow = dict.fromkeys(self._first, 0)
        self._is_changed = False

    def find(self) -> dict[str, int]:
        self._is_changed = True
        while self._is_changed:
            self._is_changed = False
            for name in self._order:
                found = self._first_of(self._rules[name])
                self._is_changed |= found != self._first[name]
                self._first[name] = found
        self._is_changed = True
        while self._is_changed:
            self._is_changed = False
            for name in reversed(self._order):
                self._pass_on(self._rules[name], self._follow[name])
        return self._follow

    def _first_of(self, expression: Expression) -> tuple[int, bool]:
        mask = 0
        match expression:
            case Rule(name):
                return self._first[name]
            case Repeat(item, low, _):
                mask, has_nothing = self._first_of(item)
                return mask, has_nothing or low == 0
            case Sequence(items):
                for item in items:
                    more, has_nothing = self._first_of(item)
                    mask |= more
                    if not has_nothing:
                        return mask, False
                return mask, True
            case Choice(items):
                has_nothing = False
                for item in items:
                    more, is_empty = self._first_of(item)
                    mask |= more
                    has_nothing |= is_empty
                return mask, has_nothing
        raise TypeError(expression)

    def _pass_on(self, expression: Expression, follow: int) -> None:
        match expression:
            case Rule(name):
                known = self._follow[name]
                if known | follow != known:
                    self._follow[name] = known | follow
                    self._is_changed = True
            case Repeat(item, _, _):
                self._pass_on(item, follow | self._first_of(item)[0])
            case Sequence(items):
                for item in reversed(items):
                    self._pass_on(item, follow)
                    mask, has_nothing = self._first_of(item)
                    follow = mask | follow if has_nothing else mask
            case Choice(items):
                for item in items:
                    self._pass_on(item, follow)
