"""From GBNF to a grammar of llguidance with the same sentences. Pure.

    read ─▶ tails become loops ─▶ counts are joined ─▶ the root is regular: it is one lexeme ──────▶ Lark
                                                     └ it is not: lexemes, and rules over them ────┘

A greedy lexer reads a single lexeme exactly: at each byte it knows of all that it may be the beginning of. What makes
the other case exact stands in ``munch.py``.

Errors: ``GrammarError``.
"""

from __future__ import annotations

from .components import components
from .counts import join_counts
from .expression import Expressions, Rules, rules_in
from .gbnf import ROOT, read_gbnf
from .lark import Lark, to_lark
from .lexemes import divide
from .loops import loop_tails
from .regular import Regular


def translate(text: str) -> Lark:
    make = Expressions()
    rules = join_counts(loop_tails(read_gbnf(text, make), make), make)
    groups = components([ROOT], lambda name: rules_in(rules[name]))
    recursive = _recursive(rules, groups)
    regular = Regular(rules, make)
    calm = [name for group in groups for name in group if name not in recursive]
    for name in calm:
        # In this order none of these calls goes deep.
        regular.has_nothing(rules[name])
        regular.without_nothing(rules[name])
    divided = divide(rules, recursive, ROOT, make, regular)
    return to_lark(ROOT, divided.rules, divided.lexemes, [(name, rules[name]) for name in calm])


def _recursive(rules: Rules, groups: list[list[str]]) -> frozenset[str]:
    """Rules that lead to one that leads back to itself."""
    found: set[str] = set()
    for group in groups:
        uses = {used for name in group for used in rules_in(rules[name])}
        if len(group) > 1 or group[0] in uses or not found.isdisjoint(uses):
            found.update(group)
    return frozenset(found)
