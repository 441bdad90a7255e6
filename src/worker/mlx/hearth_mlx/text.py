"""Makes text of the bytes of tokens: whole characters only, and never a stop string or the start of one.
The Python twin of ``src/worker/text/assembler.ts``.

A token may end inside a character and a stop string may begin in one token and end in another, so both are
held back until they are settled. The answer ends before the stop string that is *complete* first, which is
what a reader of single characters would see; of two that are complete with the same character the longer one
counts. So the result does not depend on token borders.

Shapes: ``push`` returns the text that is settled now, "" when there is none yet.
Errors: none: bytes that are no UTF-8 become U+FFFD, as the WHATWG decoder does it.
Cost:   linear in the answer, times the number of stop strings: one Knuth-Morris-Pratt automaton each, whose
        state is also the number of characters to hold back.
Source: https://encoding.spec.whatwg.org/#utf-8-decoder; OpenAI: "The returned text will not contain the stop
        sequence".
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

from .borders import borders_of


@dataclass(frozen=True, slots=True)
class Settled:
    text: str
    # The stop string that ended the answer. Nothing is returned after it.
    stop: str | None = None


_NOTHING = Settled("")


class TextAssembler:
    def __init__(self, stops: Sequence[str]) -> None:
        """Empty stop strings are left out: they would end every answer before it begins."""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._matchers = [_Matcher(stop) for stop in stops if stop != ""]
        self._held = ""
        self._is_stopped = False

    def push(self, data: bytes) -> Settled:
        if self._is_stopped:
            return _NOTHING
        return self._settle(self._decoder.decode(data))

    def flush(self) -> str:
        """What was held back, for an answer that ends for another reason. Later calls return ""."""
        if self._is_stopped:
            return ""
        last = self._settle(self._decoder.decode(b"", final=True))
        self._is_stopped = True
        return last.text + self._held if last.stop is None else last.text

    def _settle(self, text: str) -> Settled:
        if not self._matchers:
            return Settled(text)
        before = len(self._held)
        everything = self._held + text
        for index in range(before, len(everything)):
            stop = self._advance(everything[index])
            if stop is not None:
                self._is_stopped = True
                return Settled(everything[: index + 1 - len(stop)], stop)
        settled = len(everything) - max(matcher.matched for matcher in self._matchers)
        self._held = everything[settled:]
        return Settled(everything[:settled])

    def _advance(self, character: str) -> str | None:
        """The longest stop string that this character completes."""
        complete: str | None = None
        for matcher in self._matchers:
            if matcher.advance(character) and (complete is None or len(matcher.stop) > len(complete)):
                complete = matcher.stop
        return complete


class _Matcher:
    """How much of one stop string the text ends with."""

    def __init__(self, stop: str) -> None:
        self.stop = stop
        self.matched = 0
        self._borders = borders_of(stop)

    def advance(self, character: str) -> bool:
        """True when the stop string is complete with this character."""
        length = self.matched
        while length > 0 and self.stop[length] != character:
            length = self._borders[length - 1]
        if self.stop[length] == character:
            length += 1
        if length == len(self.stop):
            self.matched = self._borders[length - 1]
            return True
        self.matched = length
        return False
