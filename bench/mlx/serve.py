"""``mlx_lm.server`` with the BLAS of ``MLX_BLAS``: ``python serve.py FLAG…``. Nothing else is changed."""

import ctypes
import os

blas = os.environ.get("MLX_BLAS")
if blas:
    # Before mlx, which then finds its functions there.
    ctypes.CDLL(blas, mode=ctypes.RTLD_GLOBAL)

from mlx_lm.server import main  # noqa: E402

if __name__ == "__main__":
    main()  # type: ignore[no-untyped-call]
