"""Long rows: a needle among sentences, and a fact from many turns ago."""

from __future__ import annotations

import random

from .. import words
from ..conversation import Conversation, Turn, ask
from ..phrasing import phrase

_NEEDLES = (
    (
        "The <secret |magic |access |>code <of|for> the {thing} is {value}.",
        (
            "What is the <secret |magic |access |>code <of|for> the {thing}?",
            "Which code does the {thing} have?",
            "<Tell me|Find> the code of the {thing}.",
        ),
        "The code of the {thing} is {value}.",
    ),
    (
        "{who} lives in {city}.",
        ("Where does {who} live?", "<In which|Which> city does {who} live in?"),
        "{who} lives in {city}.",
    ),
    (
        "The {thing} is in the {place}.",
        ("Where is the {thing}?", "Where can I find the {thing}?"),
        "The {thing} is in the {place}.",
    ),
)


def needle(rng: random.Random, tokens: int, depth: float | None = None, code_only: bool = False) -> Conversation:
    """A fact at `depth` (0 the start, 1 the end) of a text of about `tokens` tokens, asked for after it."""
    statement, questions, answer = _NEEDLES[0] if code_only else rng.choice(_NEEDLES)
    fields = {
        "thing": words.THINGS.draw(rng),
        "who": words.NAMES.draw(rng),
        "city": words.CITIES.draw(rng),
        "place": words.PLACES.draw(rng),
        "value": words.code(rng),
    }
    sentences: list[str] = []
    # A plain sentence has about nine tokens; measured on the trained tokeniser.
    while len(sentences) < tokens / 9:
        one = words.sentence(rng)
        if fields["thing"] not in one and fields["who"] not in one:
            sentences.append(one + ".")
    at = round((rng.random() if depth is None else depth) * len(sentences))
    sentences.insert(at, phrase(rng, (statement,), **fields))
    lead = rng.choice(("", "", "Read this text. ", "Here is a long text: ", "Text:\n"))
    question = phrase(rng, questions, **fields)
    return ask(
        "needle", lead + " ".join(sentences) + rng.choice(("\n", "\n\n", " ")) + question, answer.format(**fields)
    )


def many_turns(rng: random.Random, fillers: list[Conversation]) -> Conversation:
    """Many exchanges, all of them trained."""
    turns: list[Turn] = []
    for filler in fillers:
        turns.extend(filler.turns)
    return Conversation("many turns", tuple(turns))
