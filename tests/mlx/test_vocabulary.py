"""What tokens are made of, for every way in which a ``tokenizer.json`` may say it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from hearth_mlx.engine import LoadError
from hearth_mlx.spelling import read_spelling
from hearth_mlx.vocabulary import TokenizerVocabulary
from tiny_models import _LINES, make_tokenizer

SIGN = "\u2581"


def sentencepiece(*, strips: bool) -> Tokenizer:
    """BPE with byte fallback, as converted from SentencePiece: Llama 2 and Mistral strip, Gemma does not."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SIGN, prepend_scheme="always")
    trained.train_from_iterator(_LINES * 4, trainers.BpeTrainer(vocab_size=400, show_progress=False))
    state = json.loads(trained.to_str())["model"]
    texts = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    texts += [text for text in state["vocab"] if text not in texts]
    tokenizer = Tokenizer(
        models.BPE(
            {text: token for token, text in enumerate(texts)},
            [tuple(merge) for merge in state["merges"]],
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    replace = normalizers.Replace(" ", SIGN)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SIGN), replace]) if strips else replace
    steps = [decoders.Replace(SIGN, " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(steps + ([decoders.Strip(" ", 1, 0)] if strips else []))
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False)])
    return tokenizer


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SIGN, prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(replacement=SIGN, prepend_scheme="first")
    trainer = trainers.UnigramTrainer(
        vocab_size=600, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(_LINES * 4, trainer)
    return tokenizer


MAKERS: dict[str, Callable[[], Tokenizer]] = {
    "byte-level": make_tokenizer,
    "sentencepiece, strips": lambda: sentencepiece(strips=True),
    "sentencepiece, keeps": lambda: sentencepiece(strips=False),
    "unigram": unigram,
}


def vocabulary_of(tokenizer: Tokenizer, *, size: int | None = None, ends: tuple[int, ...] = ()) -> TokenizerVocabulary:
    return TokenizerVocabulary(tokenizer, tokenizer.to_str(), size=size or tokenizer.get_vocab_size(), ends=ends)


def texts_for(name: str) -> list[str]:
    rng = random.Random(7)
    letters = sorted(set("".join(_LINES))) if name == "unigram" else None
    alphabet = letters or [*map(chr, range(0x20, 0x7F)), *"\n\t ", *"äßé中あЖ😀\u0301\u200d"]
    texts = ["".join(rng.choices(alphabet, k=rng.randrange(1, 40))) for _ in range(300)]
    return texts + [line[i : i + 25] for line in _LINES for i in range(0, len(line), 10)]


@pytest.mark.parametrize("name", MAKERS)
def test_the_bytes_of_tokens_joined_are_what_the_tokenizer_decodes(name: str) -> None:
    tokenizer = MAKERS[name]()
    vocabulary = vocabulary_of(tokenizer)
    for text in texts_for(name):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert vocabulary.decode(ids) == tokenizer.decode(ids), text
        # A part of it, which may begin or end inside a character.
        assert vocabulary.decode(ids[1:-1]) == tokenizer.decode(ids[1:-1]) or "\ufffd" in tokenizer.decode(ids[1:-1])


@pytest.mark.parametrize("name", ["byte-level", "sentencepiece, strips", "sentencepiece, keeps"])
def test_every_text_has_tokens_and_they_have_its_bytes(name: str) -> None:
    vocabulary = vocabulary_of(MAKERS[name](), ends=(2,))
    for text in [*texts_for(name), "<|im_end|>", "</s>", "<tool>", "", "\0"]:
        tokens = vocabulary.tokens_of(text.encode())
        assert tokens is not None
        assert b"".join(vocabulary.bytes_of(token) for token in tokens) == text.encode()
        assert 2 not in tokens
    assert vocabulary.tokens_of(b"\xf0\x9f") is not None


def test_bytes_that_no_token_has_have_no_tokens() -> None:
    assert vocabulary_of(unigram()).tokens_of("\u4e2d\u6587".encode()) is None


def test_special_tokens_and_those_that_are_none_have_no_text() -> None:
    vocabulary = vocabulary_of(make_tokenizer(), size=512, ends=(2, 600))
    assert [vocabulary.bytes_of(token) for token in (0, 1, 2)] == [b"", b"", b""]
    added = make_tokenizer().token_to_id("<think>")
    assert vocabulary.bytes_of(added) == b"<think>"
    assert vocabulary.bytes_of(511) == b""
    assert not vocabulary.has(511) and not vocabulary.has(512) and not vocabulary.has(-1) and vocabulary.has(0)
    assert vocabulary.ends == {2}
    assert vocabulary.specials.control == ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    assert vocabulary.specials.marks == ("<think>", "</think>", "<tool_call>", "</tool_call>")


def test_an_added_end_has_no_text_even_where_it_is_not_called_special() -> None:
    tokenizer = make_tokenizer()
    end = tokenizer.token_to_id("</think>")
    assert vocabulary_of(tokenizer, ends=(end,)).bytes_of(end) == b""


def test_added_runs_of_the_sign_are_spaces() -> None:
    tokenizer = sentencepiece(strips=False)
    tokenizer.add_tokens([AddedToken(SIGN * 3, normalized=False)])
    token = tokenizer.token_to_id(SIGN * 3)
    assert vocabulary_of(tokenizer).bytes_of(token) == b"   "


def test_a_token_outside_the_alphabet_of_bytes_is_its_own_text() -> None:
    spell = read_spelling({"decoder": {"type": "ByteLevel"}}).spell
    assert spell("\u0120a") == b" a"
    assert spell("<\uff5cend\uff5c>") == "<\uff5cend\uff5c>".encode()


@pytest.mark.parametrize(
    "decoder", [None, {"type": "WordPiece", "prefix": "##", "cleanup": True}, {"type": "BPEDecoder", "suffix": "</w>"}]
)
def test_refuses_a_decoder_that_needs_more_than_the_token(decoder: Any) -> None:
    with pytest.raises(LoadError, match=r"has the decoder (none|WordPiece|BPEDecoder); this build reads ByteLevel"):
        read_spelling({"decoder": decoder})
