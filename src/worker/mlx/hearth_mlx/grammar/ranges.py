"""Sets of code points. The Python twin of ``src/schema/gbnf/char-set.ts``.

Shapes:   sorted, disjoint pairs (low, high) that do not touch.
Alphabet: U+0001 to U+D7FF and U+E000 to U+10FFFF, what text can hold. U+0000 is out because the other engine never
          samples a token that begins with it, and both are to have the same languages.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

Ranges = tuple[tuple[int, int], ...]

ALPHABET: Final[Ranges] = ((0x1, 0xD7FF), (0xE000, 0x10FFFF))

_ASCII: Final = 0x7F
_TWO_BYTES: Final = 0x7FF
_THREE_BYTES: Final = 0xFFFF


def to_ranges(pairs: Iterable[tuple[int, int]], *, negated: bool = False) -> Ranges:
    """Pairs in any order; one whose end is below its start holds nothing."""
    wanted = _normalise(pairs)
    return _intersect(ALPHABET, _complement(wanted) if negated else wanted)


def lead_bytes(ranges: Ranges) -> int:
    """The bytes that UTF-8 of these may begin with: bit b for byte b."""
    mask = 0
    for low, high in ranges:
        mask |= (1 << (_lead_byte(high) + 1)) - (1 << _lead_byte(low))
    return mask


def _lead_byte(code_point: int) -> int:
    if code_point <= _ASCII:
        return code_point
    if code_point <= _TWO_BYTES:
        return 0xC0 | code_point >> 6
    return 0xE0 | code_point >> 12 if code_point <= _THREE_BYTES else 0xF0 | code_point >> 18


def _normalise(pairs: Iterable[tuple[int, int]]) -> Ranges:
    found: list[tuple[int, int]] = []
    for low, high in sorted(pair for pair in pairs if pair[0] <= pair[1]):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple(found)


def _complement(ranges: Ranges) -> Ranges:
    outside: list[tuple[int, int]] = []
    start = 0
    for low, high in ranges:
        if start < low:
            outside.append((start, low - 1))
        start = high + 1
    last = ALPHABET[-1][1]
    if start <= last:
        outside.append((start, last))
    return tuple(outside)


def _intersect(one: Ranges, other: Ranges) -> Ranges:
    found: list[tuple[int, int]] = []
    at_one = at_other = 0
    while at_one < len(one) and at_other < len(other):
        low = max(one[at_one][0], other[at_other][0])
        high = min(one[at_one][1], other[at_other][1])
        if low <= high:
            found.append((low, high))
        if one[at_one][1] < other[at_other][1]:
            at_one += 1
        else:
            at_other += 1
    return tuple(found)
