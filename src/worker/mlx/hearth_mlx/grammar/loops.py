"""Makes loops of rules that come back to themselves at their end.

    members ::= "," member members | "}"        becomes   members ::= ("," member)* "}"

A rule that stands last in an alternative is a *tail*. Rules that are each other's tails are a system of equations
that is linear in them, ``x = a x | b y | c``: for the rest of this file what stands before a tail is a constant,
whatever it is. By Arden's lemma ``x = a* (b y | c)`` has the same least solution (for any a and b, also with rules
that are no tails inside of them and where a has the empty text), and putting it in for x in the equations of the
others eliminates x there. When all are eliminated, no rule of the system leads back to itself by tails.

So everything regular that is written with rules (the automata of patterns and numbers, ``ws ::= [ ] ws | ""``) is
written without recursion, and what remains recursive is so for a reason. An Earley parser, too, takes loops in
constant time for each character, and tails in a time that grows with the text.

Sizes:  coefficients get rules of their own, so that equations stay short; names with a '_' are in no grammar text.
        Equations that all lead to each other would become cubically many: such rules stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .components import components
from .expression import EMPTY, Choice, Expression, Expressions, Repeat, Rule, Rules, Sequence

# Rules for one system: what takes some seconds.
_MAX_MADE: Final = 20_000

# What stands before each tail; under None what has no tail of the system.
_Equation = dict[str | None, Expression]


def loop_tails(rules: Rules, make: Expressions) -> Rules:
    """The same language for each rule, and more rules."""
    looped = dict(rules)
    for group in components(rules, lambda name: _tails(rules[name])):
        if len(group) > 1 or group[0] in _tails(rules[group[0]]):
            looped.update(_System(group, rules, make).solve())
    return looped


def _tails(expression: Expression) -> Iterator[str]:
    if isinstance(expression, Rule):
        yield expression.name
    elif isinstance(expression, Sequence):
        if expression.items:
            yield from _tails(expression.items[-1])
    elif isinstance(expression, Choice):
        for item in expression.items:
            yield from _tails(item)
    elif isinstance(expression, Repeat) and (expression.low, expression.high) == (0, 1):
        yield from _tails(expression.item)


class _System:
    def __init__(self, group: list[str], rules: Rules, make: Expressions) -> None:
        self._made: Rules = {}
        self._make = make
        self._group = frozenset(group)
        self._equations = {name: self._equation(rules[name]) for name in group}
        self._users: dict[str, set[str]] = {name: set() for name in group}
        for name, equation in self._equations.items():
            for tail in equation:
                if tail is not None:
                    self._users[tail].add(name)

    def solve(self) -> Rules:
        """What the rules become; nothing when that would be too much."""
        while self._equations:
            if len(self._made) > _MAX_MADE:
                return {}
            # Those that touch the fewest others first: equations grow the least.
            name = min(self._equations, key=lambda name: (len(self._users[name]) * len(self._equations[name]), name))
            self._eliminate(name)
        return self._made

    def _eliminate(self, name: str) -> None:
        make = self._make
        equation = self._equations.pop(name)
        users = self._users.pop(name)
        users.discard(name)
        loop = make.repeat(equation.pop(name, EMPTY), 0, None)
        # Each of the others is eliminated later: it does not lead back.
        rest = [make.sequence([before, self._rule(tail)]) for tail, before in equation.items()]
        self._made[name] = make.sequence([loop, make.choice(rest)])
        for tail in equation:
            if tail is not None:
                self._users[tail].discard(name)
                self._users[tail] |= users
        for user in sorted(users):
            theirs = self._equations[user]
            into = self._named(name, make.sequence([theirs.pop(name), loop]))
            for tail, before in equation.items():
                joined = make.choice([*([theirs[tail]] if tail in theirs else []), make.sequence([into, before])])
                theirs[tail] = self._named(name, joined)

    def _equation(self, expression: Expression) -> _Equation:
        make = self._make
        if isinstance(expression, Rule) and expression.name in self._group:
            return {expression.name: EMPTY}
        if isinstance(expression, Sequence) and expression.items:
            before = expression.items[:-1]
            last = self._equation(expression.items[-1])
            return {tail: make.sequence([*before, coefficient]) for tail, coefficient in last.items()}
        parts: list[_Equation] = [{None: expression}]
        if isinstance(expression, Choice):
            parts = [self._equation(item) for item in expression.items]
        elif isinstance(expression, Repeat) and (expression.low, expression.high) == (0, 1):
            parts = [self._equation(expression.item), {None: EMPTY}]
        found: dict[str | None, list[Expression]] = {}
        for part in parts:
            for tail, coefficient in part.items():
                found.setdefault(tail, []).append(coefficient)
        return {tail: make.choice(coefficients) for tail, coefficients in found.items()}

    def _rule(self, tail: str | None) -> Expression:
        return EMPTY if tail is None else self._make.rule(tail)

    def _named(self, name: str, expression: Expression) -> Expression:
        """A rule of its own, if it has parts."""
        if not isinstance(expression, Sequence | Choice) or not expression.items:
            return expression
        new = f"{name}_{len(self._made)}"
        self._made[new] = expression
        return self._make.rule(new)
