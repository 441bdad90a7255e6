"""What the orchestrator says to a worker, read strictly. The Python twin of ``ToWorker`` in
``src/ipc/protocol.ts``, which is the document; what a worker says is in ``from_worker.py``.

Units:  ``…_ms`` milliseconds, ``…_tokens`` tokens. Integers are < 2^53; ``call`` is a positive number that the
        orchestrator never uses twice on one channel.
Errors: ``ProtocolError`` "message" for what is no message of the protocol.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from .engine import GenerateJob, LoadSpec
from .frames import ProtocolError
from .heartbeat import HeartbeatSettings
from .read_job import read_job
from .reading import Refused, flag, integer, mapping, one_of, optional, required, text, texts_by_name
from .version import VERSION

_positive: Final = integer(1)


@dataclass(frozen=True, slots=True)
class Welcome:
    type: ClassVar = "welcome"
    heartbeat: HeartbeatSettings


@dataclass(frozen=True, slots=True)
class Tick:
    """A sign of life, each heartbeat interval; any other message is one, too."""

    type: ClassVar = "tick"


@dataclass(frozen=True, slots=True)
class Estimate:
    """How much memory would it take? At most once, before ``load``."""

    type: ClassVar = "estimate"
    spec: LoadSpec


@dataclass(frozen=True, slots=True)
class Load:
    type: ClassVar = "load"
    spec: LoadSpec


@dataclass(frozen=True, slots=True)
class Generate:
    type: ClassVar = "generate"
    job: GenerateJob


@dataclass(frozen=True, slots=True)
class Credit:
    type: ClassVar = "credit"
    call: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Cancel:
    type: ClassVar = "cancel"
    call: int


@dataclass(frozen=True, slots=True)
class Threads:
    """Another number of CPU threads, from the next step on. Only after ``loaded``."""

    type: ClassVar = "threads"
    threads: int


@dataclass(frozen=True, slots=True)
class Drain:
    type: ClassVar = "drain"


@dataclass(frozen=True, slots=True)
class Shutdown:
    type: ClassVar = "shutdown"


ToWorker = Welcome | Tick | Estimate | Load | Generate | Credit | Cancel | Threads | Drain | Shutdown


def parse_to_worker(value: Any) -> ToWorker:
    kind = type_of(value)
    read = _READERS.get(kind) if kind is not None else None
    if read is None:
        raise ProtocolError("message", f"{_shown(kind)}: type: it is not known")
    try:
        return read(value)
    except Refused as refused:
        # Without the cause: its frames hold what was read, which may be a prompt.
        raise ProtocolError("message", f"{_shown(kind)}: {refused}") from None


def type_of(value: Any) -> str | None:
    found = value.get("type") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _shown(kind: str | None) -> str:
    """The type is a word of ours or noise; noise is shown, but not much of it."""
    return "A message without a type" if kind is None else json.dumps(kind[:32])


def _read_welcome(fields: Mapping[str, Any]) -> Welcome:
    required(fields, "version", integer(VERSION, VERSION))
    return Welcome(required(fields, "heartbeat", _read_heartbeat))


def _read_heartbeat(value: Any) -> HeartbeatSettings:
    fields = mapping(value)
    settings = HeartbeatSettings(
        interval_ms=required(fields, "intervalMs", _positive),
        misses=required(fields, "misses", _positive),
        silence_limit_ms=required(fields, "silenceLimitMs", _positive),
        dependent=required(fields, "dependent", flag),
    )
    # The one strict object: a setting that is not honoured must not go unnoticed.
    if len(fields) > 4:
        raise Refused("it has a key that is not known")
    return settings


def _read_spec(fields: Mapping[str, Any]) -> LoadSpec:
    return LoadSpec(
        path=required(fields, "path", text),
        context_tokens=required(fields, "contextTokens", _positive),
        slots=required(fields, "slots", _positive),
        threads=required(fields, "threads", _positive),
        gpu=required(fields, "gpu", one_of("auto", "metal", "cuda", "vulkan", "off")),
        options=optional(fields, "options", texts_by_name) or {},
    )


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], ToWorker]]] = {
    "welcome": _read_welcome,
    "tick": lambda _: Tick(),
    "estimate": lambda fields: Estimate(_read_spec(fields)),
    "load": lambda fields: Load(_read_spec(fields)),
    "generate": lambda fields: Generate(read_job(fields)),
    "credit": lambda fields: Credit(required(fields, "call", _positive), required(fields, "tokens", _positive)),
    "cancel": lambda fields: Cancel(required(fields, "call", _positive)),
    "threads": lambda fields: Threads(required(fields, "threads", _positive)),
    "drain": lambda _: Drain(),
    "shutdown": lambda _: Shutdown(),
}
