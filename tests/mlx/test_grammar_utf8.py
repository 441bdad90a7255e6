"""Only whole, valid UTF-8 comes out, whatever the grammar and wherever tokens end."""

from __future__ import annotations

import pytest

from grammar_support import accepts, allowed, make, may_end, take


def singles(text: str, before: bytes = b"") -> set[int]:
    """Bytes that may come next."""
    row = make(text)
    assert take(row, before)
    return {data[0] for data in allowed(row) if len(data) == 1}


def test_a_character_may_be_begun_by_one_token_and_ended_by_another() -> None:
    row = make('root ::= "日"')
    assert take(row, "日".encode()[:1])
    assert not may_end(row) and allowed(row) - {b"\x97\xa5"} == {b"\x97"}
    assert take(row, "日".encode()[1:]) and may_end(row)


@pytest.mark.parametrize("text", ["root ::= .*", "root ::= [^a]*", 'root ::= "[" root "]" | [^a]+'])
@pytest.mark.parametrize(
    ("before", "low", "high"),
    [
        # Overlong forms, surrogates and what lies above U+10FFFF have no UTF-8.
        (b"\xe0", 0xA0, 0xBF),
        (b"\xed", 0x80, 0x9F),
        (b"\xf0", 0x90, 0xBF),
        (b"\xf4", 0x80, 0x8F),
        (b"\xc2", 0x80, 0xBF),
        (b"\xf1\x80", 0x80, 0xBF),
    ],
)
def test_continuations_are_those_of_valid_utf8(text: str, before: bytes, low: int, high: int) -> None:
    assert singles(text, before) == set(range(low, high + 1))


def test_a_character_may_not_begin_with_bytes_that_none_begins_with() -> None:
    assert singles("root ::= .+") == {*range(0x01, 0x80), *range(0xC2, 0xF5)}


def test_negated_classes_leave_out_characters_and_not_bytes() -> None:
    assert accepts("root ::= [^é]", "è") and not accepts("root ::= [^é]", "é")
    assert accepts("root ::= [^😀]", "😁") and not accepts("root ::= [^😀]", "😀")
    assert accepts("root ::= [^\\x00-\\x7F]", "é") and not accepts("root ::= [^\\x00-\\x7F]", "a")


def test_ranges_reach_over_lengths_of_utf8_and_over_surrogates() -> None:
    text = "root ::= [é-\\U0001F602]+"
    assert accepts(text, "é日\ud7ff\ue000\uffff\U00010000😀")
    assert not accepts(text, "è") and not accepts(text, "\U0001f603")


def test_what_no_text_can_hold_matches_nothing() -> None:
    assert accepts('root ::= "a" | "\\x00" | [\\uD800-\\uDFFF] | "\\U00110000"', "a")
    assert singles('root ::= "a" | "\\x00" | [\\uD800-\\uDFFF] | "\\U00110000"') == {ord("a")}
    assert accepts('root ::= "\\x80"', "\x80")
