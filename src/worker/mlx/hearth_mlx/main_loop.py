"""What the main thread does, in turns: reads and writes when it can without waiting, runs what other threads and
signal handlers have handed over, and what is due.

    one turn    before_wait · wait for bytes, a hand-over or a timer · bytes · hand-overs · timers

Nothing here waits but the one ``select``. ``post`` may be called by every thread and by signal handlers; all else
belongs to the main thread.

Units:  ms of the monotonic clock.
Errors: what is raised by what it calls ends the turn, and the next one may be begun.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from .timers import Timers

# A wait without an end, or one of years, is cut to this: more than that does not fit into what select takes.
_MAX_WAIT_MS: Final = 60_000
_WAKE_READ_BYTES: Final = 4_096

Act = Callable[[], None]


class MainLoop:
    def __init__(self) -> None:
        self.timers: Final = Timers(lambda: time.monotonic() * 1000)
        self._selector = selectors.DefaultSelector()
        self._posted: deque[Act] = deque()
        self._is_woken = False
        reader, self._waker = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(self._waker, False)
        self._selector.register(reader, selectors.EVENT_READ, lambda _: self._slept(reader))

    def post(self, act: Act) -> None:
        """Has it run by the main thread, in the order of posting. Never waits."""
        self._posted.append(act)
        if self._is_woken:
            return
        # Before the write: whoever clears it looks into the queue afterwards, so nothing is left lying.
        self._is_woken = True
        os.write(self._waker, b"\0")

    def watch(self, fd: int, on_ready: Callable[[int], None], events: int) -> None:
        """``events`` of selectors; 0: not any more."""
        is_watched = fd in self._selector.get_map()
        if events and is_watched:
            self._selector.modify(fd, events, on_ready)
        elif events:
            self._selector.register(fd, events, on_ready)
        elif is_watched:
            self._selector.unregister(fd)

    def catch(self, number: signal.Signals, act: Act) -> None:
        """Has the main thread do it when the signal comes, whichever thread the system tells."""
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(number, lambda *_: self.post(act))

    def turn(self, before_wait: Act) -> None:
        before_wait()
        for key, events in self._selector.select(self._wait_ms() / 1000):
            key.data(events)
        # As many as there are now: who posts without end must not keep timers from their time.
        for _ in range(len(self._posted)):
            self._posted.popleft()()
        self.timers.run_due()

    def _wait_ms(self) -> float:
        if self._posted:
            return 0
        wait_ms = self.timers.wait_ms()
        return _MAX_WAIT_MS if wait_ms is None else min(wait_ms, _MAX_WAIT_MS)

    def _slept(self, reader: int) -> None:
        os.read(reader, _WAKE_READ_BYTES)
        self._is_woken = False
