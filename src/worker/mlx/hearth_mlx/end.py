"""Ways for a worker process to end. The Python twin of ``src/worker/end.ts``.

Source: the numbers are those of sysexits.h.
"""

from __future__ import annotations

import os
import signal
from typing import Final, NoReturn

EXIT_USAGE: Final = 64
# A fault of ours.
EXIT_SOFTWARE: Final = 70
# The other side did not keep to the protocol.
EXIT_PROTOCOL: Final = 76


def kill_own_group() -> NoReturn:
    """SIGKILL to the whole process group: nothing a library has started outlives it, and no destructor runs under
    a native call.

    A group with our pid as its id is one that we lead. Where there is none (the worker was started by hand from a
    shell) only this process ends, not the shell's other children.
    """
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable: SIGKILL cannot be survived")
