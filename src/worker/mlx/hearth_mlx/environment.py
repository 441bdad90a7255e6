"""What has to be so before mlx, mlx-lm and transformers are imported, and after it.

Errors: ``OSError`` for a library in ``MLX_BLAS`` that cannot be loaded.
Source: measured with mlx 0.32.4 and mlx-lm 0.32.2: importing mlx-lm lowers RLIMIT_NOFILE to 2048 of 4096; the
        reference BLAS in the Linux wheel of mlx is 40 times slower than another that was loaded before it; on a
        CPU ``mx.compile`` starts a C++ compiler, whose files several workers would write at the same time.
"""

from __future__ import annotations

import ctypes
import os
import resource
import site
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# A worker reads a model from disk and talks to nobody but its parent.
_OFFLINE: Final = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # For what a library starts: this interpreter has read its own at its start.
    "PYTHONNOUSERSITE": "1",
}


def prepare_environment() -> None:
    os.environ.update(_OFFLINE)
    os.environ.pop("PYTHONPATH", None)
    # Packages of the user's own would stand beside those that were locked.
    home = site.getusersitepackages()
    sys.path[:] = [folder for folder in sys.path if folder != home]
    if sys.platform != "darwin":
        os.environ["MLX_DISABLE_COMPILE"] = "1"
    blas = os.environ.get("MLX_BLAS")
    if blas:
        # Before mlx, which then finds its functions there.
        ctypes.CDLL(blas, mode=ctypes.RTLD_GLOBAL)


@contextmanager
def keeping_file_limit() -> Iterator[None]:
    """Afterwards as many files may be open as before, as far as the system allows: the hard limit can be lowered by
    everybody and raised by few."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        yield
    finally:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        except (ValueError, OSError):
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            soft = min(before[0], hard, key=_as_number)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _as_number(limit: int) -> int:
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit
