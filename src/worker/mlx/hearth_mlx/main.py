"""A worker process: ``worker --run-id=<id> --backend=mlx``, frames on fd 3. The Python twin of
``src/worker/main.ts``.

Says hello before it imports anything but the codec, so that the orchestrator knows soon that the process lives; the
rest of the conversation is ``run.py``. fd 3 is made close-on-exec first, so that nothing a library starts can keep
the channel open. stdout and stderr are free for what libraries print.

Exits:  0 asked to, 64 wrong arguments, 70 a fault of ours, 76 the parent broke the protocol, SIGKILL by itself when
        the parent is gone.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NoReturn

from .arguments import read_arguments
from .builds import build
from .end import EXIT_USAGE, kill_own_group
from .frames import encode_frame
from .version import VERSION
from .watchdog import start_watchdog

if TYPE_CHECKING:
    from .engine_thread import MakeEngine

_CHANNEL_FD: Final = 3


def main(argv: Sequence[str], make_engine: MakeEngine) -> NoReturn:
    """``make_engine`` is called on the engine thread, once hello is said: it may import what it likes."""
    try:
        arguments = read_arguments(argv)
        _ensure_channel()
    except ValueError as error:
        sys.stderr.write(f"hearth worker: {error}\n")
        sys.exit(EXIT_USAGE)
    start_watchdog()
    _say_hello(arguments.run_id, arguments.backend)
    from .run import run_worker

    run_worker(_CHANNEL_FD, make_engine)


def _ensure_channel() -> None:
    try:
        is_socket = stat.S_ISSOCK(os.fstat(_CHANNEL_FD).st_mode)
    except OSError:
        is_socket = False
    if not is_socket:
        raise ValueError(f"file number {_CHANNEL_FD} is no socket: this program is started by a Hearth server")
    os.set_inheritable(_CHANNEL_FD, False)


def _say_hello(run_id: str, backend: str) -> None:
    from . import from_worker

    frame = encode_frame(
        from_worker.hello(version=VERSION, run_id=run_id, backend=backend, build=build(), pid=os.getpid())
    )
    try:
        os.write(_CHANNEL_FD, frame)
    except OSError:
        # A parent that cannot be written to is gone.
        kill_own_group()
