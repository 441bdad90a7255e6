"""The characters of a grammar text. The Python twin of ``src/schema/gbnf/scanner.ts``.

Errors: ``GrammarError`` at the place that it is about; a column counts code points from 1.
Source: llama.cpp v0.4.0, ``src/llama-grammar.cpp``: parse_space, parse_name, parse_int, parse_char.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

from .error import GrammarError

_SPACE: Final = re.compile(r"(?:[ \t]|#[^\r\n]*)*")
_SPACE_AND_LINES: Final = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")
_NAME: Final = re.compile("[a-zA-Z0-9-]+")
_DIGITS: Final = re.compile("[0-9]+")
# All that stands in a literal or class most of the time.
_PLAIN: Final = re.compile(r'[^"\\]+')
_HALF_OF_A_PAIR: Final = re.compile("[\ud800-\udfff]")
_HEX: Final = {"x": re.compile("[0-9a-fA-F]{2}"), "u": re.compile("[0-9a-fA-F]{4}"), "U": re.compile("[0-9a-fA-F]{8}")}
_ESCAPES: Final = {"t": "\t", "r": "\r", "n": "\n", "\\": "\\", '"': '"', "[": "[", "]": "]", "-": "-"}
# More digits than any count that means something.
_MAX_DIGITS: Final = 20


class Scanner:
    def __init__(self, text: str) -> None:
        # The other engine takes a C string in UTF-8, which ends at the first U+0000 and has no half of a pair.
        self._text = _HALF_OF_A_PAIR.sub("\ufffd", text.partition("\0")[0])
        self.at = 0

    @property
    def is_at_end(self) -> bool:
        return self.at >= len(self._text)

    def peek(self, ahead: int = 0) -> str:
        """One character; "" at the end."""
        return self._text[self.at + ahead : self.at + ahead + 1]

    def skip_space(self, *, lines: bool) -> None:
        """Passes blanks and comments, and line ends where they mean nothing."""
        found = (_SPACE_AND_LINES if lines else _SPACE).match(self._text, self.at)
        assert found is not None
        self.at = found.end()

    def take(self, text: str) -> bool:
        if not self._text.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def take_name(self) -> str | None:
        return self._take(_NAME)

    def take_plain(self) -> str | None:
        """Characters of a literal that mean themselves."""
        return self._take(_PLAIN)

    def take_count(self) -> int | None:
        digits = self._take(_DIGITS)
        if digits is None:
            return None
        if len(digits.lstrip("0")) > _MAX_DIGITS:
            self.fail("A repeat count has too many digits: write a number below 2000")
        return int(digits)

    def take_code_point(self) -> int:
        """Written plainly or as an escape; may exceed U+10FFFF and may be a surrogate."""
        character = self.peek()
        if character == "":
            self.fail("The grammar ends inside a literal or a class: close it")
        if character != "\\":
            self.at += 1
            return ord(character)
        letter = self.peek(1)
        if letter in _ESCAPES:
            self.at += 2
            return ord(_ESCAPES[letter])
        digits = _HEX[letter].match(self._text, self.at + 2) if letter in _HEX else None
        if digits is None:
            self.fail(f"The escape {character + letter!a} is not known or lacks digits: write it as \\u0041")
        self.at = digits.end()
        return int(digits.group(), 16)

    def fail(self, message: str) -> NoReturn:
        line = self._text.count("\n", 0, self.at) + 1
        column = self.at - self._text.rfind("\n", 0, self.at)
        raise GrammarError(f"line {line}, column {column} of the grammar: {message}")

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found.group()
