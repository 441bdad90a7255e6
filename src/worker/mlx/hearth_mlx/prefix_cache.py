"""Beginnings of prompts that have been computed before, to be found by the tenant who left them.

A cache that can forget serves every prompt that begins as it does, for as many tokens as they share. One that
cannot (a recurrent state, a window that has moved) serves only prompts that go on where it ends; so of such
models the loop leaves checkpoints where messages end.

What is found is lent: nobody writes into its arrays, and it stays here.

Units:  tokens, bytes. The longest unused leave when ``max_bytes`` are exceeded.
Cost:   every entry of the tenant is compared with the prompt, some microseconds for ten thousand tokens: far
        less than a step. A trie of token ids would take more memory than the ids.
Errors: none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .caches import LayerCaches, bytes_of, can_forget, without_last

_Ids = npt.NDArray[np.int32]


@dataclass(slots=True, eq=False)
class _Entry:
    tenant: str
    ids: _Ids
    caches: LayerCaches
    size_bytes: int
    can_forget: bool


class PrefixCache:
    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        # The longest unused first.
        self._entries: list[_Entry] = []

    @property
    def size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self._entries)

    @property
    def tokens(self) -> int:
        return sum(len(entry.ids) for entry in self._entries)

    def find(self, tenant: str, prompt: Sequence[int]) -> tuple[int, LayerCaches | None]:
        """The longest beginning of the prompt that is here, and its caches. At least the last token of a prompt
        is not in it: somebody must compute the logits after it."""
        ids = np.asarray(prompt, dtype=np.int32)[:-1]
        best: _Entry | None = None
        length = 0
        for entry in self._entries:
            shared = _usable(entry, ids) if entry.tenant == tenant else 0
            if shared > length:
                best, length = entry, shared
        if best is None:
            return 0, None
        self._use(best)
        return length, without_last(best.caches, len(best.ids) - length)

    def store(self, tenant: str, prompt: Sequence[int], caches: LayerCaches) -> None:
        """``caches`` hold exactly these tokens."""
        ids = np.asarray(prompt, dtype=np.int32)
        size = bytes_of(caches)
        if len(ids) == 0 or size > self.max_bytes:
            return
        new = _Entry(tenant, ids, caches, size, can_forget(caches))
        longer = next((entry for entry in self._entries if _replaces(entry, new)), None)
        if longer is not None:
            self._use(longer)
            return
        self._entries = [entry for entry in self._entries if not _replaces(new, entry)]
        self._entries.append(new)
        self.limit(self.max_bytes)

    def limit(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        over = self.size_bytes - max_bytes
        while over > 0:
            over -= self._entries.pop(0).size_bytes

    def clear(self) -> None:
        self._entries.clear()

    def _use(self, entry: _Entry) -> None:
        self._entries.remove(entry)
        self._entries.append(entry)


def _usable(entry: _Entry, prompt: _Ids) -> int:
    shared = _shared(entry.ids, prompt)
    return shared if entry.can_forget or shared == len(entry.ids) else 0


def _replaces(one: _Entry, other: _Entry) -> bool:
    """Whether one serves every prompt that the other serves, as well or better."""
    if one.tenant != other.tenant or _shared(one.ids, other.ids) < len(other.ids):
        return False
    return one.can_forget or len(one.ids) == len(other.ids)


def _shared(one: _Ids, other: _Ids) -> int:
    length = min(len(one), len(other))
    differs = one[:length] != other[:length]
    return int(differs.argmax()) if differs.any() else length
