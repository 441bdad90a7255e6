"""Reads GBNF with the meaning that ``src/schema/gbnf/parse.ts`` gives it.

The orchestrator has linted what comes here; so what it refuses to bound llama.cpp's costs (products of repeats, rules
that begin with themselves) is read, and what a text means is the same, also where that surprises:

  - ``x{0,2001}`` has no upper bound.
  - A repeat binds the whole literal: ``"ab"+`` is one or more ``ab``.
  - ``""``, ``[]`` and ``[^]`` are nothing: they match the empty text and cannot be repeated.
  - A line end outside of ( ) ends the rule, except after ``::=`` and after ``|``.
  - A rule that is defined twice is what it was defined as last.
  - ``\\x80`` is the code point U+0080, not a byte. What no text can hold (U+0000, halves of surrogate pairs) matches
    nothing.

Errors: ``GrammarError``.
Source: llama.cpp v0.4.0, ``src/llama-grammar.cpp``: llama_grammar_parser.
"""

from __future__ import annotations

from typing import Final

from .error import GrammarError
from .expression import EMPTY, Expression, Expressions, Rules, rules_in
from .ranges import to_ranges
from .scanner import Scanner

ROOT: Final = "root"
# A lower bound above it is an error, an upper bound above it is none.
_REPEAT_MAX: Final = 2_000
# Brackets inside each other: they are read by recursion.
_NESTING: Final = 200


def read_gbnf(text: str, make: Expressions) -> Rules:
    return _Reader(text, make).read()


class _Reader:
    def __init__(self, text: str, make: Expressions) -> None:
        self._scanner = Scanner(text)
        self._make = make
        self._rules: Rules = {}

    def read(self) -> Rules:
        self._scanner.skip_space(lines=True)
        while not self._scanner.is_at_end:
            self._rule()
        if ROOT not in self._rules:
            raise GrammarError("The grammar has no rule 'root': name its first rule root")
        for name, body in self._rules.items():
            for used in rules_in(body):
                if used not in self._rules:
                    raise GrammarError(f"The rule '{used}' is used in '{name}' and not defined: add {used} ::= …")
        return self._rules

    def _rule(self) -> None:
        scanner = self._scanner
        name = scanner.take_name()
        if name is None:
            scanner.fail(f"A rule name was expected and {scanner.peek()!a} found")
        scanner.skip_space(lines=False)
        if not scanner.take("::="):
            scanner.fail(f"'::=' was expected after {name} and {scanner.peek()!a} found")
        scanner.skip_space(lines=True)
        self._rules[name] = self._alternatives(0)
        if not scanner.is_at_end and scanner.peek() not in "\r\n":
            scanner.fail(f"{scanner.peek()!a} cannot stand here: end the rule with a line end, or remove it")
        scanner.skip_space(lines=True)

    def _alternatives(self, depth: int) -> Expression:
        found = [self._sequence(depth)]
        while self._scanner.take("|"):
            self._scanner.skip_space(lines=True)
            found.append(self._sequence(depth))
        return self._make.choice(found)

    def _sequence(self, depth: int) -> Expression:
        scanner, make = self._scanner, self._make
        items: list[Expression] = []
        # Whether there is something that a repeat could repeat.
        can_repeat = False
        while True:
            repeat = self._repeat(depth)
            if repeat is not None:
                if not can_repeat:
                    scanner.fail("There is nothing to repeat before this: remove it")
                low, high = repeat
                items[-1] = make.repeat(items[-1], low, high)
                # Nothing is left of it: another repeat would find nothing.
                can_repeat = high != 0
            else:
                item = self._item(depth)
                if item is None:
                    return make.sequence(items)
                expression, can_repeat = item
                items.append(expression)
            scanner.skip_space(lines=depth > 0)

    def _item(self, depth: int) -> tuple[Expression, bool] | None:
        """An item, and whether it can be repeated."""
        scanner, make = self._scanner, self._make
        if scanner.take('"'):
            return self._literal()
        if scanner.take("["):
            return self._class()
        if scanner.take("("):
            return self._group(depth), True
        if scanner.take("."):
            return make.chars(to_ranges((), negated=True)), True
        if scanner.peek() and scanner.peek() in "<!":
            scanner.fail("A token reference (<…> or !<…>) depends on one model: spell the text out as a literal")
        name = scanner.take_name()
        return None if name is None else (make.rule(name), True)

    def _literal(self) -> tuple[Expression, bool]:
        scanner = self._scanner
        parts: list[Expression] = []
        while not scanner.take('"'):
            plain = scanner.take_plain()
            if plain is not None:
                parts.append(self._make.text(plain))
            else:
                code_point = scanner.take_code_point()
                parts.append(self._make.chars(to_ranges([(code_point, code_point)])))
        return self._make.sequence(parts), bool(parts)

    def _class(self) -> tuple[Expression, bool]:
        scanner = self._scanner
        negated = scanner.take("^")
        pairs: list[tuple[int, int]] = []
        while not scanner.take("]"):
            low = high = scanner.take_code_point()
            # A '-' before the ']' is a member; anywhere else after a member it makes a range.
            if scanner.peek() == "-" and scanner.peek(1) != "]":
                scanner.at += 1
                high = scanner.take_code_point()
            pairs.append((low, high))
        return (self._make.chars(to_ranges(pairs, negated=negated)), True) if pairs else (EMPTY, False)

    def _group(self, depth: int) -> Expression:
        scanner = self._scanner
        if depth == _NESTING:
            scanner.fail(f"More than {_NESTING} brackets stand inside each other: give inner parts rules of their own")
        scanner.skip_space(lines=True)
        inner = self._alternatives(depth + 1)
        if not scanner.take(")"):
            scanner.fail(f"')' was expected and {scanner.peek()!a} found: close the group")
        return inner

    def _repeat(self, depth: int) -> tuple[int, int | None] | None:
        scanner = self._scanner
        if scanner.take("*"):
            return 0, None
        if scanner.take("+"):
            return 1, None
        if scanner.take("?"):
            return 0, 1
        return self._counted(lines=depth > 0) if scanner.take("{") else None

    def _counted(self, *, lines: bool) -> tuple[int, int | None]:
        scanner = self._scanner
        scanner.skip_space(lines=lines)
        low = scanner.take_count()
        if low is None:
            scanner.fail("A number was expected after '{': write {m}, {m,} or {m,n}")
        scanner.skip_space(lines=lines)
        high: int | None = low
        if scanner.take(","):
            scanner.skip_space(lines=lines)
            high = scanner.take_count()
            scanner.skip_space(lines=lines)
        if not scanner.take("}"):
            scanner.fail(f"'}}' was expected and {scanner.peek()!a} found: write {{m}}, {{m,}} or {{m,n}}")
        if low > _REPEAT_MAX:
            scanner.fail(f"A repeat of at least {low} is above {_REPEAT_MAX}: lower it")
        if high is not None and high > _REPEAT_MAX:
            high = None
        if high is not None and high < low:
            scanner.fail("The repeat ends below where it begins: swap the numbers")
        return low, high
