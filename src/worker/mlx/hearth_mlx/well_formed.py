"""Text with a UTF-8: JSON can carry half a surrogate pair, which becomes U+FFFD, as it does in JavaScript. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from .engine import Message

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def well_formed(text: str) -> str:
    return _LONE_SURROGATE.sub("\ufffd", text)


def well_formed_message(message: Message) -> Message:
    return replace(
        message,
        text=well_formed(message.text),
        name=None if message.name is None else well_formed(message.name),
        tool_call_id=None if message.tool_call_id is None else well_formed(message.tool_call_id),
        tool_calls=tuple(
            replace(call, id=well_formed(call.id), name=well_formed(call.name), arguments=well_formed(call.arguments))
            for call in message.tool_calls
        ),
    )
