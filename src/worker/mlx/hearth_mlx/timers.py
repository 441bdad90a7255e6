"""What is to be done later, on one thread.

    timer   waiting ──its time──▶ done
              `──cancel()──▶ cancelled

Units:  ms of the clock that it is given.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Timer:
    def __init__(self, act: Callable[[], None]) -> None:
        self._act: Callable[[], None] | None = act

    @property
    def is_waiting(self) -> bool:
        return self._act is not None

    def cancel(self) -> None:
        """Idempotent, also when it is done."""
        self._act = None

    def fire(self) -> None:
        act, self._act = self._act, None
        if act is not None:
            act()


class Timers:
    def __init__(self, now_ms: Callable[[], float]) -> None:
        self.now_ms = now_ms
        # (due at, order, timer): equal times in the order in which they were asked for.
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()

    def after(self, delay_ms: float, act: Callable[[], None]) -> Timer:
        timer = Timer(act)
        heapq.heappush(self._heap, (self.now_ms() + delay_ms, next(self._order), timer))
        return timer

    def wait_ms(self) -> float | None:
        """Until the next one is due, 0 when it is already; None when nothing waits."""
        while self._heap and not self._heap[0][2].is_waiting:
            heapq.heappop(self._heap)
        return max(0.0, self._heap[0][0] - self.now_ms()) if self._heap else None

    def run_due(self) -> None:
        """Those that are due now; what they ask for waits for the next time."""
        now_ms = self.now_ms()
        due = []
        while self._heap and self._heap[0][0] <= now_ms:
            due.append(heapq.heappop(self._heap)[2])
        for timer in due:
            timer.fire()
