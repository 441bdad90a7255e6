"""Rows: what follows a text, what is remembered, what is refused and what never happens."""

from __future__ import annotations

import pytest

from grammar_support import (
    END,
    TURN_END,
    BytesVocabulary,
    allowed,
    bound_mask,
    grammar,
    make,
    may_end,
    take,
    vocabulary,
)
from hearth_mlx.engine import CallError
from hearth_mlx.grammar.constraints import GrammarConstraints
from hearth_mlx.model import RowConstraint


class FewerTokens(BytesVocabulary):
    """Cannot spell the end of a thought by itself."""

    def tokens_of(self, text: bytes) -> list[int] | None:
        return None if text.endswith(b">") else super().tokens_of(text)


class WideTokens(BytesVocabulary):
    """Has tokens that reach over the end of a thought."""

    OVER_RIGHT, OVER_WRONG, OVER_TWICE = 496, 497, 498

    def __init__(self) -> None:
        super().__init__()
        self._bytes[self.OVER_RIGHT] = b"k>ab"
        self._bytes[self.OVER_WRONG] = b"k>bb"
        self._bytes[self.OVER_TWICE] = b"k></think>ab"


def free(row: RowConstraint, data: bytes) -> None:
    for byte in data:
        assert row.mask() is None
        token = vocabulary().token(bytes([byte]))
        assert row.settle(token) == token


def test_a_row_is_free_until_the_text_has_ended() -> None:
    row = make('root ::= "ab"', after="</think>")
    free(row, "Hm, é </thi</think>".encode())
    assert allowed(row) == {b"a", b"ab"}
    assert take(row, b"ab") and may_end(row)


def test_special_tokens_and_ends_do_not_count_while_a_row_is_free() -> None:
    row = make('root ::= "ab"', after="</think>")
    free(row, b"</th")
    assert row.settle(END) == END and row.settle(2) == 2
    free(row, b"ink>")
    assert not may_end(row)


def test_a_token_that_begins_a_sentence_behind_the_text_stands() -> None:
    row = GrammarConstraints(WideTokens()).make(grammar('root ::= "ab" "c"', after="</think>"))
    free(row, b"</thin")
    assert row.settle(WideTokens.OVER_RIGHT) == WideTokens.OVER_RIGHT
    assert {data for data in allowed(row) if data} == {b"c"}


@pytest.mark.parametrize("token", [WideTokens.OVER_WRONG, WideTokens.OVER_TWICE])
def test_a_token_that_does_not_is_replaced_by_what_spells_the_text(token: int) -> None:
    row = GrammarConstraints(WideTokens()).make(grammar('root ::= "ab"', after="</think>"))
    free(row, b"</thin")
    written = b""
    while row.mask() is None:
        written += vocabulary().bytes_of(row.settle(token))
    assert written == b"k>"
    assert allowed(row) == {b"a", b"ab"}


def test_a_text_that_tokens_cannot_spell_ends_the_row() -> None:
    class Both(WideTokens, FewerTokens):
        pass

    row = GrammarConstraints(Both()).make(grammar('root ::= "ab"', after="</think>"))
    free(row, b"</thin")
    with pytest.raises(CallError, match="cannot write '</think>'") as refused:
        row.settle(WideTokens.OVER_WRONG)
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "response_format")


def test_rows_of_one_grammar_know_nothing_of_each_other() -> None:
    one, other = make('root ::= "ab" | "cd"'), make('root ::= "ab" | "cd"')
    first = bound_mask(one)
    assert take(one, b"a") and take(other, b"c")
    assert allowed(one) == {b"b"} and allowed(other) == {b"d"}
    assert first[vocabulary().token(b"c")]


def test_a_token_that_was_not_allowed_ends_the_row_with_an_error() -> None:
    row = make('root ::= "ab"')
    with pytest.raises(CallError) as failed:
        row.settle(vocabulary().token(b"b"))
    assert failed.value.code == "internal"
    with pytest.raises(CallError):
        row.mask()


def test_the_ten_grammars_used_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    made = GrammarConstraints(vocabulary())
    compiled: list[str] = []
    compile_one = made._matchers.compile
    monkeypatch.setattr(made._matchers, "compile", lambda text: compiled.append(text) or compile_one(text))
    texts = [f'root ::= "{number}"' for number in range(11)]
    for text in [*texts[:10], texts[0], texts[10], texts[0], texts[1]]:
        made.make(grammar(text))
    # The second went first, since the first was used again.
    assert compiled == [*texts, texts[1]]


def test_chains_of_rules_as_long_as_any_grammar_has_do_not_break_the_stack() -> None:
    count = 5_000
    chain = "".join(f'x{number} ::= "a" x{number + 1} | "b" x{number + 1} "c"\n' for number in range(count))
    for last in ('"d"', '"d" | "(" root ")"'):
        row = make(f"root ::= x0\n{chain}x{count} ::= {last}")
        assert {data for data in allowed(row) if len(data) == 1} == {b"a", b"b"}
        assert take(row, b"abab")


def test_long_sentences_of_rules_that_come_back_at_their_end_stay_cheap() -> None:
    # An Earley parser that were given these rules as they are would end 24,000 of them at once: more than the limit.
    row = make('root ::= "[" list\nlist ::= value "," list | value "]"\nvalue ::= [0-9]+ | "[" list')
    assert take(row, b"[")
    one, comma = vocabulary().token(b"1"), vocabulary().token(b",")
    for _ in range(24_000):
        row.settle(one)
        row.settle(comma)
    assert take(row, b"1]") and may_end(row)


@pytest.mark.parametrize("end", [END, TURN_END])
def test_any_end_of_the_model_is_taken(end: int) -> None:
    row = make('root ::= "a"*')
    assert take(row, b"aa") and row.settle(end) == end
