"""Messages to the text that a model reads, by the model's own chat template. The twin of ``prompt/render.ts``.

Templates are code from the model's folder: they run in the sandbox of transformers, which gives them what they
expect (``raise_exception``, ``strftime_now``, ``tojson``, loop controls) and nothing else.

Errors: ``CallError`` when the model has no template, or its template refuses the messages.
Source: ``transformers.utils.chat_template_utils``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from transformers.utils.chat_template_utils import render_jinja_template

from .engine import CallError, Message
from .guard import Guard
from .vocabulary import Specials

_MAX_REASON_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class Rendered:
    guard: Guard
    # With the guard's breaker in it.
    text: str
    messages: tuple[dict[str, Any], ...]


class ChatTemplate:
    def __init__(self, template: str | None, *, bos_text: str, eos_text: str, specials: Specials) -> None:
        """``template``: None for base models."""
        self._template = template
        self._texts: dict[str, Any] = {"bos_token": bos_text, "eos_token": eos_text}
        self._specials = specials

    def render(self, messages: Sequence[Message]) -> Rendered:
        """The conversation and the opening of the assistant's next turn."""
        if self._template is None:
            raise CallError(
                "invalid_value",
                "This model has no chat template, so it cannot read messages. Use /v1/completions.",
                param="messages",
            )
        try:
            guard = Guard(
                control=self._specials.control, marks=self._specials.marks, request=list(_strings_of(messages))
            )
            turns = tuple(_to_turn(message, guard) for message in messages)
            return Rendered(guard, self._render(self._template, turns, opens_answer=True), turns)
        except Exception as error:
            # A template may fail in any way that Python knows.
            reason = str(error) or type(error).__name__
            raise CallError(
                "invalid_value",
                f"The model's chat template refuses these messages: {reason[:_MAX_REASON_CHARS]}",
                param="messages",
            ) from error

    def render_beginning(self, rendered: Rendered, messages: int) -> str | None:
        """The text of the first few messages alone, where the whole begins with it."""
        assert self._template is not None
        try:
            text = self._render(self._template, rendered.messages[:messages], opens_answer=False)
        except Exception:
            # Many templates want to see a user's turn at the end. Then there is no such beginning.
            return None
        return text if rendered.text.startswith(text) else None

    def _render(self, template: str, turns: Sequence[dict[str, Any]], *, opens_answer: bool) -> str:
        # It also returns which parts are the assistant's, and is declared to return a text.
        result: Any = render_jinja_template(
            conversations=[list(turns)], chat_template=template, add_generation_prompt=opens_answer, **self._texts
        )
        return str(result[0][0])


def _strings_of(messages: Sequence[Message]) -> Iterator[str]:
    for message in messages:
        yield message.text
        yield message.name or ""
        yield message.tool_call_id or ""
        for call in message.tool_calls:
            yield from (call.id, call.name, call.arguments)


def _to_turn(message: Message, guard: Guard) -> dict[str, Any]:
    own = message.role == "assistant"
    turn: dict[str, Any] = {
        # Templates know `system`; `developer` is its name in newer clients.
        "role": "system" if message.role == "developer" else message.role,
        "content": guard.protect(message.text, own=own),
    }
    if message.name is not None:
        turn["name"] = guard.protect(message.name)
    if message.tool_call_id is not None:
        turn["tool_call_id"] = guard.protect(message.tool_call_id)
    if message.tool_calls:
        turn["tool_calls"] = [
            {
                "id": guard.protect(call.id, own=own),
                "type": "function",
                "function": {
                    "name": guard.protect(call.name, own=own),
                    "arguments": _to_arguments(guard.protect(call.arguments, own=own)),
                },
            }
            for call in message.tool_calls
        ]
    return turn


def _to_arguments(text: str) -> Any:
    """Templates print arguments with ``tojson``, so they get the object; text that is no JSON stays text."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        # Models do write broken JSON, and clients send it back: the template then sees the text.
        return text


def _refuse_constant(name: str) -> NoReturn:
    """NaN and the infinities are Python's own: JSON has no such numbers."""
    raise ValueError(name)
