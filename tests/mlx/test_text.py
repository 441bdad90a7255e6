"""The cases of ``tests/unit/worker/text/assembler.test.ts``, on the Python twin."""

from __future__ import annotations

import random

from hearth_mlx.text import Settled, TextAssembler

LETTERS = ["a", "b", "ä", "字", "😀", "\n", "\ufeff"]


def assemble(pieces: list[bytes], stops: list[str]) -> tuple[str, str | None]:
    assembler = TextAssembler(stops)
    text, stop = "", None
    for piece in pieces:
        settled = assembler.push(piece)
        text += settled.text
        stop = stop or settled.stop
    return text + assembler.flush(), stop


def reference(data: bytes, stops: list[str]) -> tuple[str, str | None]:
    """The whole text at once: the stop that is complete first, the longer one of two."""
    text = data.decode("utf-8", "replace")
    found = [(text.index(stop) + len(stop), text.index(stop), stop) for stop in stops if stop and stop in text]
    if not found:
        return text, None
    _, start, stop = min(found)
    return text[:start], stop


def split(data: bytes, chance: random.Random) -> list[bytes]:
    cuts = sorted(chance.randint(0, len(data)) for _ in range(chance.randint(0, 30)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def test_gives_the_same_as_the_whole_text_at_once_at_any_token_borders() -> None:
    chance = random.Random(1)
    for _ in range(2000):
        data = "".join(chance.choices(LETTERS, k=chance.randint(0, 40))).encode()
        stops = ["".join(chance.choices(LETTERS, k=chance.randint(1, 5))) for _ in range(chance.randint(0, 4))]
        assert assemble(split(data, chance), stops) == reference(data, stops)


def test_replaces_what_is_no_utf8_at_any_borders() -> None:
    chance = random.Random(2)
    for _ in range(2000):
        pool = chance.choice([range(256), [0xF0, 0x9F, 0x98, 0x80, 0xE5, 0xAD, 0xC3, 0xA4, 0x61, 0xFF]])
        data = bytes(chance.choices(list(pool), k=chance.randint(0, 40)))
        assert assemble(split(data, chance), []) == (data.decode("utf-8", "replace"), None)


def test_replaces_as_the_whatwg_decoder_does() -> None:
    # From its definition: one U+FFFD for the longest beginning of a character that is there.
    for data, text in [
        (b"\xe0\x80a", "\ufffd\ufffda"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"\xf0\x9f\x98a", "\ufffda"),
        (b"\xf4\x90\x80\x80", "\ufffd" * 4),
        (b"\xc0\xaf", "\ufffd\ufffd"),
        (b"\xf0\x9f", "\ufffd"),
        (b"\xef\xbb\xbfa", "\ufeffa"),
    ]:
        assert assemble([data], []) == (text, None)
        assert assemble([data[n : n + 1] for n in range(len(data))], []) == (text, None)


def test_holds_back_what_may_become_a_stop_string_and_gives_it_out_once_it_cannot() -> None:
    assembler = TextAssembler(["</end>"])
    assert assembler.push(b"one</e") == Settled("one")
    assert assembler.push(b"lse") == Settled("</else")
    assert assembler.push(b"<</en") == Settled("<")
    assert assembler.push(b"d>never") == Settled("", "</end>")
    assert assembler.push(b"seen") == Settled("")
    assert assembler.flush() == ""


def test_ends_at_the_stop_that_is_complete_first() -> None:
    assert assemble([b"abcd"], ["abcd", "bc"]) == ("a", "bc")
    assert assemble([b"abcd"], ["cd", "bcd"]) == ("a", "bcd")
    assert assemble([b"abcd"], [""]) == ("abcd", None)


def test_stays_linear_on_a_stop_string_that_nearly_matches_all_the_time() -> None:
    assembler = TextAssembler(["a" * 20_000 + "b"])
    length = sum(len(assembler.push(b"a").text) for _ in range(40_000))
    assert length + len(assembler.flush()) == 40_000
