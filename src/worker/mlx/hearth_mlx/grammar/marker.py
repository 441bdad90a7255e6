"""Finds the first end of a text in the bytes of an answer, over token borders."""

from __future__ import annotations

from ..borders import borders_of


class Marker:
    def __init__(self, text: str) -> None:
        self._text = text.encode("utf-8")
        self._borders = borders_of(self._text)
        self._matched = 0

    def end_in(self, data: bytes) -> int | None:
        """How many of these bytes there are up to the end of the text; None when it does not end there."""
        return self._walk(data)[1]

    def push(self, data: bytes) -> None:
        self._matched = self._walk(data)[0]

    def _walk(self, data: bytes) -> tuple[int, int | None]:
        text, matched = self._text, self._matched
        for index, byte in enumerate(data):
            while matched > 0 and text[matched] != byte:
                matched = self._borders[matched - 1]
            if text[matched] == byte:
                matched += 1
            if matched == len(text):
                return matched, index + 1
        return matched, None
