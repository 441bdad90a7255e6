"""Grammars mean over tokens what the orchestrator's matcher says they mean over characters."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from grammar_support import END, accepts, allowed, bound_mask, make, may_end, take, vocabulary

SEED, GRAMMARS = 20_261_122, 250
HERE = Path(__file__).parent


@cache
def cases() -> list[Any]:
    if shutil.which("node") is None:
        pytest.skip("needs Node, which runs the matcher that this is compared with")
    hearth = HERE.parents[1] / "bin" / "hearth.js"
    command = ["node", str(hearth), ":run", str((HERE / "gbnf_cases.mjs").relative_to(HERE.parents[1]))]
    made = subprocess.run(
        [*command, str(SEED), str(GRAMMARS)], cwd=HERE.parents[1], capture_output=True, check=True, timeout=120
    )
    return [json.loads(line) for line in made.stdout.splitlines()]


def test_any_grammar_takes_what_the_matcher_takes_character_by_character() -> None:
    texts = 0
    for case in cases():
        for text, taken, ends in case["texts"]:
            row = make(case["grammar"])
            where = f"{text!r} under\n{case['grammar']}"
            for at, character in enumerate(text):
                assert may_end(row) == ends[at], f"end at {at} of {where}"
                assert take(row, character.encode()) == (at < taken), f"{character!r} at {at} of {where}"
                if at == taken:
                    break
            else:
                assert may_end(row) == ends[-1], f"end of {where}"
            texts += 1
    assert texts > 5 * GRAMMARS


def test_a_mask_has_a_token_exactly_if_its_bytes_may_come_one_by_one() -> None:
    pick = random.Random(SEED)
    tokens = vocabulary()
    for case in pick.sample(cases(), 60):
        text = pick.choice(case["texts"])[0].encode()
        begin = text[: pick.randrange(len(text) + 1)]
        row = make(case["grammar"])
        if not take(row, begin):
            continue
        mask = bound_mask(row).copy()
        longer = [token for token in range(tokens.size) if len(tokens.bytes_of(token)) > 1]
        for token in pick.sample(longer, 40):
            other = make(case["grammar"])
            assert take(other, begin)
            assert take(other, tokens.bytes_of(token)) == mask[token], (
                f"{tokens.bytes_of(token)!r} in {case['grammar']}"
            )


def test_whatever_is_chosen_of_the_masks_is_a_sentence() -> None:
    pick = random.Random(SEED)
    tokens = vocabulary()
    for case in cases():
        row, answer = make(case["grammar"]), b""
        for _ in range(30):
            mask = bound_mask(row)
            choice = [token for token in range(tokens.size) if mask[token]]
            assert choice, f"stuck after {answer!r} under\n{case['grammar']}"
            token = pick.choice(choice)
            if token in tokens.ends:
                answer.decode()
                other = make(case["grammar"])
                assert take(other, answer) and may_end(other)
                break
            answer += tokens.bytes_of(row.settle(token))


# What each of these can tell apart: greedy lexemes that read too far would refuse what is right here.
CLOSE = [
    ('root ::= "a"+ "ab" x?\nx ::= "(" x ")" | "b"', ["aab", "aaab", "aabb", "aab((b))"], ["ab", "aabbb"]),
    ('root ::= word ("," word)* "." n\nword ::= [a-z]+\nn ::= "n" n "m" | "end"', ["a,bc.end", "x.nendm"], ["a,.end"]),
    (
        'root ::= value\nvalue ::= "true" | "tru" name | "[" value "]"\nname ::= [a-z]+',
        ["true", "truex", "truez", "[true]", "[truth]"],
        ["tru", "[tru]"],
    ),
    ('root ::= s\ns ::= ws "(" ws s? ws ")" ws\nws ::= [ \\n]*', ["()", " ( ( ) ) ", "(\n)"], ["( ) )", "("]),
    (
        'root ::= "\\"" c* "\\"" r\nr ::= "[" r "]" | ""\nc ::= [^"\\\\] | "\\\\" ["\\\\]',
        ['"a\\""[]', '""'],
        ['"\\"', '"a"['],
    ),
    ('root ::= e\ne ::= "é" e "è" | "é"', ["é", "ééè"], ["éè", "è"]),
    ('root ::= a b\na ::= "x" | "x" a "y"\nb ::= [x-z]*', ["xy", "xxyz", "xzzz", "xxx"], ["y", "ax"]),
]


@pytest.mark.parametrize(("text", "right", "wrong"), CLOSE)
def test_lexemes_do_not_read_too_far(text: str, right: list[str], wrong: list[str]) -> None:
    assert [sentence for sentence in right if not accepts(text, sentence)] == []
    assert [sentence for sentence in wrong if accepts(text, sentence)] == []


def test_an_answer_may_end_in_all_ways_where_the_sentence_is_complete_and_only_there() -> None:
    row = make('root ::= "ab"')
    assert allowed(row) & {b""} == set() and not may_end(row)
    assert take(row, b"ab")
    assert allowed(row) == {b""} and may_end(row)
    assert row.settle(END) == END
    # With ignore_eos the row goes on.
    assert allowed(row) == {b""}


def test_special_tokens_and_ids_without_a_token_are_never_allowed() -> None:
    mask = bound_mask(make("root ::= .*"))
    tokens = vocabulary()
    silent = {token for token in range(tokens.size) if tokens.bytes_of(token) == b""} - tokens.ends
    assert len(silent) > 50 and not any(mask[token] for token in silent)
    assert not mask[tokens.token(b"\0")]
