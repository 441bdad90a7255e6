"""What is to be generated, read strictly. The Python twin of ``prompt``, ``sampling`` and ``grammar`` in
``src/ipc/protocol.ts``, which is the document.

Errors: ``Refused``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from .engine import GenerateJob, Grammar, Message, Messages, Prompt, Sampling, Text, Tokens, ToolCall
from .reading import (
    MAX_INTEGER,
    Refused,
    flag,
    integer,
    list_of,
    mapping,
    number,
    one_of,
    optional,
    required,
    text,
    text_of,
)

_MAX_GRAMMAR_CHARS: Final = 1024 * 1024
_MAX_AFTER_CHARS: Final = 64
_SHA_256: Final = re.compile("[0-9a-f]{64}")

_count: Final = integer(0)
_positive: Final = integer(1)


def read_job(fields: Mapping[str, Any]) -> GenerateJob:
    required(fields, "requestId", text)
    return GenerateJob(
        call=required(fields, "call", _positive),
        tenant=required(fields, "tenant", text),
        priority=required(fields, "priority", one_of("high", "normal", "low")),
        prompt=required(fields, "prompt", _read_prompt),
        sampling=required(fields, "sampling", _read_sampling),
        max_tokens=optional(fields, "maxTokens", _count),
        stops=required(fields, "stops", list_of(text_of(1, MAX_INTEGER))),
        grammar=optional(fields, "grammar", _read_grammar),
        echo=required(fields, "echo", flag),
        credit_tokens=required(fields, "creditTokens", _positive),
    )


def _read_prompt(value: Any) -> Prompt:
    """The first kind that it is, in this order, as in a union of zod."""
    fields = mapping(value)
    refused = Refused("messages, text or tokens are expected")
    for read in (_read_messages, _read_text, _read_tokens):
        try:
            return read(fields)
        except Refused as error:
            # What is wrong with the one that is there says more than what else it is not.
            if len(error.path) > 1 or error.rule != "it is missing":
                refused = error
    raise refused


def _read_messages(fields: Mapping[str, Any]) -> Messages:
    return Messages(required(fields, "messages", list_of(_read_message)))


def _read_text(fields: Mapping[str, Any]) -> Text:
    return Text(required(fields, "text", text))


def _read_tokens(fields: Mapping[str, Any]) -> Tokens:
    return Tokens(required(fields, "tokens", _read_ids))


def _read_ids(value: Any) -> tuple[int, ...]:
    # There may be millions: looked at without a step of ours for each.
    if isinstance(value, list) and set(map(type, value)) == {int} and min(value) >= 0 and max(value) <= MAX_INTEGER:
        return tuple(value)
    return list_of(_count)(value)


def _read_message(value: Any) -> Message:
    fields = mapping(value)
    return Message(
        role=required(fields, "role", one_of("system", "developer", "user", "assistant", "tool")),
        text="".join(required(fields, "parts", list_of(_read_part))),
        name=optional(fields, "name", text),
        tool_calls=optional(fields, "toolCalls", list_of(_read_tool_call)) or (),
        tool_call_id=optional(fields, "toolCallId", text),
    )


def _read_part(value: Any) -> str:
    fields = mapping(value)
    required(fields, "type", one_of("text"))
    return required(fields, "text", text)


def _read_tool_call(value: Any) -> ToolCall:
    fields = mapping(value)
    return ToolCall(
        id=required(fields, "id", text),
        name=required(fields, "name", text),
        arguments=required(fields, "arguments", text),
    )


def _read_sampling(value: Any) -> Sampling:
    fields = mapping(value)
    return Sampling(
        temperature=required(fields, "temperature", number(0)),
        top_p=required(fields, "topP", number(high=1, above=0)),
        top_k=required(fields, "topK", _count),
        min_p=required(fields, "minP", number(0, 1)),
        frequency_penalty=required(fields, "frequencyPenalty", number()),
        presence_penalty=required(fields, "presencePenalty", number()),
        repeat_penalty=required(fields, "repeatPenalty", number(above=0)),
        seed=required(fields, "seed", integer(0, 0xFFFF_FFFF)),
        logit_bias=required(fields, "logitBias", list_of(_read_bias)),
        ignore_eos=required(fields, "ignoreEos", flag),
    )


def _read_bias(value: Any) -> tuple[int, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise Refused("a token and a number are expected")
    return _count(value[0]), number()(value[1])


def _read_grammar(value: Any) -> Grammar:
    fields = mapping(value)
    return Grammar(
        hash=required(fields, "hash", _read_hash),
        text=required(fields, "text", text_of(1, _MAX_GRAMMAR_CHARS)),
        after=optional(fields, "after", text_of(1, _MAX_AFTER_CHARS)),
    )


def _read_hash(value: Any) -> str:
    found = text(value)
    if not _SHA_256.fullmatch(found):
        raise Refused("a SHA-256 in hexadecimal is expected")
    return found
