"""GBNF is read with the meaning, and the surprises, of ``src/schema/gbnf/parse.ts``."""

from __future__ import annotations

import pytest

from grammar_support import accepts, make
from hearth_mlx.engine import CallError


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        ('root ::= "ab"+', ["ab", "abab"], ["abb", ""]),
        ('root ::= "" | [] | [^]', [""], ["a"]),
        ('root ::= x{0} "a"\nx ::= "b"', ["a"], ["ba"]),
        ('root ::= "a"{2,4}', ["aa", "aaaa"], ["a", "aaaaa"]),
        ('root ::= "a"{ 2 , }', ["aa", "a" * 9], ["a"]),
        ('root ::= "a"{0,2001}', ["", "a" * 30], ["b"]),
        ('root ::= ("a"{2})*', ["", "aaaa"], ["aaa"]),
        ('root ::= "a"{2}*', ["", "aaaa"], ["aaa"]),
        ("root ::= [a-c-]", ["b", "-"], ["d"]),
        ("root ::= [a\\-c]", ["a", "-", "c"], ["b"]),
        ("root ::= [z-a] | [\\]^]", ["]", "^"], ["z"]),
        ('root ::= # a comment "x"\n  "a" | # one more\n  "b"\nx ::= "c"', ["a", "b"], ["c"]),
        ('root ::= ( "a"\n | "b" )\n\n', ["a", "b"], ["ab"]),
        ('root ::= "a"\nroot ::= "b"', ["b"], ["a"]),
        ('root ::= "\\t\\r\\n\\\\\\"\\x41\\u00e9\\U0001F600"', ['\t\r\n\\"Aé😀'], ["A"]),
        ('root ::= "a\nb"', ["a\nb"], ["ab"]),
        ('root ::= 1-a\n1-a ::= "x"', ["x"], ["1"]),
        ('root ::= "a"\r\nx ::= "b"\r\n', ["a"], ["b"]),
        ('root ::= "/\\\\x41" "\x7f"', ["/\\x41\x7f"], ["/A\x7f"]),
        ('root ::= ("a" root)?', ["", "aaa"], ["b"]),
        ('root ::= ws "x" ws\nws ::= [ \\n] ws | ""', ["x", "  x\n"], ["x x"]),
        ('root ::= e\ne ::= "a" o | ""\no ::= "a" e | "b" o', ["", "aa", "aba", "abbaaa"], ["a", "ab"]),
    ],
)
def test_texts_mean_what_they_mean_to_the_orchestrator(text: str, right: list[str], wrong: list[str]) -> None:
    assert [sentence for sentence in right if not accepts(text, sentence)] == []
    assert [sentence for sentence in wrong if accepts(text, sentence)] == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no rule 'root'"),
        ('x ::= "a"', "no rule 'root'"),
        ("root ::= x", "'x' is used in 'root' and not defined"),
        ("root ::= *", "line 1, column 11 of the grammar: There is nothing to repeat"),
        ('root ::= ""*', "nothing to repeat"),
        ("root ::= []+", "nothing to repeat"),
        ('root ::= "a"{0}*', "nothing to repeat"),
        ('root ::= "a"{3,1}', "ends below"),
        ('root ::= "a"{2001}', "above 2000"),
        ('root ::= "a"{999999999999999999999999}', "too many digits"),
        ('root ::= "a"{,3}', "A number was expected"),
        ('root ::= "a"{3', "'}' was expected"),
        ('root ::= ("a"', "')' was expected"),
        ("root ::= " + "(" * 300 + '"a"' + ")" * 300, "More than 200 brackets"),
        ('root ::= "a', "ends inside a literal"),
        ("root ::= [a", "ends inside a literal or a class"),
        ('root ::= "\\q"', "escape"),
        ('root ::= "\\x4"', "escape"),
        ("root ::= <|end|>", "token reference"),
        ("root := a", "'::=' was expected"),
        ('root ::= "a" )', "cannot stand here"),
        ('root ::= "a"\n_ ::= 1', "A rule name was expected"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_line(text: str, what: str) -> None:
    with pytest.raises(CallError) as refused:
        make(text)
    assert what in refused.value.message and "\n" not in refused.value.message
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "response_format")
