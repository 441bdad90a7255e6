"""Ends the worker where its main thread cannot, because it is stuck: a thread of its own looks whether the parent
is still there. A worker that is well learns of a dead parent sooner, from the end of the channel.

Units:  seconds.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Final

from .end import kill_own_group

# Orphans may live 5 s; looking costs a microsecond.
_INTERVAL_S: Final = 0.25


def start_watchdog() -> None:
    """The thread keeps nothing alive. The parent is noted here and not in the thread: one that dies while the
    thread starts would be taken for another."""
    threading.Thread(target=_watch, args=(os.getppid(),), name="watchdog", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_INTERVAL_S)
    kill_own_group()
