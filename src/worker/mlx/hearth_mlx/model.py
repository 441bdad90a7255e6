"""A model as the loop sees it, and what the parts of the worker know of each other.

Units:  token ids in [0, ``Vocabulary.size``); bytes are UTF-8 or parts of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .engine import Facts, Grammar, Prompt

Mask = npt.NDArray[np.bool_]


class Vocabulary(Protocol):
    @property
    def size(self) -> int:
        """Width of the logits: may be more than there are tokens with a text."""
        ...

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        ...

    def bytes_of(self, token: int) -> bytes:
        """What it adds to an answer; b"" for special tokens, which no reader sees."""
        ...

    def tokens_of(self, text: bytes) -> list[int] | None:
        """Tokens whose bytes are these and nothing more, none of them special; None where there are none."""
        ...


@dataclass(frozen=True, slots=True)
class ReadPrompt:
    ids: tuple[int, ...]
    # What the model reads, as text: for ``echo``.
    text: str
    # Lengths of beginnings that other prompts may share: ends of messages. Ascending.
    borders: tuple[int, ...] = ()


class PromptReader(Protocol):
    def read(self, prompt: Prompt, context_tokens: int) -> ReadPrompt:
        """Raises ``CallError``: too long, no text, no template, no such token."""
        ...


class RowConstraint(Protocol):
    """What a grammar asks of one row. Not shared between rows."""

    def mask(self) -> Mask | None:
        """[vocabulary size]: True may come next. None: everything may."""
        ...

    def settle(self, chosen: int) -> int:
        """Takes the token that was chosen; returns the one that stands in the answer. Raises ``CallError``."""
        ...


class Constraints(Protocol):
    def knows(self, grammar: Grammar) -> bool:
        """``make`` takes no time."""
        ...

    def prepare(self, grammar: Grammar) -> None:
        """What of ``make`` may take a second, from one thread that may be another one. Raises ``CallError``."""
        ...

    def make(self, grammar: Grammar) -> RowConstraint:
        """Raises ``CallError`` for a grammar that cannot be kept to. Those used last are remembered by hash."""
        ...


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """``network(tokens [rows, n], cache) -> logits [rows, n, size]``, as mlx-lm's models are called."""

    network: Any
    vocabulary: Vocabulary
    prompts: PromptReader
    constraints: Constraints
    facts: Facts
    # For each row: of a token, in bytes. Layers that keep a window or a state count nothing here.
    kv_bytes_per_token: int
