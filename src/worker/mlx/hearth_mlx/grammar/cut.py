"""Where to divide a lexeme that would be read too far. Pure.

    ',"' key '":'   and ',' is a lexeme too: what is left there is '"' key '":'     becomes  ','  '"' key '":'
    word space*     and a space may follow: what is left there is space*            becomes  word  space*
    a (b c)* d      and it is within the loop: what is left there is c (b c)* d     becomes  a  (b c)*  d

Cutting is the same language always: the parts of a sequence, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable

from .expression import Choice, Expression, Expressions, Repeat, Sequence, Text

# Items before and characters of the next, at which a sequence is cut; and whether behind the next one, too.
_Place = tuple[int, int, bool]


def cut(expression: Expression, rests: Iterable[Expression], make: Expressions) -> list[Expression]:
    """``rests``: what may be left of it where it would be read on; the first place counts. The parts of a text or a
    sequence, two at least; of all else, what it is made of."""
    match expression:
        case Text() | Sequence():
            items = expression.items if isinstance(expression, Sequence) else (expression,)
            return _at(items, min(_place(items, rest, make) for rest in rests), make)
        case Choice(items):
            return list(items)
        case Repeat(item, _, _):
            return [item]
    return [expression]


def characters(expression: Expression, make: Expressions) -> list[Expression] | None:
    """Its parts for one that is to be read by characters; None for one character."""
    match expression:
        case Text(text):
            return [make.text(character) for character in text] if len(text) > 1 else None
        case Sequence(items) | Choice(items):
            return list(items)
        case Repeat(item, _, _):
            return [item]
    return None


def _place(items: tuple[Expression, ...], rest: Expression, make: Expressions) -> _Place:
    for before, item in enumerate(items):
        behind = items[before + 1 :]
        if before > 0 and make.sequence(items[before:]) is rest:
            return before, 0, False
        if isinstance(item, Text):
            for length in range(1, len(item.text)):
                if make.sequence([make.text(item.text[length:]), *behind]) is rest:
                    return before, length, False
    # It is left within an item: behind that one the two are the same.
    left = rest.items if isinstance(rest, Sequence) else (rest,)
    same = 0
    while same < min(len(left), len(items) - 1) and left[-1 - same] is items[-1 - same]:
        same += 1
    return len(items) - 1 - same, 0, True


def _at(items: tuple[Expression, ...], place: _Place, make: Expressions) -> list[Expression]:
    before, length, is_apart = place
    if is_apart:
        parts = [items[:before], items[before : before + 1], items[before + 1 :]]
        return [make.sequence(part) for part in parts if part]
    pieces: list[list[Expression]] = [list(items[:before])]
    for item in items[before:]:
        if not _is_alike(item, items[before], length):
            pieces[-1].append(item)
        elif length == 0:
            pieces.append([item])
        else:
            assert isinstance(item, Text)
            pieces[-1].append(make.text(item.text[:length]))
            pieces.append([make.text(item.text[length:])])
    return [make.sequence(piece) for piece in pieces if piece]


def _is_alike(item: Expression, other: Expression, length: int) -> bool:
    """What is cut once is cut wherever it comes again: the next round would find it there."""
    if isinstance(item, Text) and isinstance(other, Text) and length > 0:
        return len(item.text) > length and item.text[:length] == other.text[:length]
    return item is other or (isinstance(item, Text) and isinstance(other, Text) and item.text[0] == other.text[0])
