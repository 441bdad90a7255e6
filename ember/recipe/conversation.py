"""What a row of training text is: a conversation, whose last assistant turn is also its expected answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True)
class Turn:
    """One message.

    `given`: spans (start, end) of an assistant's text, in characters, that are not trained, because
    a grammar forces them in use.
    """

    role: Role
    text: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    given: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Conversation:
    """`skill` names what its last answer shows, for the evaluation."""

    skill: str
    turns: tuple[Turn, ...]
    tools: tuple[dict[str, Any], ...] = field(default=())

    @property
    def expected(self) -> Turn:
        return self.turns[-1]


def ask(skill: str, question: str, answer: str) -> Conversation:
    return Conversation(skill, (Turn("user", question), Turn("assistant", answer)))
