"""What runs a model inside the worker. The Python twin of ``src/worker/backend.ts``.

    new ──load()──▶ loaded ──close()──▶ closed        load() or estimate() raises: it is closed

``session.py`` speaks the protocol and drives one of these; an engine knows nothing of frames. All of its
methods but ``stats`` are called from one thread, which also calls ``step`` for as long as it says that there is
work: MLX arrays belong to the thread that made them.

A call lives from ``generate`` until the engine has called exactly one of ``finished`` and ``failed`` for it.
Between them come ``accepted`` once and ``tokens`` any number of times, in this order.

Units:  tokens, bytes, milliseconds where a name says so.
Errors: ``LoadError`` of ``estimate`` and ``load``; whatever ``step`` raises ends the worker. What is wrong with a
        call is told to ``Sink.failed``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

Phase = Literal["starting", "loading", "idle", "prefill", "decode"]
EndReason = Literal["stop", "length", "cancelled"]
Priority = Literal["high", "normal", "low"]
LogLevel = Literal["debug", "info", "warn", "error"]
LogFields = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """What a model is loaded with. ``options`` is for one backend only; unknown ones are refused."""

    path: str
    context_tokens: int
    slots: int
    threads: int
    gpu: Literal["auto", "metal", "cuda", "vulkan", "off"]
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. ``text`` is that of all its parts, joined."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    text: str
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Messages:
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Tokens:
    ids: tuple[int, ...]


Prompt = Messages | Text | Tokens


@dataclass(frozen=True, slots=True)
class Sampling:
    """As in ``Sampling`` of ``src/core/engine.ts``, where each field's meaning is written."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    frequency_penalty: float
    presence_penalty: float
    repeat_penalty: float
    seed: int
    logit_bias: tuple[tuple[int, float], ...]
    ignore_eos: bool


@dataclass(frozen=True, slots=True)
class Grammar:
    """GBNF that holds for the answer, from its beginning or from the end of the first ``after`` in it."""

    hash: str
    text: str
    after: str | None = None


@dataclass(frozen=True, slots=True)
class GenerateJob:
    call: int
    # Whose request it is: a cached prefix is found by the tenant alone who has left it.
    tenant: str
    prompt: Prompt
    sampling: Sampling
    max_tokens: int | None
    stops: tuple[str, ...]
    grammar: Grammar | None
    echo: bool
    credit_tokens: int
    priority: Priority = "normal"


@dataclass(frozen=True, slots=True)
class Facts:
    architecture: str
    parameters: int
    file_bytes: int
    trained_context_tokens: int
    vocabulary_size: int
    chat: bool
    device: str


@dataclass(frozen=True, slots=True)
class Loaded:
    context_tokens: int
    slots: int
    facts: Facts
    # Where the time went: part of loading → ms.
    load_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Stats:
    """What a heartbeat says of the loop. ``steps`` moves while there is work, or the loop hangs."""

    phase: Phase
    steps: int
    step_ms: float
    active: int
    waiting: int
    threads: int
    gpu_bytes: int
    kv_used_tokens: int


@dataclass(frozen=True, slots=True)
class SequenceTokens:
    """Tokens of one call, with UTF-8 and stop strings settled: ``text`` may lag behind ``ids``."""

    call: int
    ids: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class CallEnd:
    call: int
    reason: EndReason
    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int
    stop: str | None = None


ErrorCode = Literal[
    "invalid_value",
    "context_length_exceeded",
    "unsupported_parameter",
    "unsupported_schema",
    "draining",
    "worker_crashed",
    "internal",
]


class CallError(Exception):
    """What is wrong with one call: the twin of ``WireError``. ``message`` is one line for its client."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        param: str | None = None,
        detail: Mapping[str, str | int] | None = None,
    ) -> None:
        super().__init__(message)
        self.code: Final = code
        self.message: Final = message
        self.param: Final = param
        self.detail: Final = detail


class LoadError(Exception):
    """Why a model cannot be loaded, in one line, with the end of what libraries have said."""

    def __init__(self, reason: str, *, log: str = "") -> None:
        super().__init__(reason)
        self.reason: Final = reason
        self.log: Final = log


class Sink(Protocol):
    """Where an engine reports to, from its own thread. None of these raises or waits."""

    def load_progress(self, fraction: float) -> None: ...

    def accepted(
        self, call: int, *, prompt_tokens: int, cached_tokens: int, prompt_text: str | None = None
    ) -> None: ...

    def tokens(self, sequences: Sequence[SequenceTokens]) -> None:
        """All that one step produced."""
        ...

    def finished(self, end: CallEnd) -> None: ...

    def failed(self, call: int, error: CallError) -> None: ...

    def log(self, level: LogLevel, message: str, fields: LogFields | None = None) -> None: ...


class Engine(Protocol):
    def estimate(self, spec: LoadSpec) -> int:
        """Bytes that a load would take, from headers alone. At most once, before ``load``."""
        ...

    def load(self, spec: LoadSpec) -> Loaded: ...

    def generate(self, job: GenerateJob) -> None: ...

    def credit(self, call: int, tokens: int) -> None:
        """Lets the call go on: it pauses when it has produced as many tokens as it has credit for."""
        ...

    def cancel(self, call: int) -> None:
        """Takes effect within one step. Unknown calls are ignored: their end may be on the way."""
        ...

    def set_threads(self, threads: int) -> None: ...

    def step(self) -> bool:
        """One decode step or one chunk of a prompt. False: there is nothing to do until something is asked."""
        ...

    def stats(self) -> Stats:
        """From any thread, at any time, in no time."""
        ...

    def close(self) -> None:
        """Ends every call as cancelled and frees the model. Idempotent."""
        ...
