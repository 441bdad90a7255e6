"""Shared memory for payloads, its receiver's end. The Python twin of ``ArenaView`` in ``src/ipc/arena.ts``, where
the file is described.

    open ──close()──▶ closed

    block in the file   u32 mark, u32 generation, u32 bytes, u32 CRC-32 of the payload, payload

It copies first and checks its copy: what is written later cannot change what was found good. The file is read, not
mapped: to cut a file that somebody has mapped would kill them.

Units:  bytes; numbers in the file are little-endian.
Errors: ``OSError`` and ``ValueError`` where it cannot be opened, ``PayloadDamaged`` for a block that is not what it
        was.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from typing import Final

from .transfers import ARENA_BYTES, Block

_MARK: Final = 0x48_41_52_31
_HEAD: Final = struct.Struct("<IIII")


class PayloadDamaged(Exception):
    def __init__(self, why: str) -> None:
        super().__init__(f"The prompt was damaged on its way to the worker, in shared memory: {why}. Send it again.")


class ArenaView:
    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        facts = os.fstat(self._fd)
        if stat.S_ISREG(facts.st_mode) and facts.st_size == ARENA_BYTES and facts.st_uid == os.getuid():
            return
        self.close()
        raise ValueError("it is not the file of an arena")

    def read(self, block: Block, payload_bytes: int) -> bytes:
        head = self._fill(block.offset, _HEAD.size)
        if head != _HEAD.pack(_MARK, block.generation, payload_bytes, block.crc):
            raise PayloadDamaged("the block is not the one that was sent")
        payload = self._fill(block.offset + _HEAD.size, payload_bytes)
        if zlib.crc32(payload) != block.crc:
            raise PayloadDamaged("its checksum is wrong")
        return payload

    def close(self) -> None:
        os.close(self._fd)

    def _fill(self, position: int, wanted: int) -> bytes:
        pieces: list[bytes] = []
        while wanted > 0:
            try:
                piece = os.pread(self._fd, wanted, position)
            except OSError:
                raise PayloadDamaged("it cannot be read") from None
            if not piece:
                raise PayloadDamaged("its end is missing")
            pieces.append(piece)
            position += len(piece)
            wanted -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
