"""Large counts, which come as rules for many in a row."""

from __future__ import annotations

import pytest

from grammar_support import accepts
from hearth_mlx.grammar.translate import translate

MANY = 'root ::= ({}) "."\nmany ::= x{{3}}\nmore ::= many{{3}}\nx ::= [ab] | "é"'


@pytest.mark.parametrize(
    ("parts", "counts"),
    [
        ("many{0,4} x{0,2}", {*range(15)}),
        ("many{0,3} x{0,2} | many{4}", {*range(13)}),
        ("many{0,3} x{0,1}", {0, 1, 3, 4, 6, 7, 9, 10}),
        ("many{2} x", {7}),
        ("many* x{0,2}", {*range(40)}),
        ("many+", {*range(3, 40, 3)}),
        ("more{0,1} many{0,2} x{0,2}", {*range(18)}),
        ("more{0,2} many", {3, 12, 21}),
        ("x{2} | many | x{5,}", {2, 3, *range(5, 40)}),
        ("x{0,2} many{1,2} x{0,2}", {*range(3, 11)}),
        ("many{1,2} many{0,1} more?", {3, 6, 9, 12, 15, 18}),
        ("(many x?){2}", {6, 7, 8}),
        ("many | x{0,1} many", {3, 4}),
    ],
)
def test_joined_counts_are_the_same_counts(parts: str, counts: set[int]) -> None:
    text = MANY.format(parts)
    assert {count for count in range(40) if accepts(text, "aéb"[count % 3] * count + ".")} == counts


def test_what_the_orchestrator_prints_for_a_long_string_is_one_count() -> None:
    text = 'root ::= (t{0,15} c{0,255} | t{16})\nt ::= c{256}\nc ::= [^"] | "x" [ab]'
    assert "{0,4096}" in translate(text).text
