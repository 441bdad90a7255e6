"""Divides a recursive grammar into lexemes, which are regular, and rules over them.

A rule that does not lead back to itself is regular, and so is what is made of such rules alone. Of all that is
regular as much as stands together becomes one lexeme; then those that a greedy lexer would read too far (``munch.py``
says when, and why the rest is exact) are divided, and all is looked at again. Single characters are lexemes that none
is read too far: in the end a grammar is read character by character, where nothing longer will do. That is always
exact, and slow.

    T            a lexeme                       the empty text is never one: T? stands for a T that has it
    a b c        divided: (a) (b c), (a b) (c)  where it would be read on, or before and behind the part in which that
    "abc"        divided: "a" "bc", "ab" "c"      is
    a | b, a*    divided: rules over a and b
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from .components import components
from .cut import characters, cut
from .expression import (
    EMPTY,
    NEVER,
    Choice,
    Expression,
    Expressions,
    Repeat,
    Rule,
    Rules,
    Sequence,
    Text,
    rules_in,
)
from .follow import follow_bytes
from .munch import TooWide, Work, overlong
from .regular import Regular

# For one grammar, in all rounds.
_MAX_WORK: Final = 3_000_000


@dataclass(frozen=True, slots=True)
class Division:
    # Made of names alone: of these rules and of the lexemes.
    rules: Rules
    lexemes: Rules


def divide(rules: Rules, recursive: frozenset[str], root: str, make: Expressions, regular: Regular) -> Division:
    """``recursive``: the rules that lead to one that leads back to itself. Without any, ``root`` is one lexeme."""
    divider = _Divider(rules, recursive, make, regular)
    return divider.divide() if recursive else divider.whole(root)


class _Divider:
    def __init__(self, rules: Rules, recursive: frozenset[str], make: Expressions, regular: Regular) -> None:
        self._rules = rules
        self._recursive = recursive
        self._make = make
        self._regular = regular
        groups = components(
            sorted(recursive), lambda name: (used for used in rules_in(rules[name]) if used in recursive)
        )
        self._order = [name for group in groups for name in group]
        self._cuts: dict[Expression, list[Expression]] = {}
        # Lexemes of the last round, and what could follow them.
        self._known: dict[Expression, int] = {}
        self._is_by_character = False
        self._names: dict[Expression, str] = {}

    def whole(self, root: str) -> Division:
        outline = self._lexeme(self._make.rule(root))
        return Division({root: outline}, self._lexemes())

    def divide(self) -> Division:
        regular = self._regular
        work = Work(_MAX_WORK)
        while True:
            self._names = {}
            rules = {name: self._outline(self._rules[name]) for name in sorted(self._recursive)}
            lexemes = self._lexemes()
            if self._is_by_character:
                return Division(rules, lexemes)
            follow = follow_bytes(rules, self._order, {name: regular.first(lexemes[name]) for name in lexemes})
            try:
                found = overlong(lexemes, follow, fresh=self._fresh(lexemes, follow), regular=regular, work=work)
            except TooWide:
                self._is_by_character = True
                continue
            if not found:
                return Division(rules, lexemes)
            self._known = {lexemes[name]: follow[name] for name in lexemes}
            for name, rests in found.items():
                self._cuts[lexemes[name]] = cut(lexemes[name], rests, self._make)

    def _fresh(self, lexemes: Rules, follow: Mapping[str, int]) -> set[str]:
        known = self._known
        return {
            name
            for name, lexeme in lexemes.items()
            if lexeme not in known or follow[name] | known[lexeme] != known[lexeme]
        }

    def _lexemes(self) -> Rules:
        return {name: expression for expression, name in self._names.items()}

    def _outline(self, expression: Expression) -> Expression:
        make = self._make
        if self._is_regular(expression):
            return self._lexeme(expression)
        match expression:
            case Sequence(items):
                parts: list[Expression] = []
                for is_regular, group in groupby(items, self._is_regular):
                    run = list(group)
                    parts.extend([self._lexeme(make.sequence(run))] if is_regular else map(self._outline, run))
                return make.sequence(parts)
            case Choice(items):
                together = [self._lexeme(make.choice(item for item in items if self._is_regular(item)))]
                return make.choice([*together, *(self._outline(item) for item in items if not self._is_regular(item))])
            case Repeat(item, low, high):
                return make.repeat(self._outline(item), low, high)
        return expression

    def _recursive_in(self, name: str) -> list[str]:
        return [used for used in rules_in(self._rules[name]) if used in self._recursive]

    def _is_regular(self, expression: Expression) -> bool:
        return not any(name in self._recursive for name in rules_in(expression))

    def _lexeme(self, expression: Expression) -> Expression:
        if self._regular.has_nothing(expression):
            expression = self._regular.without_nothing(expression)
            return self._make.choice([EMPTY, self._lexeme(expression)])
        if isinstance(expression, Rule):
            return self._lexeme(self._rules[expression.name])
        if expression is NEVER:
            return expression
        parts = self._parts(expression)
        if parts is not None:
            return parts
        return self._make.rule(self._names.setdefault(expression, f"_{len(self._names)}"))

    def _parts(self, expression: Expression) -> Expression | None:
        """None where it need not be divided, or cannot: it is one character then."""
        make = self._make
        cuts = self._cuts.get(expression)
        if cuts is None and self._is_by_character:
            cuts = characters(expression, make)
        if cuts is None:
            return None
        match expression:
            case Text() | Sequence():
                return make.sequence(map(self._lexeme, cuts))
            case Choice():
                return make.choice(map(self._lexeme, cuts))
            case Repeat(item, low, high):
                if not self._regular.has_nothing(item):
                    return make.repeat(self._lexeme(item), low, high)
                return make.repeat(self._lexeme(self._regular.without_nothing(item)), 0, high)
        return None
