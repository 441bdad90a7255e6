"""The byte-level BPE tokeniser: trained on the recipe's own text, so that copying is token copying.

Merges never contain a space, except for common lower-case " word"s, whose merges come last. A name has
therefore the same tokens after a space, a quote or a bracket. llama.cpp splits as its `smollm`
pre-tokeniser: single digits, then GPT-2's rule.

Errors  ValueError where the text gives fewer merges than asked for.
"""

from __future__ import annotations

import collections
import json
from collections.abc import Iterable, Iterator

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from . import mix
from .template import END, END_OF_TEXT, MARKS, START, render

CONTROL = (END_OF_TEXT, START, END)
SPACE = "\u0120"  # How byte-level BPE writes a space.
MERGES = 1244
SPACED_WORDS = 504
# 256 bytes, the merges, the spaced words, three control tokens and six marks.
VOCABULARY = 256 + MERGES + SPACED_WORDS + len(CONTROL) + len(MARKS)
_SAMPLE_ROWS = 60_000
_SEED = 7


def texts(rows: int = _SAMPLE_ROWS, seed: int = _SEED) -> Iterator[str]:
    stream = mix.stream(seed)
    for _ in range(rows):
        for piece in render(next(stream)):
            yield piece.text


def _pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )


def train() -> Tokenizer:
    # First pass: no token may hold a space, so the space is split off before merges are counted.
    first = Tokenizer(models.BPE())
    first.pre_tokenizer = pre_tokenizers.Sequence([_pre_tokenizer(), pre_tokenizers.Split(Regex(SPACE), "isolated")])
    special = [*CONTROL, *MARKS]
    trainer = trainers.BpeTrainer(
        vocab_size=256 + MERGES + len(special),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=special,
        show_progress=False,
    )
    first.train_from_iterator(texts(), trainer)
    merges = [tuple(merge) for merge in json.loads(first.to_str())["model"]["merges"]]
    if len(merges) != MERGES:
        raise ValueError(f"the text gives {len(merges)} merges, not {MERGES}")

    # Second pass: the commonest lower-case words that are one token get a token with their space.
    known = set(first.get_vocab())
    counts = _count_spaced_words(known)
    spaced = [word for word, _ in counts.most_common(SPACED_WORDS)]
    if len(spaced) != SPACED_WORDS:
        raise ValueError(f"the text gives {len(spaced)} words with a space, not {SPACED_WORDS}")
    merges += [(SPACE, word) for word in spaced]
    return build(merges)


def _count_spaced_words(known: set[str]) -> collections.Counter[str]:
    split = _pre_tokenizer()
    counts: collections.Counter[str] = collections.Counter()
    for text in texts():
        for word, _ in split.pre_tokenize_str(text):
            if word.startswith(SPACE) and word[1:].islower() and word[1:].isalpha() and word[1:] in known:
                counts[word[1:]] += 1
    return counts


def build(merges: Iterable[tuple[str, str]]) -> Tokenizer:
    """The tokeniser of `merges`. Ids: bytes, merges in order, control tokens, marks."""
    merges = list(merges)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, *(left + right for left, right in merges), *CONTROL, *MARKS]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = _pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in MARKS])
    return tokenizer
