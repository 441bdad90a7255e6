"""What a worker says, as it stands in frames. The Python twin of ``FromWorker`` in ``src/ipc/protocol.ts``, which is
the document.

Units:  as there: the names carry them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .engine import CallEnd, Loaded, LogFields, LogLevel, SequenceTokens, Stats

Report = dict[str, Any]


def hello(*, version: int, run_id: str, backend: str, build: str, pid: int) -> Report:
    return {
        "type": "hello",
        "version": version,
        "runId": run_id,
        "backend": backend,
        "build": build,
        "pid": pid,
    }


def estimated(need_bytes: int) -> Report:
    return {"type": "estimated", "needBytes": need_bytes}


def load_progress(fraction: float) -> Report:
    return {"type": "load_progress", "fraction": fraction}


def loaded(found: Loaded) -> Report:
    facts = found.facts
    return {
        "type": "loaded",
        "contextTokens": found.context_tokens,
        "slots": found.slots,
        "facts": {
            "architecture": facts.architecture,
            "parameters": facts.parameters,
            "fileBytes": facts.file_bytes,
            "trainedContextTokens": facts.trained_context_tokens,
            "vocabularySize": facts.vocabulary_size,
            "chat": facts.chat,
            "device": facts.device,
        },
        "loadMs": dict(found.load_ms),
    }


def load_failed(reason: str, log: str) -> Report:
    return {"type": "load_failed", "reason": reason, "log": log}


def accepted(call: int, *, prompt_tokens: int, cached_tokens: int, prompt_text: str | None) -> Report:
    return {
        "type": "accepted",
        "call": call,
        "promptTokens": prompt_tokens,
        "cachedTokens": cached_tokens,
        **_given(promptText=prompt_text),
    }


def step(sequences: Iterable[SequenceTokens]) -> Report:
    said = [{"call": one.call, "ids": list(one.ids), "text": one.text} for one in sequences]
    return {"type": "step", "sequences": said}


def finished(end: CallEnd) -> Report:
    return {
        "type": "finished",
        "call": end.call,
        "reason": end.reason,
        **_given(stop=end.stop),
        "promptTokens": end.prompt_tokens,
        "cachedTokens": end.cached_tokens,
        "generatedTokens": end.generated_tokens,
    }


def failed(
    call: int,
    code: str,
    message: str,
    *,
    param: str | None = None,
    detail: Mapping[str, str | int] | None = None,
) -> Report:
    """``code`` is one of CATALOGUE in ``src/core/errors.ts``."""
    error = {"code": code, "message": message, **_given(param=param, detail=dict(detail) if detail else None)}
    return {"type": "failed", "call": call, "error": error}


def heartbeat(stats: Stats, *, rss_bytes: int) -> Report:
    return {
        "type": "heartbeat",
        "phase": stats.phase,
        "steps": stats.steps,
        "stepMs": stats.step_ms,
        "active": stats.active,
        "waiting": stats.waiting,
        "rssBytes": rss_bytes,
        "threads": stats.threads,
        "gpuBytes": stats.gpu_bytes,
        "kvUsedTokens": stats.kv_used_tokens,
    }


def drained() -> Report:
    return {"type": "drained"}


def log(level: LogLevel, message: str, fields: LogFields | None = None) -> Report:
    return {"type": "log", "level": level, "message": message, **_given(fields=dict(fields) if fields else None)}


def _given(**fields: object) -> Report:
    """Those that there are: null is not absent."""
    return {name: value for name, value in fields.items() if value is not None}
