"""A loader, a vocabulary, a prompt reader, grammars and a sink for tests of the loop, and what the answer must be.

Tokens are ASCII characters: token i writes chr(i). Below 4 they are special: 2 ends an answer, 3 a message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

import mlx.core as mx
import numpy as np

from hearth_mlx.engine import (
    CallEnd,
    CallError,
    Facts,
    GenerateJob,
    Grammar,
    LoadSpec,
    LogFields,
    LogLevel,
    Messages,
    Priority,
    Prompt,
    Sampling,
    SequenceTokens,
    Text,
    Tokens,
)
from hearth_mlx.loop import MlxEngine
from hearth_mlx.model import LoadedModel, Mask, ReadPrompt, RowConstraint
from hearth_mlx.sampler import sample
from loop_models import KINDS, MORE_KINDS, SIZE, WINDOW, network

END = 2
MESSAGE_END = 3
CONTEXT = 160


class TinyVocabulary:
    size = SIZE
    ends = frozenset({END})

    def bytes_of(self, token: int) -> bytes:
        return bytes([token]) if token > MESSAGE_END else b""

    def tokens_of(self, text: bytes) -> list[int] | None:
        return list(text) if all(byte > MESSAGE_END for byte in text) else None


class TinyPrompts:
    def read(self, prompt: Prompt, context_tokens: int) -> ReadPrompt:
        borders: list[int] = []
        if isinstance(prompt, Tokens):
            ids = list(prompt.ids)
        elif isinstance(prompt, Text):
            ids = list(prompt.text.encode("ascii"))
        else:
            ids = []
            for message in prompt.messages:
                ids += [*message.text.encode("ascii"), MESSAGE_END]
                borders.append(len(ids))
            ids += list(b">")
        if len(ids) >= context_tokens:
            raise CallError("context_length_exceeded", f"{len(ids)} tokens, {context_tokens} fit", param="messages")
        return ReadPrompt(tuple(ids), "".join(chr(token % SIZE) for token in ids), tuple(borders))


class Cycle:
    """``a|b|c``: these characters in turn, forever. ``after`` this text, and free until then."""

    def __init__(self, letters: str, after: str) -> None:
        self._letters = [ord(letter) for letter in letters]
        self._after = after
        self._seen = ""
        self._count = 0

    def mask(self) -> Mask | None:
        if self._after not in self._seen:
            return None
        mask = np.zeros(SIZE, np.bool_)
        mask[self._letters[self._count % len(self._letters)]] = True
        return mask

    def settle(self, chosen: int) -> int:
        if self._after in self._seen:
            self._count += 1
        self._seen += chr(chosen)
        return chosen


class Swap:
    """Writes "q" and then "z" wherever the model has chosen an even token, and drops its next choice."""

    def __init__(self) -> None:
        self._queue: list[int] = []

    def mask(self) -> Mask | None:
        return None

    def settle(self, chosen: int) -> int:
        if not self._queue and chosen % 2 == 0:
            self._queue = [ord("q"), ord("z")]
        return self._queue.pop(0) if self._queue else chosen


class Broken:
    """Raises in ``mask`` or ``settle`` at one position."""

    def __init__(self, where: str, position: int, error: Exception) -> None:
        self._where, self._position, self._error = where, position, error
        self._count = 0

    def mask(self) -> Mask | None:
        if self._where == "mask" and self._count == self._position:
            raise self._error
        return None

    def settle(self, chosen: int) -> int:
        if self._where == "settle" and self._count == self._position:
            raise self._error
        self._count += 1
        return chosen


class TinyConstraints:
    """``slow:…`` is known only when it was prepared, which ``go_on`` lets happen."""

    def __init__(self) -> None:
        self.made = 0
        self.go_on = Event()
        self._prepared: set[str] = set()

    def knows(self, grammar: Grammar) -> bool:
        return not grammar.text.startswith("slow:") or grammar.text in self._prepared

    def prepare(self, grammar: Grammar) -> None:
        self.go_on.wait()
        if grammar.text.startswith("slow:refused"):
            raise CallError("unsupported_parameter", "cannot be written", param="response_format")
        self._prepared.add(grammar.text)

    def make(self, grammar: Grammar) -> RowConstraint:
        self.made += 1
        kind, _, rest = grammar.text.removeprefix("slow:").partition(":")
        if kind == "cycle":
            return Cycle(rest, grammar.after or "")
        if kind == "swap":
            return Swap()
        if kind == "broken":
            where, position, error = rest.split(",")
            raised = (
                RuntimeError("a bug") if error == "bug" else CallError("unsupported_parameter", "cannot be written")
            )
            return Broken(where, int(position), raised)
        raise CallError("unsupported_schema", f"no grammar {grammar.text}", param="response_format")


def grammar(text: str, after: str | None = None) -> Grammar:
    return Grammar(hash=text, text=text, after=after)


@dataclass
class Call:
    """All that a sink was told of one call."""

    accepted: dict[str, Any] | None = None
    ids: list[int] = field(default_factory=list)
    text: str = ""
    end: CallEnd | None = None
    error: CallError | None = None

    @property
    def is_over(self) -> bool:
        return self.end is not None or self.error is not None


class RecordingSink:
    """Holds an engine to the order of what it tells."""

    def __init__(self) -> None:
        self.calls: dict[int, Call] = {}
        self.logs: list[str] = []
        self.batches: list[int] = []

    def call(self, call: int) -> Call:
        return self.calls.setdefault(call, Call())

    def load_progress(self, fraction: float) -> None:
        assert 0 <= fraction <= 1

    def accepted(self, call: int, *, prompt_tokens: int, cached_tokens: int, prompt_text: str | None = None) -> None:
        assert self.call(call).accepted is None and not self.call(call).is_over
        assert cached_tokens < prompt_tokens
        self.call(call).accepted = {"prompt": prompt_tokens, "cached": cached_tokens, "text": prompt_text}

    def tokens(self, sequences: Sequence[SequenceTokens]) -> None:
        assert sequences
        self.batches.append(len(sequences))
        for one in sequences:
            assert self.call(one.call).accepted is not None and not self.call(one.call).is_over
            self.call(one.call).ids.extend(one.ids)
            self.call(one.call).text += one.text

    def finished(self, end: CallEnd) -> None:
        assert not self.call(end.call).is_over
        self.call(end.call).end = end
        assert end.generated_tokens == len(self.call(end.call).ids)

    def failed(self, call: int, error: CallError) -> None:
        assert not self.call(call).is_over
        self.call(call).error = error

    def log(self, level: LogLevel, message: str, fields: LogFields | None = None) -> None:
        self.logs.append(f"{level} {message} {dict(fields or {})}")


class TinyLoader:
    def __init__(self, model: Any) -> None:
        self._model = model
        self.constraints = TinyConstraints()

    def estimate(self, spec: LoadSpec) -> int:
        return 1

    def load(self, spec: LoadSpec, progress: Callable[[float], None]) -> tuple[LoadedModel, dict[str, float]]:
        progress(1)
        facts = Facts("tiny", 1, 1, 4096, SIZE, chat=True, device="cpu")
        model = LoadedModel(self._model, TinyVocabulary(), TinyPrompts(), self.constraints, facts, 512)
        return model, {"model": 1}


class Bench:
    """An engine with a model, and calls to it."""

    def __init__(
        self, model: str | Any = "llama", *, slots: int = 4, context: int = CONTEXT, cache: int | None = 1 << 24
    ):
        self.sink = RecordingSink()
        self.loader = TinyLoader(network(model) if isinstance(model, str) else model)
        self.engine = MlxEngine(self.sink, self.loader, prefix_cache_bytes=cache)
        self.engine.load(LoadSpec("tiny", context, slots, 1, "off"))
        self._calls = 0

    def start(self, prompt: Prompt | str, **options: Any) -> int:
        self._calls += 1
        self.engine.generate(job(self._calls, prompt, **options))
        return self._calls

    def run(self, prompt: Prompt | str, **options: Any) -> Call:
        call = self.start(prompt, **options)
        self.finish()
        return self.sink.call(call)

    def finish(self) -> None:
        steps = 0
        while self.engine.step():
            steps += 1
            assert steps < 20_000, "it does not come to an end"

    def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            assert self.engine.step(), "it stopped before that"

    def call(self, call: int) -> Call:
        return self.sink.call(call)


GREEDY = Sampling(0, 1, 0, 0, 0, 0, 1, 1, (), ignore_eos=False)


def sampling(**fields: Any) -> Sampling:
    return replace(GREEDY, **fields)


def job(
    call: int,
    prompt: Prompt | str,
    *,
    max_tokens: int | None = 12,
    tenant: str = "t",
    stops: tuple[str, ...] = (),
    grammar: Grammar | None = None,
    echo: bool = False,
    credit: int = 1 << 30,
    priority: Priority = "normal",
    **fields: Any,
) -> GenerateJob:
    read = Text(prompt) if isinstance(prompt, str) else prompt
    return GenerateJob(call, tenant, read, sampling(**fields), max_tokens, stops, grammar, echo, credit, priority)


def expected(model: str | Any, prompt: str | Prompt, tokens: int, **fields: Any) -> list[int]:
    """The answer without cache, batch or chunks: all tokens through the model for each token anew."""
    model = network(model) if isinstance(model, str) else model
    wanted = sampling(**fields)
    read = Text(prompt) if isinstance(prompt, str) else prompt
    ids = list(TinyPrompts().read(read, 1 << 30).ids)
    out: list[int] = []
    while len(out) < tokens:
        logits = model(mx.array([ids + out]))[:, -1, :].astype(mx.float32)
        logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        token = int(sample(wanted, logprobs, len(out))[0].item())
        if token == END and not wanted.ignore_eos:
            break
        out.append(token)
    return out


__all__ = ["KINDS", "MORE_KINDS", "WINDOW", "Messages", "Text", "Tokens", "network"]
