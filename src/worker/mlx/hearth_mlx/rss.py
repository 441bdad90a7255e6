"""How much memory this process has in RAM.

Units:  bytes.
Source: proc(5) ``statm``; ``proc_pid_rusage`` and ``rusage_info_v0`` of <sys/resource.h> on macOS.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Callable
from typing import Final

_RUSAGE_INFO_V0: Final = 0


class _RusageInfo(ctypes.Structure):
    _fields_ = (
        ("uuid", ctypes.c_uint8 * 16),
        ("user_time", ctypes.c_uint64),
        ("system_time", ctypes.c_uint64),
        ("package_idle_wakeups", ctypes.c_uint64),
        ("interrupt_wakeups", ctypes.c_uint64),
        ("pageins", ctypes.c_uint64),
        ("wired_size", ctypes.c_uint64),
        ("resident_size", ctypes.c_uint64),
        ("physical_footprint", ctypes.c_uint64),
        ("process_start_time", ctypes.c_uint64),
        ("process_exit_time", ctypes.c_uint64),
    )


def rss_bytes() -> int:
    try:
        return _READ()
    except OSError:
        # No file can be opened: a heartbeat is not the place to die of that.
        return _highest()


def _of_linux() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE_BYTES


def _of_macos() -> int:
    info = _RusageInfo()
    if ctypes.CDLL(None).proc_pid_rusage(os.getpid(), _RUSAGE_INFO_V0, ctypes.byref(info)) != 0:
        return _highest()
    return int(info.resident_size)


def _highest() -> int:
    """The most there ever was, where nothing says how much it is now."""
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024


_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_READ: Final[Callable[[], int]] = {"linux": _of_linux, "darwin": _of_macos}.get(sys.platform, _highest)
