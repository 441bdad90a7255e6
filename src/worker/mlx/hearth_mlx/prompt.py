"""A request's prompt as token ids, checked against the slot before anything is computed.

The twin of ``src/worker/backends/llama-cpp/prompt.ts``.

Shapes: ids of tokens that the vocabulary has; at least one.
Errors: ``CallError``: context_length_exceeded names both numbers; invalid_value for a token id that the vocabulary
        does not have, and for a prompt without any token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from .encoder import Encoder
from .engine import CallError, Message, Messages, Prompt, Text, Tokens
from .model import ReadPrompt
from .template import ChatTemplate, Rendered
from .vocabulary import TokenizerVocabulary
from .well_formed import well_formed, well_formed_message

# Beginnings that other prompts may share are looked for at so many messages from either end: each costs a rendering.
_BORDER_MESSAGES: Final = 4

Spans = list[tuple[int, int]]


class TemplatePrompts:
    """Implements ``model.PromptReader``."""

    def __init__(
        self, *, encoder: Encoder, vocabulary: TokenizerVocabulary, template: ChatTemplate, bos: int | None
    ) -> None:
        self._encoder = encoder
        self._vocabulary = vocabulary
        self._template = template
        self._bos = bos

    def read(self, prompt: Prompt, context_tokens: int) -> ReadPrompt:
        match prompt:
            case Tokens(ids):
                read = ReadPrompt(ids, "")
            case Text(text):
                ids, _ = self._tokenize([well_formed(text)], context_tokens, "prompt")
                read = ReadPrompt(ids, text)
            case Messages(messages):
                read = self._read_messages(messages, context_tokens)
        param = "messages" if isinstance(prompt, Messages) else "prompt"
        self._check_known(read.ids)
        if not read.ids:
            raise CallError("invalid_value", f"{param} holds no text", param=param)
        if len(read.ids) >= context_tokens:
            raise _too_long(f"{len(read.ids)}", context_tokens, param)
        if isinstance(prompt, Text):
            return read
        return ReadPrompt(read.ids, self._vocabulary.decode(read.ids), read.borders)

    def _read_messages(self, messages: Sequence[Message], context_tokens: int) -> ReadPrompt:
        rendered = self._template.render([well_formed_message(message) for message in messages])
        ids, spans = self._tokenize(rendered.guard.split(rendered.text), context_tokens, "messages")
        if len(ids) >= context_tokens:
            return ReadPrompt(ids, "")
        return ReadPrompt(ids, "", self._borders(rendered, spans, len(ids)))

    def _tokenize(self, pieces: Sequence[str], context_tokens: int, param: str) -> tuple[tuple[int, ...], Spans]:
        # A text this long cannot fit whatever it says; tokenising it would hold up everybody's streams.
        least = math.ceil(sum(len(piece) for piece in pieces) / self._vocabulary.longest_token_bytes)
        if least >= context_tokens:
            raise _too_long(f"at least {least}", context_tokens, param)
        ids: list[int] = []
        spans: Spans = []
        at = 0
        for piece in pieces:
            encoded = self._encoder.encode(piece, is_first=at == 0)
            ids += encoded.ids
            spans += [(at + begin, at + end) for begin, end in encoded.spans]
            at += len(piece)
        # Templates write it themselves as a rule; twice would be a different prompt.
        if self._bos is not None and ids[:1] != [self._bos]:
            ids.insert(0, self._bos)
            spans.insert(0, (0, 0))
        return tuple(ids), spans

    def _borders(self, rendered: Rendered, spans: Spans, length: int) -> tuple[int, ...]:
        count = len(rendered.messages)
        borders: set[int] = set()
        for messages in {*range(1, _BORDER_MESSAGES + 1), *range(count - _BORDER_MESSAGES + 1, count + 1)}:
            if not 0 < messages <= count:
                continue
            beginning = self._template.render_beginning(rendered, messages)
            if beginning is None:
                continue
            border = _tokens_within(spans, len(beginning) - beginning.count(rendered.guard.breaker))
            if border is not None and 0 < border < length:
                borders.add(border)
        return tuple(sorted(borders))

    def _check_known(self, ids: Sequence[int]) -> None:
        for index, token in enumerate(ids):
            if not self._vocabulary.has(token):
                raise CallError(
                    "invalid_value",
                    f"prompt token {index} is {token}, this model has ids from 0 to {self._vocabulary.last}",
                    param="prompt",
                )


def _tokens_within(spans: Spans, chars: int) -> int | None:
    """How many tokens the first characters are; None where a token stands across their end."""
    count = len(spans)
    while count > 0 and spans[count - 1][0] >= chars:
        count -= 1
    return None if count > 0 and spans[count - 1][1] > chars else count


def _too_long(prompt_tokens: str, context_tokens: int, param: str) -> CallError:
    return CallError(
        "context_length_exceeded",
        f"the prompt has {prompt_tokens} tokens, and a slot of this model holds {context_tokens}, "
        "one of them for the answer; shorten the prompt or raise context_tokens",
        param=param,
        detail={"contextTokens": context_tokens},
    )
