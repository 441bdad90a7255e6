"""Whether the orchestrator still speaks: one that is stopped keeps the channel open, so its end is not heard, and a
worker without it holds memory that nobody can use. Pure. The Python twin of ``src/worker/parent-silence.ts``.

A look that comes late means that this process itself did not run (the machine slept, or a debugger held it): time
starts anew then.

Units:  ms of the monotonic clock.
"""

from __future__ import annotations

from typing import Final, Literal

from .heartbeat import HeartbeatSettings

# Looks that may be late, in periods, before it counts as not having run.
_LATE_PERIODS: Final = 2


class ParentSilence:
    def __init__(self, settings: HeartbeatSettings, now_ms: float) -> None:
        self._settings = settings
        self._heard_ms = now_ms
        self._looked_ms = now_ms
        self._is_told = False

    def heard(self, now_ms: float) -> None:
        self._heard_ms = now_ms
        self._is_told = False

    def look(self, now_ms: float) -> Literal["end", "warn"] | None:
        """Once each interval. ``warn`` comes once per silence."""
        is_late = now_ms - self._looked_ms > _LATE_PERIODS * self._settings.interval_ms
        self._looked_ms = now_ms
        if is_late:
            self._heard_ms = now_ms
        if now_ms - self._heard_ms <= self._settings.silence_limit_ms or self._is_told:
            return None
        if self._settings.dependent:
            return "end"
        self._is_told = True
        return "warn"
