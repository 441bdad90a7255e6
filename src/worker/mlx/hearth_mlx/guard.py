"""Keeps text from users from becoming special tokens. Pure. The twin of ``src/worker/prompt/guard.ts``.

A chat template is rendered to one string and tokenised with specials on, so that its own ``<|im_end|>`` is a token.
The same characters inside a message must stay characters. Before rendering, each special text found in a user's
string is broken by a private-use character that the request does not contain; after rendering, the result is split
there and the pieces are tokenised one by one.

Shapes: text without hits is not touched, so it gives the same tokens as without a guard.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

_PRIVATE: Final = range(0xE000, 0xF900)


class Guard:
    def __init__(self, *, control: Iterable[str], marks: Iterable[str], request: Sequence[str]) -> None:
        """``control``: never from a user, in any turn. ``marks``: not from a user, but left alone in the model's own
        turns, where templates look for them. ``request``: all its strings."""
        control, marks = tuple(control), tuple(marks)
        self.breaker: Final = _absent_character(request)
        self._anywhere = _matcher((*control, *marks))
        self._in_own_turns = _matcher(control)

    def protect(self, text: str, *, own: bool = False) -> str:
        """Breaks every special text in ``text``. ``own``: the model itself has written it."""
        special = self._in_own_turns if own else self._anywhere
        if special is None:
            return text
        # Searches again after each break: the halves of a broken text may form another one.
        while True:
            following = special.sub(lambda hit: hit[0][0] + self.breaker + hit[0][1:], text)
            if following == text:
                return text
            text = following

    def split(self, rendered: str) -> list[str]:
        """The rendered prompt in pieces, none of which contains a special text from a user."""
        return [piece for piece in rendered.split(self.breaker) if piece != ""]


def _matcher(specials: Iterable[str]) -> re.Pattern[str] | None:
    """Longest first, so that a text that begins like another is taken whole."""
    texts = sorted({text for text in specials if len(text) > 1}, key=lambda text: (-len(text), text))
    return re.compile("|".join(re.escape(text) for text in texts)) if texts else None


def _absent_character(request: Sequence[str]) -> str:
    for code in _PRIVATE:
        if not any(chr(code) in text for text in request):
            return chr(code)
    raise ValueError("Every private-use character occurs in the request")
