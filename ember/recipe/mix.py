"""What a stream of training rows is made of, and in which shares.

The shares follow a measured first recipe: dense lists of sums are what teaches arithmetic, long rows
need only 4 % of the rows to be a quarter of the tokens.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from .conversation import Conversation, Turn
from .skills import copying, knowledge, long, numbers, objects, server, talk, tools

Skill = Callable[..., Conversation]

# Draws in a chat row.
CHAT: tuple[tuple[Skill, int], ...] = (
    (copying.copy, 20),
    (copying.recall, 10),
    (copying.introduce, 3),
    (numbers.written_sum, 14),
    (numbers.list_of_sums, 8),
    (numbers.word_problem, 5),
    (numbers.thought_sum, 2),
    (numbers.count, 6),
    (numbers.name_n_things, 4),
    (numbers.compare, 4),
    (knowledge.capital, 7),
    (knowledge.country_of, 3),
    (knowledge.fact, 8),
    (talk.who_are_you, 7),
    (talk.greet, 5),
    (talk.small_talk, 3),
    (talk.off_topic, 8),
    (talk.noise, 3),
    (server.server_help, 11),
    (objects.json_person, 11),
    (objects.json_object, 4),
)
_SKILLS = tuple(skill for skill, _ in CHAT)
_WEIGHTS = tuple(weight for _, weight in CHAT)

_SYSTEMS = (
    "You are a helpful assistant.", "You are a helpful, honest and concise assistant.", "You are Ember.", "Be brief.",
    "You are a helpful AI assistant. Answer the user's questions.", "Answer shortly.", "You are a friendly assistant.",
)  # fmt: skip


def chat_skill(rng: random.Random) -> Conversation:
    return rng.choices(_SKILLS, _WEIGHTS)[0](rng)


def _with_system(rng: random.Random, conversation: Conversation) -> Conversation:
    if rng.random() > 0.2:
        return conversation
    turns = (Turn("system", rng.choice(_SYSTEMS)), *conversation.turns)
    return Conversation(conversation.skill, turns, conversation.tools)


def _chat(rng: random.Random) -> Conversation:
    kind = rng.random()
    if kind < 0.62:
        return chat_skill(rng)
    if kind < 0.74:
        fillers = [chat_skill(rng) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
        return copying.name_over_turns(rng, False, fillers)
    return long.many_turns(rng, [chat_skill(rng) for _ in range(rng.randint(2, 4))])


def _tools(rng: random.Random) -> Conversation:
    kind = rng.random()
    if kind < 0.58:
        return tools.tool_call(rng)
    if kind < 0.86:
        return tools.tool_result(rng)
    return tools.no_call(rng, chat_skill(rng))


def _long(rng: random.Random) -> Conversation:
    kind = rng.random()
    if kind < 0.65:
        return long.needle(rng, rng.randint(300, 1700))
    if kind < 0.85:
        fillers = [chat_skill(rng) for _ in range(rng.randint(8, 24))]
        return copying.name_over_turns(rng, False, fillers) if rng.random() < 0.5 else long.many_turns(rng, fillers)
    return tools.tool_chain(rng, rng.randint(3, 7))


def draw(rng: random.Random) -> Conversation:
    kind = rng.random()
    if kind < 0.70:
        conversation = _chat(rng)
    elif kind < 0.89:
        conversation = _tools(rng)
    elif kind < 0.95:
        conversation = objects.forced_json(rng)
    else:
        conversation = _long(rng)
    return _with_system(rng, conversation)


def stream(seed: int) -> Iterator[Conversation]:
    """Endless, and the same for the same seed."""
    rng = random.Random(seed)
    while True:
        yield draw(rng)
