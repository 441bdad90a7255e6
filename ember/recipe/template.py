"""Renders a conversation as `chat_template.jinja` does, in pieces that say what is trained.

The tests hold that both give the same text, tools included.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from .conversation import Conversation, Turn

START = "<|im_start|>"
END = "<|im_end|>"
END_OF_TEXT = "<|endoftext|>"
MARKS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")

TOOLS_HEAD = "You may call these tools:"
TOOLS_TAIL = 'Call one with <tool_call>{"name": ..., "arguments": {...}}</tool_call>.'


@dataclass(frozen=True)
class Piece:
    """`given`: spans of `text` that are not trained though the piece is."""

    text: str
    trained: bool
    given: tuple[tuple[int, int], ...] = ()


def to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def answer_text(turn: Turn) -> str:
    """What the model writes for an assistant's turn, without its end."""
    calls = [f"<tool_call>\n{to_json(call)}\n</tool_call>" for call in turn.tool_calls]
    return "\n".join([turn.text, *calls] if turn.text else calls)


def render(conversation: Conversation) -> list[Piece]:
    pieces: list[Piece] = []
    turns = list(conversation.turns)
    if conversation.tools:
        system = turns.pop(0).text + "\n\n" if turns[0].role == "system" else ""
        tools = "\n".join(to_json(tool["function"]) for tool in conversation.tools)
        head = f"{system}{TOOLS_HEAD}\n{tools}\n{TOOLS_TAIL}"
        pieces.append(Piece(f"{START}system\n{head}{END}\n", trained=False))
    for index, turn in enumerate(turns):
        if turn.role == "assistant":
            pieces.append(Piece(f"{START}assistant\n", trained=False))
            pieces.append(Piece(answer_text(turn) + END, trained=True, given=turn.given))
            pieces.append(Piece("\n", trained=False))
        elif turn.role == "tool":
            before = turns[index - 1].role if index > 0 else None
            after = turns[index + 1].role if index + 1 < len(turns) else None
            opening = f"{START}user" if before != "tool" else ""
            closing = f"{END}\n" if after != "tool" else ""
            body = f"\n<tool_response>\n{turn.text}\n</tool_response>"
            pieces.append(Piece(opening + body + closing, trained=False))
        else:
            pieces.append(Piece(f"{START}{turn.role}\n{turn.text}{END}\n", trained=False))
    return pieces


def prompt_of(conversation: Conversation) -> str:
    """The text before the last answer, up to where the model goes on."""
    pieces = render(conversation)
    return "".join(piece.text for piece in pieces[:-2])
