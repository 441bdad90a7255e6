"""The failure table of a text that is looked for. The twin of ``src/worker/text/borders.ts``.

Source: D. Knuth, J. Morris, V. Pratt, "Fast pattern matching in strings", 1977.
"""

from __future__ import annotations


def borders_of(text: str | bytes) -> list[int]:
    """At i: length of the longest proper border of the first i + 1 characters, or bytes."""
    borders = [0] * len(text)
    length = 0
    for index in range(1, len(text)):
        while length > 0 and text[length] != text[index]:
            length = borders[length - 1]
        if text[length] == text[index]:
            length += 1
        borders[index] = length
    return borders
