"""Which calls run, and what the engine reports of them: no call ends twice, and what was gathered of it leaves
before its end.

Errors: an engine that reports on a call which is not running breaks its contract: that is logged as an error and not
        sent on, because the orchestrator may not hear of a call twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import from_worker
from .engine import CallEnd, CallError, SequenceTokens
from .output import Output
from .timers import Timers


class Calls:
    def __init__(
        self, send: Callable[[from_worker.Report], None], timers: Timers, on_last_end: Callable[[], None]
    ) -> None:
        self._send = send
        self._on_last_end = on_last_end
        self._output = Output(send, timers)
        self._running: set[int] = set()

    def __len__(self) -> int:
        return len(self._running)

    def __contains__(self, call: int) -> bool:
        return call in self._running

    def begin(self, call: int) -> None:
        self._running.add(call)

    def flush(self) -> None:
        self._output.flush()

    def accepted(self, call: int, *, prompt_tokens: int, cached_tokens: int, prompt_text: str | None = None) -> None:
        if self._is_running(call, "accepted"):
            self._send(
                from_worker.accepted(
                    call, prompt_tokens=prompt_tokens, cached_tokens=cached_tokens, prompt_text=prompt_text
                )
            )

    def tokens(self, sequences: Sequence[SequenceTokens]) -> None:
        self._output.tokens([one for one in sequences if self._is_running(one.call, "tokens")])

    def finished(self, end: CallEnd) -> None:
        self._ended(end.call, from_worker.finished(end))

    def failed(self, call: int, error: CallError) -> None:
        report = from_worker.failed(call, error.code, error.message, param=error.param, detail=error.detail)
        self._ended(call, report)

    def _ended(self, call: int, report: from_worker.Report) -> None:
        if not self._is_running(call, report["type"]):
            return
        self._running.discard(call)
        self._output.end(call)
        self._send(report)
        if not self._running:
            self._on_last_end()

    def _is_running(self, call: int, what: str) -> bool:
        if call in self._running:
            return True
        message = f'The backend reported "{what}" for a call that is not running; it was dropped.'
        self._send(from_worker.log("error", message, {"call": call}))
        return False
