"""How the two ends of a channel tell each other that they live, and a beat to do it by. The Python twin of
``src/ipc/heartbeat.ts``, ``src/ipc/beat.ts`` and ``src/core/cadence.ts``.

    beat    running ──stop()──▶ stopped

Units:  ms of the monotonic clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .timers import Timers

# Of a period. A timer may fire a little before its time: that beat has been.
_EARLY: Final = 0.25


@dataclass(frozen=True, slots=True)
class HeartbeatSettings:
    interval_ms: int
    # Heartbeats that may fail to come before the worker counts as hung.
    misses: int
    # A worker that hears nothing for so long ends itself.
    silence_limit_ms: int
    # False: silence is only warned of, on both sides.
    dependent: bool


class Beat:
    """Calls a function once each period until it is stopped. The n-th beat is due at ``start + n * period``, so that
    being late once delays nothing after it; beats whose time passed meanwhile are left out, never made up for."""

    def __init__(self, period_ms: float, timers: Timers, on_beat: Callable[[], None]) -> None:
        self._period_ms = period_ms
        self._timers = timers
        self._on_beat = on_beat
        self._start_ms = timers.now_ms()
        self._timer = timers.after(period_ms, self._beat)

    def stop(self) -> None:
        self._timer.cancel()

    def _beat(self) -> None:
        now_ms = self._timers.now_ms()
        passed = (now_ms - self._start_ms) / self._period_ms
        due_ms = self._start_ms + (math.floor(passed + _EARLY) + 1) * self._period_ms
        # Before the beat: it may stop us.
        self._timer = self._timers.after(due_ms - now_ms, self._beat)
        self._on_beat()
