"""Writes a divided grammar in llguidance's dialect of Lark: every part that has parts is a definition of its own.

No bytes are forced: which tokens spell a text is the model's choice.

Source: llguidance, ``docs/syntax.md``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from .expression import Chars, Choice, Expression, Repeat, Rule, Rules, Sequence, Text

_HEAD: Final = '%llguidance {"no_forcing": true}\n'
_NO_TEXT: Final = '("a" & "b")'
_PRINTABLE: Final = frozenset(map(chr, range(0x20, 0x7F))) - {'"', "\\"}


@dataclass(frozen=True, slots=True)
class Lark:
    text: str
    # How deep they can be inside of each other, at most.
    definitions: int


def to_lark(root: str, rules: Rules, lexemes: Rules, regular: Iterable[tuple[str, Expression]]) -> Lark:
    """``rules`` are made of names, theirs and those of lexemes; ``regular`` are the rules that lexemes are made of,
    each after those that it uses."""
    lines: list[str] = []
    terminals = _Printer("T", lines)
    for name, body in regular:
        terminals.names[name] = terminals.name_of(body)
    nonterminals = _Printer("r", lines)
    nonterminals.names.update((name, terminals.name_of(body)) for name, body in lexemes.items())
    nonterminals.names.update((name, f"rule{number}") for number, name in enumerate(rules))
    for name, body in rules.items():
        nonterminals.define(nonterminals.names[name], body)
    lines.append(f"start: {nonterminals.names[root]}\n")
    return Lark(_HEAD + "".join(lines), len(lines))


class _Printer:
    def __init__(self, prefix: str, lines: list[str]) -> None:
        self._prefix = prefix
        self._lines = lines
        self._known: dict[Expression, str] = {}
        # By the name in the grammar: the one here.
        self.names: dict[str, str] = {}

    def name_of(self, expression: Expression) -> str:
        """Of a definition; or what it would be defined as, where that is as short."""
        match expression:
            case Rule(name):
                return self.names[name]
            case Text(text):
                return '"' + "".join(map(_spelled, text)) + '"'
            case Chars(ranges):
                return "/[" + "".join(f"\\x{{{low:x}}}-\\x{{{high:x}}}" for low, high in ranges) + "]/"
        known = self._known.get(expression)
        if known is None:
            known = self._known[expression] = f"{self._prefix}{len(self._known)}"
            self.define(known, expression)
        return known

    def define(self, name: str, expression: Expression) -> None:
        self._lines.append(f"{name}: {self._body(expression)}\n")

    def _body(self, expression: Expression) -> str:
        match expression:
            case Sequence(items):
                return " ".join(map(self.name_of, items)) if items else '""'
            case Choice(items):
                return " | ".join(map(self.name_of, items)) if items else _NO_TEXT
            case Repeat(item, low, high):
                return f"{self.name_of(item)}{_count(low, high)}"
        return self.name_of(expression)


def _count(low: int, high: int | None) -> str:
    if high is None and low < 2:
        return "*" if low == 0 else "+"
    if (low, high) == (0, 1):
        return "?"
    return f"{{{low},{'' if high is None else high}}}"


def _spelled(character: str) -> str:
    if character in _PRINTABLE:
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{unit:04x}" for unit in (int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2)))
