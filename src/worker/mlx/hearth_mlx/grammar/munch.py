"""Which lexemes a greedy lexer would read too far. Pure.

llguidance runs all lexemes that the grammar may go on with at once, until no one of them can take the next byte, and
asks then which of them have just ended. A reading in which a lexeme ends earlier is never tried. So it finds all
readings, exactly if in each of them every lexeme ends where no other, nor the same, could go on:

    for every text u of a lexeme T and every byte b that may follow T:
        no text of any lexeme begins with u b                                           (1)

Then at the end of each lexeme of a reading the next byte stops them all, and the lexer ends this lexeme there; and
whatever it reads is a reading, since it passes only lexemes that the grammar has there. At the end of the text all
lexemes that end there are looked at. (Where u b is the beginning of a text by bytes but not by characters, the lexer
would be stuck inside of a character: that is why (1) speaks of bytes.)

(1) is decided on the automaton of all lexemes together: its states are sets of what each lexeme may go on with. That
the grammar may not have all of them in the same place, and that ``Regular.forms`` has texts that the lexeme has not,
makes it find more than there is, never less.

Errors: ``TooWide`` when there is more to look at than a grammar may cost.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from .expression import Expression
from .ranges import Ranges, lead_bytes
from .regular import Regular

_State = frozenset[tuple[str, Expression]]


class TooWide(Exception):
    pass


@dataclass(slots=True)
class Work:
    """Steps that may still be looked at: a million takes some seconds."""

    left: int

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise TooWide


def overlong(
    lexemes: Mapping[str, Expression],
    follow: Mapping[str, int],
    *,
    fresh: Container[str],
    regular: Regular,
    work: Work,
) -> dict[str, set[Expression]]:
    """Lexemes that may go on where a lexeme has ended and what follows it begins with the same byte: by name, what of
    them would be left there. Those that are not ``fresh`` are known to be right together."""
    found: dict[str, set[Expression]] = {}
    start: _State = frozenset(lexemes.items())
    seen = {start}
    open_states = [start]
    while open_states:
        state = open_states.pop()
        stops = 0
        for name, rest in state:
            if regular.has_nothing(rest):
                stops |= follow[name]
        steps: list[tuple[Ranges, tuple[str, Expression]]] = []
        for name, rest in state:
            forms = regular.forms(rest)
            work.spend(len(forms))
            if stops and any(lead_bytes(ranges) & stops for ranges, _ in forms):
                found.setdefault(name, set()).add(rest)
            else:
                steps.extend((ranges, (name, after)) for ranges, after in forms)
        for after_all in _targets(steps):
            if after_all not in seen and any(name in fresh for name, _ in after_all):
                seen.add(after_all)
                open_states.append(after_all)
    return found


def _targets(steps: Iterable[tuple[Ranges, tuple[str, Expression]]]) -> set[_State]:
    """For each character that is taken: all that may stand after it."""
    by_ranges: dict[Ranges, set[tuple[str, Expression]]] = {}
    for ranges, target in steps:
        by_ranges.setdefault(ranges, set()).add(target)
    # Where a set of targets begins (True) or ends to be reached.
    borders: dict[int, list[tuple[Ranges, bool]]] = {}
    for ranges in by_ranges:
        for low, high in ranges:
            borders.setdefault(low, []).append((ranges, True))
            borders.setdefault(high + 1, []).append((ranges, False))
    active: set[Ranges] = set()
    groups: set[frozenset[Ranges]] = set()
    for _, changes in sorted(borders.items()):
        for ranges, begins in changes:
            if not begins:
                active.discard(ranges)
        for ranges, begins in changes:
            if begins:
                active.add(ranges)
        groups.add(frozenset(active))
    return {frozenset().union(*(by_ranges[ranges] for ranges in group)) for group in groups if group}
