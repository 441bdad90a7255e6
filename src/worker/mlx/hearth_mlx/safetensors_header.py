"""What a file of safetensors says that it holds, and whether it can be true.

A header that promises more than the file has makes readers fail in the middle of a load, or end the process.

    u64 length (LE) · JSON of that length: {name: {dtype, shape, data_offsets: [from, to]}} · data

Shapes: ``Tensor.shape`` as stored; ``nbytes`` is what it takes in the file.
Errors: ``LoadError`` with one line that names the file.
Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .engine import LoadError

_LENGTH: Final = struct.Struct("<Q")
# The format's own limit.
_MAX_HEADER_BYTES: Final = 100_000_000
# In bits: the smallest kinds are less than a byte.
_BITS: Final = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8", "BOOL"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
_LFS: Final = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class Tensor:
    dtype: str
    shape: tuple[int, ...]
    nbytes: int


def read_header(path: Path) -> dict[str, Tensor]:
    """Names of tensors to what they are. Reads the header only."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(_LFS))
        if start == _LFS:
            raise LoadError(f"{path.name} is a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`")
        if len(start) < _LENGTH.size:
            raise LoadError(f"{path.name} has {size} bytes, too few for a header; download it again")
        (length,) = _LENGTH.unpack_from(start)
        if length > min(_MAX_HEADER_BYTES, size - _LENGTH.size):
            raise LoadError(
                f"{path.name} promises a header of {length} bytes and the file has {size}; download it again"
            )
        file.seek(_LENGTH.size)
        text = file.read(length)
    data_bytes = size - _LENGTH.size - length
    tensors: dict[str, Tensor] = {}
    for name, entry in _parse(path, text).items():
        if name == "__metadata__":
            continue
        tensor, end = _read_entry(path, name, entry)
        if end > data_bytes:
            raise LoadError(
                f"{path.name} is shorter than its header says: {name} ends at byte {end} of the data, "
                f"and there are {data_bytes}; download it again"
            )
        tensors[name] = tensor
    return tensors


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise LoadError(f"{path.name} has a damaged header: it is no JSON object; download it again")
    return header


def _read_entry(path: Path, name: str, entry: Any) -> tuple[Tensor, int]:
    """The tensor, and where in the data it ends."""
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        sizes = [*shape, begin, end]
        if not all(type(size) is int and size >= 0 for size in sizes):
            raise ValueError("sizes are whole numbers from 0")
    except (TypeError, KeyError, ValueError):
        raise LoadError(
            f"{path.name} has a damaged header: the entry of {name} has no dtype, shape and data_offsets; "
            "download it again"
        ) from None
    bits = _BITS.get(dtype) if isinstance(dtype, str) else None
    if bits is None:
        raise LoadError(f"{path.name}: {name} has the type {dtype!r}, which this build does not read")
    if (math.prod(shape) * bits + 7) // 8 != end - begin:
        raise LoadError(
            f"{path.name} has a damaged header: {name} is {dtype} {shape} and takes {end - begin} bytes; "
            "download it again"
        )
    return Tensor(dtype, tuple(shape), end - begin), end
