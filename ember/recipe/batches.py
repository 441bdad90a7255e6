"""Rows of like length together, padded to 32: causal, so padding on the right needs no mask.

Shapes  a batch is tokens (rows, length + 1) and trained (rows, length), which says of each next token
        whether it is trained.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from . import mix
from .conversation import Conversation
from .net import CONTEXT
from .template import render

_POOL_ROWS = 6_000
_PAD_TO = 32
_LONGEST = CONTEXT - 128


@dataclass(frozen=True)
class Batch:
    tokens: Tensor
    trained: Tensor


def encode(tokenizer: Tokenizer, conversation: Conversation) -> tuple[list[int], list[bool]]:
    tokens: list[int] = []
    trained: list[bool] = []
    for piece in render(conversation):
        encoded = tokenizer.encode(piece.text, add_special_tokens=False)
        tokens += encoded.ids
        for start, end in encoded.offsets:
            inside = any(start < until and end > since for since, until in piece.given)
            trained.append(piece.trained and not inside)
    return tokens[:_LONGEST], trained[:_LONGEST]


def micro_batches(tokenizer: Tokenizer, seed: int, batch_tokens: int) -> Iterator[Batch]:
    """Endless. The same for the same seed."""
    stream = mix.stream(seed)
    rng = random.Random(seed + 1)
    while True:
        rows = [encode(tokenizer, next(stream)) for _ in range(_POOL_ROWS)]
        rows.sort(key=lambda row: (len(row[0]), row[0]))
        batches: list[list[tuple[list[int], list[bool]]]] = [[]]
        longest = 0
        for row in rows:
            padded = _padded(len(row[0]))
            if batches[-1] and max(longest, padded) * (len(batches[-1]) + 1) > batch_tokens:
                batches.append([])
                longest = 0
            batches[-1].append(row)
            longest = max(longest, padded)
        rng.shuffle(batches)
        for batch in batches:
            yield _to_tensors(batch)


def _padded(length: int) -> int:
    return -(-length // _PAD_TO) * _PAD_TO


def _to_tensors(rows: list[tuple[list[int], list[bool]]]) -> Batch:
    length = max(_padded(len(tokens)) for tokens, _ in rows)
    tokens = torch.zeros(len(rows), length + 1, dtype=torch.long)
    trained = torch.zeros(len(rows), length, dtype=torch.bool)
    for index, (ids, mask) in enumerate(rows):
        tokens[index, : len(ids)] = torch.tensor(ids)
        trained[index, : len(ids) - 1] = torch.tensor(mask[1:])
    return Batch(tokens, trained)
