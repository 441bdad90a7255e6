"""Joins counts of the same thing: ``a{256}{0,3} a{0,255} | a{256}{4}`` is ``a{0,1024}``.

GBNF has counts up to 2,000 only and llama.cpp writes them out, so that larger ones come as rules for many in a row.
llguidance counts, and knows of a plain count how many tokens fit into it without trying them.

Shapes: how often something may stand in a row is lo, lo + step, …, hi; hi None: without end.
"""

from __future__ import annotations

from dataclasses import dataclass

from .expression import Choice, Expression, Expressions, Repeat, Rule, Rules, Sequence


@dataclass(frozen=True, slots=True)
class _Count:
    item: Expression
    low: int
    high: int | None
    step: int = 1

    @property
    def has_gaps(self) -> bool:
        return self.step > 1 and self.low != self.high


def join_counts(rules: Rules, make: Expressions) -> Rules:
    """The same languages."""
    joiner = _Joiner(rules, make)
    return {name: joiner.join(body) for name, body in rules.items()}


class _Joiner:
    def __init__(self, rules: Rules, make: Expressions) -> None:
        self._rules = rules
        self._make = make
        self._open: set[str] = set()

    def join(self, expression: Expression) -> Expression:
        match expression:
            case Repeat(item, low, high):
                expression = self._make.repeat(self.join(item), low, high)
            case Choice(items):
                expression = self._make.choice(map(self.join, items))
            case Sequence(items):
                joined: list[_Count] = []
                for item in map(self.join, items):
                    count = self._count(item)
                    both = _in_a_row(joined[-1], count) if joined else None
                    joined[-1:] = [both] if both is not None else [*joined[-1:], count]
                expression = self._make.sequence(map(self._write, joined))
        return self._write(self._count(expression))

    def _count(self, expression: Expression) -> _Count:
        single = _Count(expression, 1, 1)
        match expression:
            case Rule(name) if name not in self._open:
                self._open.add(name)
                count = self._count(self._rules[name])
                self._open.discard(name)
                # A rule that is no count keeps its name.
                return single if (count.low, count.high) == (1, 1) else count
            case Repeat(item, low, high):
                inner = self._count(item)
                if inner.low == inner.high:
                    size = inner.low
                    return _Count(inner.item, size * low, None if high is None else size * high, size)
            case Choice(items) if items:
                return _either([self._count(item) for item in items]) or single
        return single

    def _write(self, count: _Count) -> Expression:
        make = self._make
        if not count.has_gaps:
            return make.repeat(count.item, count.low, count.high)
        many = make.repeat(count.item, count.step, count.step)
        return make.repeat(many, count.low // count.step, None if count.high is None else count.high // count.step)


def _in_a_row(one: _Count, other: _Count) -> _Count | None:
    if one.item is not other.item:
        return None
    high = None if one.high is None or other.high is None else one.high + other.high
    for gaps, filler in ((one, other), (other, one)):
        reach = filler.high is None or filler.high - filler.low >= gaps.step - 1
        if not filler.has_gaps and (not gaps.has_gaps or reach):
            return _Count(one.item, one.low + other.low, high)
        if filler.low == filler.high and gaps.low % gaps.step == filler.low % gaps.step == 0:
            return _Count(one.item, one.low + other.low, high, gaps.step)
    return None


def _either(counts: list[_Count]) -> _Count | None:
    item = counts[0].item
    low = high = min(count.low for count in counts)
    if any(count.item is not item or count.has_gaps for count in counts):
        return None
    for count in sorted(counts, key=lambda count: count.low):
        if count.low > high + 1:
            return None
        if count.high is None:
            return _Count(item, low, None)
        high = max(high, count.high)
    return _Count(item, low, high)
