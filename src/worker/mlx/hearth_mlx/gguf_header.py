"""The header of a GGUF file: its metadata and the names, types and shapes of its tensors.

Read with care: readers allocate whatever length a file claims, and some end the process. Everything is checked
against the size of the file first.

    magic `GGUF` · u32 version · u64 tensors · u64 pairs · pairs · tensor infos · padding · data, little endian
    string: u64 length · bytes.  Array: u32 type · u64 count · values.
    tensor: string · u32 dimensions · u64 each · u32 type · u64 offset from the beginning of the data

Shapes: ``GgufTensor.shape`` as rows by columns: the file has them the other way round.
Errors: ``LoadError`` with one line.
Source: GGUF specification, "File structure". The twin of ``backends/llama-cpp/header.ts`` and ``header-walk.ts``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Final

from .engine import LoadError

_VERSIONS: Final = (2, 3)
_HEADER_BYTES: Final = 24
_SCALARS: Final = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_STRING: Final = 8
_ARRAY: Final = 9
_MAX_DIMENSIONS: Final = 4
_DEFAULT_ALIGNMENT: Final = 32

# Those that MLX reads as they are: name, numbers in a block, bytes of a block.
READABLE: Final = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    8: ("Q8_0", 32, 34),
}
# fmt: off
_OTHERS: Final = {
    6: "Q5_0", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K",
    16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS",
    24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0",
    39: "MXFP4",
}
# fmt: on


@dataclass(frozen=True, slots=True)
class GgufTensor:
    # A name of ``READABLE``.
    type: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GgufHeader:
    metadata: Mapping[str, Any]
    tensors: Mapping[str, GgufTensor]
    file_bytes: int


def read_gguf_header(path: Path) -> GgufHeader:
    """Refuses tensors of a type that is not ``READABLE``."""
    size = path.stat().st_size
    if size < _HEADER_BYTES:
        raise LoadError(f"{path.name} has {size} bytes, too few for a header; download it again")
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        if data[:4] != b"GGUF":
            raise LoadError(f"{path.name} is not a GGUF file: it begins with {data[:12]!r}; download it again")
        version, tensor_count, pairs = struct.unpack_from("<IQQ", data, 4)
        if version not in _VERSIONS:
            raise LoadError(f"{path.name} is GGUF version {version}, this build reads 2 and 3; convert it again")
        reader = _Reader(path.name, data)
        metadata: dict[str, Any] = {}
        for pair in range(pairs):
            reader.within = f"key {pair + 1}"
            key = reader.string()
            metadata[key] = reader.value(reader.u32())
        tensors: dict[str, GgufTensor] = {}
        ends = 0
        for number in range(tensor_count):
            reader.within = f"tensor {number + 1}"
            name, tensor, end = _read_tensor(reader)
            tensors[name] = tensor
            ends = max(ends, end)
        alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
        if type(alignment) is not int or alignment <= 0:
            raise LoadError(f"{path.name}: general.alignment is {alignment!r}; download it again")
        begin = -(-reader.at // alignment) * alignment
    if begin + ends > size:
        raise LoadError(f"{path.name} has {size} bytes, its header promises {begin + ends}; download it again")
    return GgufHeader(metadata, tensors, size)


def _read_tensor(reader: _Reader) -> tuple[str, GgufTensor, int]:
    """Name, tensor, and where in the data it ends."""
    name = reader.string()
    dimensions = reader.u32()
    if not 0 < dimensions <= _MAX_DIMENSIONS:
        raise LoadError(f"{reader.file}: tensor {name} has {dimensions} dimensions; download it again")
    shape = tuple(reader.u64() for _ in range(dimensions))[::-1]
    kind, offset = reader.u32(), reader.u64()
    if kind not in READABLE:
        known = _OTHERS.get(kind, f"number {kind}")
        raise LoadError(
            f"{reader.file}: {name} is of type {known}, and MLX holds {', '.join(n for n, _, _ in READABLE.values())} "
            "as they are; use the llama-cpp backend for this file"
        )
    label, block, block_bytes = READABLE[kind]
    if math.prod(shape) % block != 0 or shape[-1] % block != 0:
        raise LoadError(f"{reader.file}: {name} has rows of {shape[-1]}, {label} needs a multiple of {block}")
    return name, GgufTensor(label, shape), offset + math.prod(shape) // block * block_bytes


class _Reader:
    """Goes over the header; never beyond the file."""

    def __init__(self, file: str, data: mmap) -> None:
        self.file: Final = file
        self.at = _HEADER_BYTES
        # What is read from now on, for messages.
        self.within = ""
        self._data = data

    def u32(self) -> int:
        return int.from_bytes(self._take(4), "little")

    def u64(self) -> int:
        return int.from_bytes(self._take(8), "little")

    def string(self) -> str:
        return self._take(self.u64()).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            return self._array()
        if kind not in _SCALARS:
            raise LoadError(f"{self.file}: {self.within} of the header has type {kind}; download it again")
        scalar = _SCALARS[kind]
        return scalar.unpack(self._take(scalar.size))[0]

    def _array(self) -> list[Any]:
        kind, count = self.u32(), self.u64()
        if kind in _SCALARS:
            scalar = _SCALARS[kind]
            return [value for (value,) in scalar.iter_unpack(self._take(count * scalar.size))]
        if kind != _STRING:
            raise LoadError(f"{self.file}: {self.within} of the header is an array of type {kind}; download it again")
        # The least that a string takes.
        self._check(count * 8)
        return [self.string() for _ in range(count)]

    def _take(self, count: int) -> bytes:
        self._check(count)
        self.at += count
        return self._data[self.at - count : self.at]

    def _check(self, count: int) -> None:
        if count > len(self._data) - self.at:
            raise LoadError(
                f"{self.file}: {self.within} of the header is longer than the file, which has {len(self._data)} "
                "bytes; download it again"
            )
