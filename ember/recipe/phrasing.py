"""Wordings: `<a|b>` becomes one of its alternatives, and noise makes a question look typed by hand."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

_CHOICE = re.compile(r"<([^<>]*)>")

_LEADS = ("Hey, ", "Hi, ", "Hello, ", "Please ", "Quick question: ", "Ok, ", "So, ", "Now ", "And ", "Well, ")
_ENDS = ",.:;\"'"
_TAILS = (" please", ", please", " thanks", " Thanks!", " now", " :)")


def expand(rng: random.Random, pattern: str) -> str:
    """Draws one alternative of every `<a|b|c>`, the innermost first. An empty one is allowed."""
    while True:
        found = _CHOICE.search(pattern)
        if found is None:
            return pattern
        chosen = rng.choice(found.group(1).split("|"))
        pattern = pattern[: found.start()] + chosen + pattern[found.end() :]


def phrase(rng: random.Random, patterns: Sequence[str], **values: object) -> str:
    """One wording of `patterns`, with its `{fields}` filled in after the choice was drawn."""
    return expand(rng, rng.choice(patterns)).format(**values)


def add_noise(rng: random.Random, question: str, keep: Sequence[str] = ()) -> str:
    """Sometimes a lead-in, lower case, no full stop, a lost letter. Words in `keep` stay whole."""
    first = question.split(" ")[0].strip(_ENDS)
    may_lower = all(first != kept.strip(_ENDS) for kept in keep)
    if rng.random() < 0.08:
        lead = rng.choice(_LEADS)
        question = lead + (question if lead.endswith(": ") or not may_lower else _lower(question))
    elif rng.random() < 0.10 and may_lower:
        question = _lower(question)
    if rng.random() < 0.12 and question[-1:] in ".?":
        question = question[:-1]
    if rng.random() < 0.05 and question[-1:] not in "\"'`":
        question = question.rstrip(".?!") + rng.choice(_TAILS)
    if rng.random() < 0.06:
        question = _lose_letter(rng, question, keep)
    return question


def _lower(question: str) -> str:
    return question[:1].lower() + question[1:]


def _lose_letter(rng: random.Random, question: str, keep: Sequence[str]) -> str:
    words = question.split(" ")
    places = [
        index
        for index, word in enumerate(words)
        if len(word) > 4 and word.isalpha() and word.islower() and not any(word in kept for kept in keep)
    ]
    if not places:
        return question
    place = rng.choice(places)
    at = rng.randrange(1, len(words[place]) - 1)
    words[place] = words[place][:at] + words[place][at + 1 :]
    return " ".join(words)
