"""A grammar that cannot be read or cannot be kept to: one line with what, where, and what to do."""

from __future__ import annotations


class GrammarError(ValueError):
    pass
