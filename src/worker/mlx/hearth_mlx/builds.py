"""The versions of the libraries behind the engine, read from what pip has noted: ``hello`` carries them and must
not wait for the libraries to be imported.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import Final

_LIBRARIES: Final = ("mlx", "mlx-lm")


def build() -> str:
    """``mlx 0.32.4, mlx-lm 0.32.2``, without what is not installed: loading a model will say so with a reason."""
    return ", ".join(f"{name} {found}" for name in _LIBRARIES if (found := _version_of(name)))


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
