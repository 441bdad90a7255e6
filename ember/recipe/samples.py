"""Prints training rows as JSON lines: `python3 -m recipe.samples --count 300 --seed 3`.

Each has `messages` and `tools` in OpenAI's form and `text`, the row as it is trained. For reading what
the model reads, and for the test that the template says the same. Needs no package.
"""

from __future__ import annotations

import argparse
import json
from itertools import islice
from typing import Any

from . import mix
from .conversation import Conversation, Turn
from .template import render


def to_message(turn: Turn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role, "content": turn.text}
    if turn.tool_calls:
        message["tool_calls"] = [{"type": "function", "function": call} for call in turn.tool_calls]
    return message


def to_sample(conversation: Conversation) -> dict[str, Any]:
    return {
        "skill": conversation.skill,
        "messages": [to_message(turn) for turn in conversation.turns],
        "tools": list(conversation.tools),
        "text": "".join(piece.text for piece in render(conversation)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="recipe.samples", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for conversation in islice(mix.stream(options.seed), options.count):
        print(json.dumps(to_sample(conversation), ensure_ascii=False))


if __name__ == "__main__":
    main()
