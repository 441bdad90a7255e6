"""When tokens leave the worker. The Python twin of ``src/worker/output.ts``.

The first token of a call leaves at once, because somebody waits for it. Later ones are gathered into one ``step``
for all calls: every write wakes the orchestrator, and it and the engine share the processor. What is gathered leaves
with any first token and before the end of its call is told, so order per call is kept.

Bounds: a call gathers no more than its credit, for GATHER_MS at most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from . import from_worker
from .engine import SequenceTokens
from .timers import Timer, Timers

# Within 5 to 15 ms: shorter slows decoding down, longer shows as bursts.
GATHER_MS: Final = 15


@dataclass(slots=True)
class _Gathered:
    ids: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


class Output:
    def __init__(self, send: Callable[[from_worker.Report], None], timers: Timers) -> None:
        self._send = send
        self._timers = timers
        # Calls whose first token has left.
        self._started: set[int] = set()
        self._gathered: dict[int, _Gathered] = {}
        self._timer: Timer | None = None

    def tokens(self, sequences: Sequence[SequenceTokens]) -> None:
        is_first = False
        for one in sequences:
            if not one.ids and not one.text:
                continue
            gathered = self._gathered.setdefault(one.call, _Gathered())
            gathered.ids += one.ids
            gathered.texts.append(one.text)
            if one.call not in self._started:
                self._started.add(one.call)
                is_first = True
        if is_first:
            self.flush()
        elif self._gathered and self._timer is None:
            self._timer = self._timers.after(GATHER_MS, self.flush)

    def end(self, call: int) -> None:
        """To be called before the end of the call is told."""
        if call in self._gathered:
            self.flush()
        self._started.discard(call)

    def flush(self) -> None:
        """Sends what is gathered, for all calls: one more in the frame costs nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._gathered:
            return
        gathered, self._gathered = self._gathered, {}
        self._send(
            from_worker.step(
                SequenceTokens(call=call, ids=tuple(one.ids), text="".join(one.texts)) for call, one in gathered.items()
            )
        )
